"""Wire formats, one per file: messages to events and back, without sockets (pure)."""
