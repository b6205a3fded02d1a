"""Measures judges against labels: agreement, confusion, correction, the label queue. Imports `data` only."""
