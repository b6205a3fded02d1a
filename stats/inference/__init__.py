"""Samples the posterior: log density, coordinates, sampler, reweighting of cached draws."""
