"""TODO wing dashboard/auth."""
