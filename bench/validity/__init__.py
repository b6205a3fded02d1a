"""Simulates coverage and bias of the estimates, and repeats published analyses."""
