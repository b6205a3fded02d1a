"""Measurements of the battery of tasks: coverage of its intervals."""
