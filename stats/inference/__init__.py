"""TODO wing stats/inference."""
