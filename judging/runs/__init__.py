"""TODO wing judging/runs."""
