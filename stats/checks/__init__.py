"""TODO wing stats/checks."""
