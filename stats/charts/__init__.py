"""Charts of estimates and diagnostics."""
