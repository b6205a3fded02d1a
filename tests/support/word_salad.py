"""Simulated trials of judges that take the word salad of strong steering for events."""

from __future__ import annotations

import numpy as np

from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame

CLASSES = (REFUSED, EVENT, REST)
STRENGTHS = (1.0, 2.0, 4.0, 8.0)
DETECTION = (0.05, 0.25, 0.45, 0.25)
FALSE_EVENTS = (0.01, 0.03, 0.1, 0.3)


def word_salad(seed: int, labels: int, *, disputed: bool) -> VerdictPatternCells:
    """Two judges that take word salad for events: 300 trials at each of four strengths, 600 in the control arm."""
    rng = np.random.default_rng(seed)
    frame = cell_frame([{"arm": "control"}, *({"arm": "injection", "concept": "x", "strength": s} for s in STRENGTHS)])
    cell = np.repeat(np.arange(5), [600, 300, 300, 300, 300])
    rate, false = np.array([0.05, *DETECTION])[cell], np.array([0.05, *FALSE_EVENTS])[cell]
    truth = np.where(rng.random(len(cell)) < rate, 1, 2)
    verdict = np.empty((len(cell), 2), dtype=np.int64)
    for judge, share in enumerate((1.0, 0.7)):
        u = rng.random(len(cell))
        verdict[:, judge] = np.where(truth == 1, np.where(u < 0.12, 2, 1), np.where(u < share * false, 1, 2))
    label = np.full(len(cell), MISSING)
    dispute = verdict[:, 0] != verdict[:, 1]
    for arm in (cell == 0, cell > 0):
        first = rng.permutation(np.flatnonzero(arm & dispute))[: labels // 2 if disputed else 0]
        rest = rng.permutation(np.setdiff1d(np.flatnonzero(arm), first))[: labels - len(first)]
        chosen = np.concatenate([first, rest])
        label[chosen] = truth[chosen]
    rows, count = np.unique(np.column_stack([cell, label, verdict]), axis=0, return_counts=True)
    return VerdictPatternCells(frame, CLASSES, ("one", "two"), rows[:, 0], rows[:, 1], count, rows[:, 2:])
