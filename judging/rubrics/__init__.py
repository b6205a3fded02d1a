"""TODO wing judging/rubrics."""
