"""What judges are fooled by: planted errors are found, within arms, and a judge that errs at random is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact
from simulated_study import fill_study
from sqlalchemy import select

from gnomon.calibration.susceptibility.covariate_effects import covariate_effects
from gnomon.calibration.susceptibility.error_covariates import COVARIATES, Covariate, covariate_frame
from gnomon.calibration.susceptibility.judge_susceptibility import judge_susceptibility
from gnomon.calibration.susceptibility.susceptibility_results import ErrorKind
from gnomon.data.storage.tables import labels

LONG = (Covariate("long", "long responses"),)


def labelled_rows(counts: dict[tuple[str, bool], tuple[int, int]]) -> pd.DataFrame:
    """Labelled non-events: (false alarms, right verdicts) by arm and whether the response is long."""
    rows = [
        {"arm": arm, "long": float(long), "event": wrong, "true_event": False, "weight": 1.0}
        for (arm, long), numbers in counts.items()
        for wrong, number in zip((True, False), numbers, strict=True)
        for _ in range(number)
    ]
    return pd.DataFrame(rows)


def test_one_arm_is_fishers_test_and_newcombes_difference():
    found = covariate_effects(labelled_rows({("control", True): (9, 31), ("control", False): (3, 57)}), LONG)
    alarm, miss = found
    assert (alarm.error, miss.error) == (ErrorKind.FALSE_ALARM, ErrorKind.MISS)
    assert alarm.p_exact == pytest.approx(fisher_exact([[9, 31], [3, 57]]).pvalue)
    assert alarm.difference.value == pytest.approx(9 / 40 - 3 / 60)
    assert alarm.p_adjusted == alarm.p_exact, "the miss has no trials, so that nothing is corrected for"
    assert miss.difference is None
    assert miss.reason.startswith("0 labelled trials on one side")


def test_an_arm_with_more_errors_and_longer_responses_is_no_effect_of_length():
    rows = labelled_rows(
        {
            ("control", True): (1, 19),
            ("control", False): (4, 76),
            ("injection", True): (40, 40),
            ("injection", False): (10, 10),
        }
    )
    assert fisher_exact([[41, 59], [14, 86]]).pvalue < 1e-4, "pooled over arms it looks like one"
    alarm = covariate_effects(rows, LONG)[0]
    assert alarm.p_exact > 0.9
    assert alarm.difference.value == pytest.approx(0.0, abs=1e-12)


def test_weights_bring_back_what_labels_by_dispute_chose():
    """Errors were labelled five times as often as the rest on both sides: weighted shares are the population's."""
    rows = labelled_rows({("control", True): (50, 90), ("control", False): (25, 95)})
    rows["weight"] = np.where(rows["event"], 1.0, 5.0)
    alarm = covariate_effects(rows, LONG)[0]
    assert alarm.having.share.value == pytest.approx(50 / (50 + 450))
    assert alarm.lacking.share.value == pytest.approx(25 / (25 + 475))


def test_a_judge_that_errs_at_random_is_seldom_called_fooled():
    random = np.random.default_rng(7)
    wrongly = 0
    for _ in range(200):
        drawn = random.binomial(40, 0.15, size=4)
        cells = {(arm, long): (k, 40 - k) for (arm, long), k in zip(_CELLS, drawn.tolist(), strict=True)}
        wrongly += covariate_effects(labelled_rows(cells), LONG)[0].p_exact < 0.05
    assert wrongly <= 16, "size of the exact test: 5 % of 200 and two standard errors"


_CELLS = [("control", True), ("control", False), ("injection", True), ("injection", False)]


def test_a_study_gives_every_property_and_says_what_is_too_few(store):
    fill_study(store, n=400)
    labelled = store.read_frame(select(labels.c.trial).order_by(labels.c.trial))["trial"].tolist()
    frame = covariate_frame(store, "careful-1", "blind", labelled)
    assert frame["trial"].tolist() == labelled
    assert set(frame.columns) == {"trial", *(each.name for each in COVARIATES)}
    assert frame["no_quote"].eq(1.0).all(), "simulated verdicts quote nothing"
    assert frame["late"].isna().all(), "this judge is shown no list"
    found = judge_susceptibility(store, "careful-1", "blind")
    assert found.labelled < len(labelled), "the test split is not looked at"
    assert "test" not in found.splits
    assert {each.covariate for each in found.effects} == {each.name for each in COVARIATES}
    assert all(each.reason for each in found.effects if each.p_exact is None)
    assert found.words
