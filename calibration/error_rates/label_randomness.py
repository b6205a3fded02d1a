"""Whether labels that are declared a random sample look like one: a comparison of verdicts with and without labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from gnomon.calibration.error_rates.judged_counts import trial_counts
from gnomon.calibration.labels.sampling_strata import AUDIT, BY_VERDICT, RANDOM
from gnomon.calibration.numerics.multiple_testing import holm_adjusted
from gnomon.calibration.observations.frames import arms_in
from gnomon.calibration.results.error_rates import NonrandomLabels

ChoiceSign = Literal["verdict", "dispute"]
SIGNS: dict[ChoiceSign, str] = {"verdict": "event", "dispute": "disputed"}
"""What a choice of labels may show in, and its column in a frame of judged trials."""
SELECTED_BELOW = 0.01
"""Holm-adjusted p-value below which labels do not look random."""


def nonrandom_labels(labelled: pd.DataFrame, judged: pd.DataFrame) -> list[NonrandomLabels]:
    """Arms in which labels declared random were apparently chosen by verdicts.

    Estimand: whether P(labelled) differs between a judge's positive and negative verdicts within an arm, or between
    trials that judges dispute and others. Assumes independent trials; Fisher's exact test, two-sided, with Holm's
    (1979) correction for the number of tests. A declared choice (`arms_with_declared_choice`) is not tested, nor is an
    arm of which every trial is labelled.

    Parameters
    ----------
    labelled : pandas.DataFrame
        Labelled trials of one judge, with columns arm, event, stratum and probability, and disputed where `judged` has
        it.
    judged : pandas.DataFrame
        All its judged trials, labelled ones included, with columns arm, event and, where there are other judges,
        disputed: one row each, or one for each kind with their number (`judged_counts.trial_counts`).

    Returns
    -------
    list of NonrandomLabels
        For each arm with an adjusted p-value below `SELECTED_BELOW` the comparison with the smallest.
    """
    declared = arms_with_declared_choice(labelled)
    arms = [arm for arm in arms_in(labelled) if arm not in declared]
    number = trial_counts(judged)
    checks = []
    for by, column in SIGNS.items():
        if column not in judged or judged[column].nunique() < 2:
            continue
        for arm in arms:
            seen, here = labelled.loc[labelled["arm"] == arm, column], judged["arm"] == arm
            positive, every = int(number[here & judged[column]].sum()), int(number[here].sum())
            known = (int(seen.sum()), len(seen))
            checks.append(compare_labelled(arm, known, (positive - known[0], every - known[1]), by=by))
    return clearest_choices(checks)


def clearest_choices(checks: Sequence[NonrandomLabels]) -> list[NonrandomLabels]:
    """Of each arm's significant comparisons (`significant_choices`) the one with the smallest p-value."""
    first: dict[str, NonrandomLabels] = {}
    for check in sorted(significant_choices(checks), key=lambda each: each.p_value):
        first.setdefault(check.arm, check)
    return [first[arm] for arm in dict.fromkeys(check.arm for check in checks) if arm in first]


def significant_choices(checks: Sequence[NonrandomLabels]) -> list[NonrandomLabels]:
    """The comparisons whose p-value is below `SELECTED_BELOW` after Holm's correction for all of them."""
    adjusted = holm_adjusted([check.p_value for check in checks])
    return [check for check, p in zip(checks, adjusted, strict=True) if p < SELECTED_BELOW]


def arms_with_declared_choice(labels: pd.DataFrame) -> set[str]:
    """Arms whose labels say how verdicts chose them: by unequal inclusion probabilities, or a stratum of the queue.

    A draw of the queue concerns all arms. A stratum of another name with one probability for all says nothing.

    Parameters
    ----------
    labels : pandas.DataFrame
        Labels with the columns arm, stratum and probability.
    """
    if labels["stratum"].isin(BY_VERDICT).any():
        return set(labels["arm"])
    imported = labels[~labels["stratum"].isin([AUDIT, RANDOM])]
    chances = imported.groupby("arm")["probability"].nunique()
    return {str(arm) for arm in chances.index[chances > 1]}


def compare_labelled(
    arm: str, labelled: tuple[int, int], unlabelled: tuple[int, int], by: ChoiceSign = "verdict"
) -> NonrandomLabels:
    """Shares of positive verdicts with and without a label, and Fisher's exact test that they are equal.

    Parameters
    ----------
    arm : str
        Name of the arm.
    labelled, unlabelled : (int, int)
        Positive verdicts (or disputed trials), and all; without any of a kind the p-value is 1.
    by : {"verdict", "dispute"}
        What is counted.
    """
    from scipy.stats import fisher_exact

    (k1, n1), (k0, n0) = labelled, unlabelled
    p = float(fisher_exact(np.array([[k1, n1 - k1], [k0, n0 - k0]])).pvalue) if n1 and n0 else 1.0
    return NonrandomLabels(
        arm=arm,
        labelled=n1,
        labelled_positive=k1 / n1 if n1 else 0.0,
        unlabelled=n0,
        unlabelled_positive=k0 / n0 if n0 else 0.0,
        p_value=p,
        by=by,
    )
