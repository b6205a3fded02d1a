"""Verdicts and labels of a study as data frames, with outcomes derived from facts."""
