"""A design holds the terms that the data carry, and no others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnomon.stats.cells.outcome_classes import CLASSES, EVENT, MISNAMED, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.model.basis_functions import sum_to_zero_basis
from gnomon.stats.model.linear_predictor import build_design
from gnomon.stats.model.priors import Priors

CONTROL = {"arm": "control"}


def names(rows: list[dict[str, object]]) -> set[str]:
    return set(build_design(cell_frame(rows), (REFUSED, EVENT, REST), Priors()).term_widths())


def injected(**axes: object) -> dict[str, object]:
    return {"arm": "injection", "concept": "ocean", "strength": 2.0, **axes}


def two_subjects() -> list[dict[str, object]]:
    sizes = {"a": 1e9, "b": 4e9}
    return [{**row, "subject": name, "parameters": sizes[name]} for name in sizes for row in (CONTROL, injected())]


def test_effects_of_a_factor_sum_to_zero() -> None:
    for levels in (2, 3, 5):
        basis = sum_to_zero_basis(levels)
        np.testing.assert_allclose(basis.sum(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(basis.T @ basis, np.eye(levels - 1), atol=1e-12)


def test_one_subject_has_no_slope_and_no_deviations() -> None:
    assert names([CONTROL, injected()]) == {"level", "injection"}


def test_a_term_comes_with_the_second_value_of_its_axis() -> None:
    base = [CONTROL, injected()]
    assert names([*base, injected(strength=4.0)]) - names(base) == {"s:injection"}
    assert "s2:injection" in names([*base, injected(strength=4.0), injected(strength=8.0)])
    assert names([*base, injected(concept="fear")]) - names(base) == {"concept"}
    assert names([*base, injected(protocol="q")]) - names(base) == {"protocol", "protocol:injection"}
    assert names([*base, injected(span="all")]) - names(base) == {"span"}
    assert names([injected(depth=0.2), injected(depth=0.7)]) == {"level", "d:injection"}
    assert names([*base, {"arm": "random", "strength": 2.0}]) - names(base) == {"random"}


def test_subjects_bring_slopes_and_deviations() -> None:
    rows = two_subjects()
    assert names(rows) == {"level", "injection", "size", "size:injection", "subject", "subject:injection"}
    same = [{**row, "parameters": 1e9} for row in rows]
    assert names(same) == {"level", "injection", "subject", "subject:injection"}


def test_controls_know_neither_concept_nor_strength() -> None:
    rows = [CONTROL, {**CONTROL, "concept": "fear", "strength": 5.0}]
    rows += [injected(concept=word, strength=dose) for word in ("fear", "ocean") for dose in (1.0, 2.0, 4.0)]
    design = build_design(cell_frame(rows), CLASSES, Priors())
    matrix = design.design_matrix(design.frame)
    np.testing.assert_array_equal(matrix[0], matrix[1])
    assert (matrix[0] != 0).sum() == 1


def test_strength_is_measured_from_each_subjects_own_middle() -> None:
    doses = {"a": (1.0, 2.0, 4.0), "b": (100.0, 200.0, 400.0)}
    rows = [injected(subject=name, strength=dose) for name, own in doses.items() for dose in own]
    frame = build_design(cell_frame(rows), CLASSES, Priors()).frame
    for _, own in frame.groupby("subject"):
        assert own["s"].mean() == pytest.approx(0, abs=1e-6)
    assert frame["s"].std(ddof=0) == pytest.approx(1)
    np.testing.assert_allclose(frame["s"][:3], frame["s"][3:], atol=1e-6, err_msg="a doubling is a doubling")


def test_no_strength_is_one_doubling_below_the_weakest() -> None:
    frame = build_design(cell_frame([injected(strength=dose) for dose in (0.0, 2.0, 4.0)]), CLASSES, Priors()).frame
    steps = frame["s"].diff()[1:]
    assert steps.iloc[0] == pytest.approx(steps.iloc[1])


def test_a_prediction_for_no_subject_in_particular_leaves_deviations_out() -> None:
    rows = two_subjects()
    design = build_design(cell_frame(rows), CLASSES, Priors())
    typical = design.frame.assign(subject=None, variant=None)
    deviating = sum(design.term_widths()[term.name] for term in design.random_terms)
    assert not design.design_matrix(typical)[:, -deviating:].any()
    assert design.design_matrix(typical)[:, :-deviating].any()


def test_a_claim_that_misses_is_asked_of_where_an_event_needs_the_concept() -> None:
    rows = [CONTROL, injected(), {"arm": "random", "strength": 2.0}]
    design = build_design(cell_frame(rows), CLASSES, Priors())
    asked = design.asked_stages(design.frame)[:, CLASSES.index(MISNAMED)]
    assert asked.tolist() == [False, True, False]
    assert design.asked_stages(design.frame)[:, : CLASSES.index(MISNAMED)].all()


def test_subjects_answer_to_strength_and_depth_in_their_own_way() -> None:
    own = [
        {**row, "depth": depth, "strength": dose}
        for row in two_subjects()
        for depth in (0.4, 0.6)
        for dose in (1.0, 2.0)
    ]
    rows = [row for row in own if row["arm"] != "control"]
    assert {"subject x strength", "subject x depth", "s x d:injection"} <= names([*two_subjects()[::2], *rows])


def test_frames_without_depth_still_have_numbers() -> None:
    frame = build_design(cell_frame([CONTROL, injected()]), CLASSES, Priors()).frame
    assert isinstance(frame, pd.DataFrame)
    assert frame[["x", "s", "d"]].to_numpy().tolist() == [[0, 0, 0], [0, 0, 0]]
