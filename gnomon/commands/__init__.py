"""TODO wing gnomon/commands."""
