"""Formats that a study can be written to."""
