"""Tables of any file type as rows, and what their columns mean."""
