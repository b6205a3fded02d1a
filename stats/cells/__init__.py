"""Counts of outcomes by model, arm, concept, layer and strength."""
