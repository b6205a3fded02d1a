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
    checks = [compare_labelled(arm, *((int(one.sum()), len(one)) for one in both)) for arm, both in parts.items()]
    return [check for check in checks if check.p_value < SELECTED_BELOW]


def compare_labelled(arm: str, labelled: tuple[int, int], unlabelled: tuple[int, int]) -> NonrandomLabels:
    """Shares of positive verdicts with and without a label, and Fisher's exact test that they are equal.

    Parameters
    ----------
    arm : str
        Name of the arm.
    labelled, unlabelled : (int, int)
        Positive verdicts, and all; without any of a kind the p-value is 1.
    """
    (k1, n1), (k0, n0) = labelled, unlabelled
    p = float(fisher_exact(np.array([[k1, n1 - k1], [k0, n0 - k0]])).pvalue) if n1 and n0 else 1.0
    return NonrandomLabels(
        arm=arm,
        labelled=n1,
        labelled_positive=k1 / n1 if n1 else 0.0,
        unlabelled=n0,
        unlabelled_positive=k0 / n0 if n0 else 0.0,
        p_value=p,
    )
