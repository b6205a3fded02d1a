"""Commands of the chain, a module each: opens the study through the Python API and returns what the step made."""
