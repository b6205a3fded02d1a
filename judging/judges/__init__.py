"""Kinds of judges, local and remote."""
