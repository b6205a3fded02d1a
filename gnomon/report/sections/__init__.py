"""Sections of the report, one module a subject; each is made of what pages show of it, by the same functions."""
