"""Calls to OpenAI-compatible servers: retries, rate limits, budget, batches."""
