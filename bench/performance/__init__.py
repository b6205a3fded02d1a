"""Measures time and memory of whole operations, as ratios within one run."""
