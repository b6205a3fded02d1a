"""TODO wing dashboard/components."""
