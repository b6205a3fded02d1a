"""Doses: the strengths at which a subject's answers stay coherent, and those at which additions have equal effects."""
