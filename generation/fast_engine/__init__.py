"""Decoding steps that read nothing back while they run, so that a GPU can replay them as graphs."""
