"""Bounds on net detection where refusals hide part of the trials, from counts alone."""
