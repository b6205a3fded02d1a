"""TODO wing calibration/correction."""
