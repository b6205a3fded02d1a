"""TODO wing stats/estimands."""
