"""Concept vectors: specification, methods, cache."""
