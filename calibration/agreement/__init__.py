"""TODO wing calibration/agreement."""
