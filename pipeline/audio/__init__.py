"""Audio: its one shape inside the pipeline, and where it comes from."""
