"""Parts that several pages draw: charts, transcripts, filters."""
