"""Measures how long audits take, and compares what two commits say."""
