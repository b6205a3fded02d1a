"""Steers a subject and asks it: subjects, concept vectors, injection, the batched engine, sweeps."""
