"""A calibration card as readers see it: its state at a glance, and its figures as tables."""
