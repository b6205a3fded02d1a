"""The steps of the chain on an open study: each returns its result and prints nothing."""
