"""TODO wing judging/client."""
