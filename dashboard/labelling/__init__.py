"""Blind labelling: the session, its questions, what was labelled and seen before, and the panels that draw it."""
