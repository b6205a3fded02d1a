"""TODO wing bench/performance."""
