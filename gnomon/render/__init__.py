"""TODO wing gnomon/render."""
