"""Batched decoding with steering: the engine, sampling and random numbers."""
