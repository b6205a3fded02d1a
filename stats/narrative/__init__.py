"""Sentences and frames about estimates and fits, for pages and report."""
