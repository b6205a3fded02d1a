"""TODO wing generation/prompts."""
