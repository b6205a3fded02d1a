"""The headline pools joint and cut fit unless labels contradict the joint one; then it is the design-based estimate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.estimands.definitions import EstimandDraws
from gnomon.stats.estimands.method_comparison import (
    CUT_SHARE,
    RATER_ERROR,
    compare_methods,
    label_error_rate,
    method_differences,
    pool_estimates,
)
from gnomon.stats.estimands.size_regression import pairwise_contrasts
from gnomon.stats.narrative.method_sentences import headline_sentence
from gnomon.stats.results import CUT, DESIGN, JOINT, POOLED
from gnomon.stats.tables.method_table import method_table

RANDOM = np.random.default_rng(1)


def figures(net: float, at_eight: float, sd: float) -> list[EstimandDraws]:
    def draws(mean: float) -> np.ndarray:
        return mean + sd * RANDOM.normal(size=2000)

    out = []
    for subject in ("small", "large"):
        out.append(EstimandDraws(subject, "net_detection_raw", draws(net)))
        out.append(EstimandDraws(subject, "identification", draws(net + 0.1)))
        out += [
            EstimandDraws(subject, "identification", draws(rate), {"strength": strength})
            for strength, rate in ((1.0, 0.1), (8.0, at_eight))
        ]
    return out


JOINT_FIT = figures(0.2, 0.3, 0.02)
AGREES, CONTRADICTS = figures(0.22, 0.32, 0.05), figures(0.03, 0.05, 0.05)


def test_the_joint_fit_stays_where_labels_agree_with_it() -> None:
    found = compare_methods(JOINT_FIT, {DESIGN: AGREES})
    assert found.headline.method == JOINT
    assert found.shown == JOINT_FIT
    assert [row.method for row in found.methods if row.headline] == [JOINT] * 4
    assert "agrees with the design-based estimates" in headline_sentence(found.headline)


def test_a_quarter_of_the_headline_is_the_cut_fit() -> None:
    cut = figures(0.3, 0.4, 0.04)
    found = compare_methods(JOINT_FIT, {DESIGN: AGREES, CUT: cut})
    assert found.headline.method == POOLED
    assert [row.method for row in found.methods if row.headline] == [POOLED] * 4
    for pooled, joint, other in zip(found.shown, JOINT_FIT, cut, strict=True):
        kept = np.arange(len(joint.draws)) % CUT_SHARE != CUT_SHARE - 1
        assert (pooled.draws[kept] == joint.draws[kept]).all()
        assert set(pooled.draws[~kept]) <= set(other.draws)
        assert np.percentile(pooled.draws, 97.5) > np.percentile(joint.draws, 97.5)
    assert headline_sentence(found.headline).startswith("Headline: pooled fits.")
    assert method_table(found.methods).rows[0]["headline"] == "pooled fits"


def test_differences_of_pooled_estimates_are_pooled_differences() -> None:
    cut = figures(0.3, 0.4, 0.04)
    small, large = (pool_estimates(JOINT_FIT, cut)[place] for place in (0, 4))
    gap = small.draws - large.draws
    exchanged = np.arange(CUT_SHARE - 1, len(gap), CUT_SHARE)
    assert gap[exchanged] == pytest.approx((cut[0].draws - cut[4].draws)[: len(exchanged)])


def test_an_estimate_that_the_cut_fit_lacks_stays_the_joint_fits() -> None:
    assert pool_estimates(JOINT_FIT, AGREES[:1])[1] is JOINT_FIT[1]
    assert pool_estimates(JOINT_FIT, ()) == []


def test_labels_that_contradict_the_fit_move_every_estimate() -> None:
    found = compare_methods(JOINT_FIT, {DESIGN: CONTRADICTS, CUT: AGREES[:1]})
    assert found.headline.method == DESIGN
    assert [figure.draws.mean() for figure in found.shown] == [figure.draws.mean() for figure in CONTRADICTS]
    words = headline_sentence(found.headline)
    assert "contradicts the labels" in words
    assert "corrected net detection (mean of all models) is +20.0 % by the joint fit" in words
    contrast = next(row for row in pairwise_contrasts(found.shown) if row.estimand == "net_detection_raw")
    by_hand = CONTRADICTS[0].draws - CONTRADICTS[4].draws
    assert contrast.mean == by_hand.mean(), "contrasts are those of the figures that are shown"
    table = method_table(found.methods).text_frame()
    assert list(table.columns) == [
        "Model",
        "Estimate",
        "Pooled fits",
        "Joint fit",
        "Cut fit",
        "Design-based",
        "Headline",
    ]
    assert set(table["Headline"]) == {"design-based"}


def test_without_design_based_estimates_nothing_is_compared() -> None:
    found = compare_methods(JOINT_FIT, {})
    assert (found.headline.p, found.headline.method) == (None, JOINT)
    assert "Too few labels" in headline_sentence(found.headline)


def test_a_contradicted_fit_lends_no_estimate_that_the_labels_cannot_give() -> None:
    found = compare_methods(JOINT_FIT, {DESIGN: CONTRADICTS[1:]})
    assert found.headline.method == DESIGN
    assert found.withheld == JOINT_FIT[:1]
    assert len(found.shown) == len(JOINT_FIT) - 1
    assert not [row for row in found.methods if row.subject == "small" and "net" in row.estimand and row.headline]


def test_a_fit_that_fails_its_check_of_labels_loses_the_headline() -> None:
    found = compare_methods(JOINT_FIT, {DESIGN: AGREES}, labels_misfit=True)
    assert found.headline.method == DESIGN
    assert "fails its posterior predictive check of labels" in headline_sentence(found.headline)


def test_a_difference_that_wrong_labels_explain_is_no_contradiction() -> None:
    """Raters wrong on one label in twenty move the design-based estimates, which take labels as the truth."""
    moved = [replace(figure, draws=figure.draws - 0.12) for figure in AGREES]
    assert compare_methods(JOINT_FIT, {DESIGN: moved}).headline.method == DESIGN
    assert compare_methods(JOINT_FIT, {DESIGN: moved}, label_error=0.05).headline.method == JOINT


def test_label_errors_are_learned_from_trials_that_two_raters_labelled() -> None:
    frame = cell_frame([{"arm": "control"}])
    column = np.zeros(40, dtype=np.int64)
    two = np.column_stack([column, np.r_[np.ones(8), np.zeros(32)]]).astype(np.int64)
    cells = VerdictPatternCells(
        frame, ("refused", "event", "rest"), ("judge",), column, column, column + 1, column[:, None],
        raters=("ann", "bob"), ratings=two, exact=np.zeros(40, dtype=bool),
    )  # fmt: skip
    assert RATER_ERROR < label_error_rate(cells) < 0.1
    assert label_error_rate(replace(cells, ratings=np.full((40, 2), MISSING))) == pytest.approx(RATER_ERROR)
    assert label_error_rate(replace(cells, exact=np.ones(40, dtype=bool))) == 0


def test_differences_weigh_that_both_use_the_same_data() -> None:
    """A difference of one joint standard error of two independent estimates is more than a nested one's."""
    wide = [replace(figure, draws=figure.draws + 0.03) for figure in JOINT_FIT[:1]]
    (row,) = method_differences(JOINT_FIT[:1], wide)
    assert 0.005 < row.se < 0.015
    assert row.difference < 0
