"""TODO wing generation/engine."""
