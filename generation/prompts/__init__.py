"""Protocols: the messages put to a model, and where the vector acts."""
