"""Graded verdicts: a judge's scores, calibrated by labels, as a help to estimates of event rates."""
