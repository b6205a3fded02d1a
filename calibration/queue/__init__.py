"""TODO wing calibration/queue."""
