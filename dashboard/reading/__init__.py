"""Parts of the Transcripts page: filters, the list, the reading pane, comparisons. Finds nothing itself."""
