"""TODO wing calibration/labels."""
