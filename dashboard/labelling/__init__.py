"""Blind labelling without a screen: the session, its questions, and the log of what was seen."""
