"""From a frame to a model and from a model to predictions."""
