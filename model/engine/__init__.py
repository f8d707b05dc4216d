"""The network on the device: many canvases in one flat pass."""
