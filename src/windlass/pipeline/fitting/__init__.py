"""From rows to a model: features, the search for parameters, training."""
