"""The network, padded and plain: the truth that the engine computes faster."""
