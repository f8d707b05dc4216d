"""Who speaks in a recording: voices are compared, and each gets a number."""
