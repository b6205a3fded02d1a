"""TODO wing calibration/numerics."""
