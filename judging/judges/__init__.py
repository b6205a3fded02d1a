"""TODO wing judging/judges."""
