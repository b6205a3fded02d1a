"""TODO wing generation/vectors."""
