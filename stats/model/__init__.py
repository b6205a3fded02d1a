"""The hierarchical model: linear predictor, priors, judge confusion."""
