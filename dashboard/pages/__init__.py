"""TODO wing dashboard/pages."""
