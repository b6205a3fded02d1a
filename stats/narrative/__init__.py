"""TODO wing stats/narrative."""
