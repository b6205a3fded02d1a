"""Comparison of two judge versions on the same labelled trials, and of label policies."""
