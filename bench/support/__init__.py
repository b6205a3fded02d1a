"""TODO wing bench/support."""
