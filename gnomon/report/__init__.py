"""The report of a study as HTML, PDF and Markdown."""
