"""Engines that generate trials, measured against each other."""
