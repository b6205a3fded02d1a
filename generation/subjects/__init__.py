"""Loads language models and checks that they fit into memory."""
