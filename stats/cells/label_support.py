"""Whether the labels of an arm can say anything of a judge's errors: not if few, or all of trials with one verdict."""

from __future__ import annotations

import numpy as np

from gnomon.data.records import Arm
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells

MIN_LABELS = 5
"""Least number of labels of an arm, over all subjects, from which labels alone estimate anything."""
MIN_PROBABILITY = 0.001
"""Probability, for labels at random, of all having one verdict, below which their choice is taken to be by verdict."""


def arms_with_labels(patterns: VerdictPatternCells) -> list[str]:
    """Arms with at least `MIN_LABELS` labels, over all subjects, in the order of `Arm`."""
    labelled = patterns.labelled_by_arm()
    return [str(arm) for arm in Arm if labelled.get(str(arm), 0) >= MIN_LABELS]


def arms_with_one_verdict(patterns: VerdictPatternCells) -> dict[str, str]:
    """Arms whose labels are all of trials to which a judge gave one verdict, and why nothing can be corrected there.

    Such labels measure how often that verdict is right and nothing of the trials with other verdicts: a judge's misses
    are then whatever the prior says. With n labels and a share s of the judged trials with that verdict, labels at
    random would all have it with probability s^n; an arm is listed where that is below `MIN_PROBABILITY`.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts by cell, verdict pattern and label.

    Returns
    -------
    dict of str to str
        Reason by arm.
    """
    arms = patterns.frame["arm"].astype(str).to_numpy()[patterns.cell]
    out: dict[str, str] = {}
    for arm in dict.fromkeys(arms.tolist()):
        for judge, name in enumerate(patterns.judges):
            judged = (arms == arm) & (patterns.verdict[:, judge] != MISSING)
            labelled = judged & (patterns.label != MISSING)
            given = np.unique(patterns.verdict[labelled, judge])
            if len(given) != 1:
                continue
            same = judged & (patterns.verdict[:, judge] == given[0])
            many = int(patterns.count[labelled].sum())
            share = float(patterns.count[same].sum() / patterns.count[judged].sum())
            if share**many < MIN_PROBABILITY:
                out[arm] = (
                    f"all {many} labels of the {arm} arm are of trials that {name} calls {patterns.classes[given[0]]}, "
                    f"as it does {100 * share:.0f} % of all: label some of the others, then fit again"
                )
                break
    return out
