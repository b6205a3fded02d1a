"""TODO wing stats/cells."""
