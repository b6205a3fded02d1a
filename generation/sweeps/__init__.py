"""TODO wing generation/sweeps."""
