"""Audio sources, one per file. Each yields AudioChunks without holes, from media time 0."""
