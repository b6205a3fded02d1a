"""TODO wing stats/charts."""
