"""Variants of one model on the same vectors: what they do beyond the model that they are variants of."""
