"""TODO wing calibration/plotting."""
