"""Turns counts into rates with intervals: cells, models, fits, estimands, figures. Imports `data` and `calibration`."""
