"""Every version of the tables, oldest first; each runs in one transaction."""
