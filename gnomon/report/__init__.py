"""TODO wing gnomon/report."""
