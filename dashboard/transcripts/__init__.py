"""Finds trials and their transcripts for the pages. Draws nothing."""
