"""TODO wing dashboard/transcripts."""
