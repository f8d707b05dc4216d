"""What can be wrong with a checkpoint folder, and with what a model is trained on."""


class CheckpointError(Exception):
    """A checkpoint file that is missing, damaged or of another model; names file and tensor."""


class TrainingError(Exception):
    """Text that cannot be trained on, or a model that it does not fit; shown to the user as is."""


class PeerError(Exception):
    """Another translator, which ours is compared with, failed."""
