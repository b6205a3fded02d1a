"""Plans the trials of a study and runs them, in this process or on Ray workers."""
