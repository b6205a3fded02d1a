"""TODO wing bench/validity."""
