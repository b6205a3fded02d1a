"""Tables of estimates as values: the same table is drawn on a page, in the report and on the terminal."""
