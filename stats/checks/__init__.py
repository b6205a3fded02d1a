"""Posterior predictive checks and simulated studies."""
