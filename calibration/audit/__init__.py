"""TODO wing calibration/audit."""
