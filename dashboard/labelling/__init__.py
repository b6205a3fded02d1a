"""TODO wing dashboard/labelling."""
