"""Whether labels that are declared a random sample look like one: a comparison of verdicts with and without labels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from gnomon.calibration.labels.sampling_strata import RANDOM_STRATA
from gnomon.calibration.observations.frames import arms_in
from gnomon.calibration.results.error_rates import NonrandomLabels

SELECTED_BELOW = 0.001
"""p-value below which labels do not look random: a study of four judges and three arms makes a dozen tests."""


def nonrandom_labels(labelled: pd.DataFrame, judged: pd.DataFrame) -> list[NonrandomLabels]:
    """Arms in which labels declared random were apparently chosen by verdicts.

    Estimand: whether P(labelled) differs between a judge's positive and negative verdicts within an arm. Assumes
    independent trials; Fisher's exact test, two-sided. Labels of other strata were declared and are not tested, nor is
    an arm of which every trial is labelled.

    Parameters
    ----------
    labelled : pandas.DataFrame
        Labelled trials of one judge, with columns trial, arm, event and stratum.
    judged : pandas.DataFrame
        All its judged trials, with columns trial, arm and event.

    Returns
    -------
    list of NonrandomLabels
        One for each arm with a p-value below `SELECTED_BELOW`.
    """
    if not labelled["stratum"].isin(RANDOM_STRATA).all():
        return []
    arms, known = arms_in(labelled), judged["trial"].isin(set(labelled["trial"]))
    parts = {arm: [judged.loc[(judged["arm"] == arm) & here, "event"] for here in (known, ~known)] for arm in arms}
    checks = [_check_arm(arm, *both) for arm, both in parts.items() if all(map(len, both))]
    return [check for check in checks if check.p_value < SELECTED_BELOW]


def _check_arm(arm: str, *parts: pd.Series[bool]) -> NonrandomLabels:
    table = np.array([[int(part.sum()), int((~part).sum())] for part in parts])
    return NonrandomLabels(
        arm=arm,
        labelled=len(parts[0]),
        labelled_positive=float(parts[0].mean()),
        unlabelled=len(parts[1]),
        unlabelled_positive=float(parts[1].mean()),
        p_value=float(fisher_exact(table).pvalue),
    )
