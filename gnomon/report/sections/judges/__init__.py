"""Sections of the report on judges: their errors, their worth together, their cards."""
