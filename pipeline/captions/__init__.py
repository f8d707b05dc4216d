"""What a reader sees live, and may be taken back (pure)."""
