"""Who comes in, how many at once, and what is checked before anything is served."""
