"""Batched decoding with steering: the engine, its cache, masks, sampling and random numbers."""
