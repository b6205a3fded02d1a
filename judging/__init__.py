"""Asks judges what a transcript says: rubrics, judges, panels. Imports `data` only."""
