"""Strata of judge error: by what errors may differ, and where they may not."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame, empty_patterns
from gnomon.stats.model.judge_confusion import (
    LABELS_FOR_ERRORS,
    ExternalCalibration,
    arms_present,
    build_verdict_arrays,
    confusion_strata,
)
from gnomon.stats.model.priors import Priors

CLASSES = (REFUSED, EVENT, REST)


def arrays(rows: list[dict[str, object]]):
    patterns = empty_patterns(cell_frame(rows), CLASSES, ("x", "y"))
    return confusion_strata(patterns)[0], build_verdict_arrays(patterns, Priors())


def injected(**axes: object) -> dict[str, object]:
    return {"arm": "injection", "concept": "fear", **axes}


def test_wrong_logits_deviate_by_strength_and_layer_within_steered_arms_only() -> None:
    rows = [injected(strength=s, layer=layer, depth=layer / 30) for s in (1.0, 2.0, 4.0) for layer in (10.0, 20.0)]
    strata, v = arrays([{"arm": "control"}, *rows])
    assert v.wrong.groups == 2
    assert v.wrong.design.shape == (5, 3), "three strengths and two layers, each summing to zero"
    np.testing.assert_allclose(v.wrong.design.sum(axis=0), 0, atol=1e-12)
    control = (strata["arm"] == "control").to_numpy()
    assert (v.wrong.level[control] == -1).all()
    assert (v.wrong.level[~control] >= 0).all()
    assert len(strata) == 1 + 6


@pytest.mark.parametrize("depth", [True, False])
def test_a_layer_counts_with_and_without_its_depth(depth: bool) -> None:
    layers = [injected(layer=layer, **({"depth": layer / 30} if depth else {})) for layer in (10.0, 20.0)]
    _, v = arrays([{"arm": "control"}, *layers])
    assert v.wrong.groups == 1


def test_many_values_are_fifths_of_each_subjects_own() -> None:
    """Two models of 32 and 64 layers, each injected at ten of its own: five levels that both have."""
    rows = [
        injected(subject=name, parameters=size, layer=float(step * place), strength=2.0)
        for name, size, step in (("a", 1e9, 3), ("b", 9e9, 6))
        for place in range(1, 11)
    ]
    strata, v = arrays(rows)
    assert v.wrong.design.shape == (5, 4)
    levels = strata.groupby("subject")["layer"].nunique()
    assert levels.tolist() == [5, 5]


def test_accuracy_deviates_by_span_and_protocol_too() -> None:
    rows = [injected(span=span, protocol=words) for span in ("all", "generation") for words in ("p", "q")]
    _, v = arrays([*rows, {"arm": "control", "protocol": "p"}, {"arm": "control", "protocol": "q"}])
    assert v.accuracy.groups == 3, "span and protocol under injection, protocol in the control"


def test_rows_are_listed_by_stratum() -> None:
    _, v = arrays([{"arm": "control"}, injected(strength=1.0), injected(strength=2.0)])
    assert v.start.tolist() == [0] * (len(v.arm) + 1)


@pytest.mark.parametrize(("elsewhere", "wide"), [(0, False), (1, True)])
def test_wrong_logits_have_the_wide_prior_in_arms_with_labels_alone(elsewhere: int, wide: bool) -> None:
    frame = cell_frame([{"arm": "control"}, injected()])
    truth = CLASSES.index(EVENT)
    patterns = VerdictPatternCells(
        frame,
        CLASSES,
        ("x",),
        cell=np.array([0, 1]),
        label=np.array([truth, truth]),
        count=np.array([LABELS_FOR_ERRORS, LABELS_FOR_ERRORS - 1]),
        verdict=np.array([[truth], [truth]]),
    )
    external = [ExternalCalibration("x", "injection", EVENT, EVENT, 1)] * elsewhere
    priors = Priors(judge_wrong_sd=3.0, judge_wrong_sd_unlabelled=1.0)
    scale = dict(zip(arms_present(patterns), build_verdict_arrays(patterns, priors, external).wrong_sd, strict=True))
    assert scale == {"control": 3.0, "injection": 3.0 if wide else 1.0}
