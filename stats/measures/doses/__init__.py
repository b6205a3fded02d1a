"""Estimates of the battery by dose and depth: curves, cells pooled over both, and the best cell."""
