"""Turns counts into rates with intervals: cells, models, fits, estimands, charts. Imports `data` and `calibration`."""
