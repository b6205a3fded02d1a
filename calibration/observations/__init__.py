"""TODO wing calibration/observations."""
