"""Trials of the battery and of other measures as data frames, one row for each score of a trial."""
