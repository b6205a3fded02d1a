"""The command line and the study file: binds the rooms."""
