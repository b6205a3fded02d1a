"""Size and coverage of the methods of calibration: comparisons, certificates, transport, graded corrections."""
