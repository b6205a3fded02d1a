"""Runs of judges over a study: panels, cost estimates, prompt-injection tests."""
