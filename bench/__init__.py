"""Measurements: each prints what it saw, and the machine that it saw it on."""
