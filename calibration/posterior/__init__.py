"""TODO wing calibration/posterior."""
