"""TODO wing generation/subjects."""
