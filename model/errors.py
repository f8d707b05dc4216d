"""What can be wrong with a checkpoint folder."""


class CheckpointError(Exception):
    """A checkpoint file that is missing, damaged or of another model; names file and tensor."""
