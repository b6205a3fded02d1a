"""TODO wing dashboard/server."""
