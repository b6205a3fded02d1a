"""Calibration cards and comparisons of judge versions as tables of estimates."""
