"""Caption sinks, one per file."""
