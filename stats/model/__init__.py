"""TODO wing stats/model."""
