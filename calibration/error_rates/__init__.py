"""TODO wing calibration/error_rates."""
