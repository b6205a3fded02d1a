"""A design holds the terms that the data carry, and no others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gnomon.stats.cells.outcome_classes import CLASSES, EVENT, MISNAMED, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame
from gnomon.stats.model import level_deviations
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


LEVELS = ("strength level", "layer level", "layer x strength", "concept x layer", "cell")


def grid(
    concepts: int = 3, layers: int = 4, strengths: int = 5, subjects: int = 1, **also: object
) -> list[dict[str, object]]:
    """A control and the product of the axes, of some subjects."""
    rows: list[dict[str, object]] = []
    for number in range(subjects):
        own = {"subject": f"m{number}", "parameters": 1e9 * 2**number, **also}
        rows.append({**own, "arm": "control"})
        rows += [
            {**own, "arm": "injection", "concept": f"c{c}", "layer": float(a), "depth": a / 10, "strength": float(s)}
            for c in range(concepts)
            for a in range(1, layers + 1)
            for s in range(1, strengths + 1)
        ]
    return rows


def levels_of(rows: list[dict[str, object]], each: float = 20.0) -> set[str]:
    trials = np.full(len(rows), each)
    design = build_design(cell_frame(rows), (REFUSED, EVENT, REST), Priors(), trials)
    return {term.name.split(":")[0] for term in design.random_terms} & set(LEVELS)


def test_levels_come_where_the_data_carry_them() -> None:
    assert levels_of(grid()) == set(LEVELS)
    assert levels_of(grid(), each=1) == set(LEVELS[:2]) | {"concept x layer"}, "60 trials: five for each of 12 groups"
    assert levels_of(grid(), each=2) == set(LEVELS) - {"cell"}
    assert levels_of(grid(concepts=1)) == {"strength level", "layer level", "layer x strength"}
    assert levels_of(grid(layers=1)) == {"strength level", "cell"}
    assert levels_of(grid(layers=1, strengths=3)) == {"cell"}, "a curve goes through three strengths"
    assert levels_of(grid(concepts=1, layers=1, strengths=3)) == set()
    assert levels_of(grid(concepts=2, layers=2, strengths=2)) == {"concept x layer", "cell"}


def test_a_design_of_too_many_cells_keeps_the_coarser_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(level_deviations, "MAX_LEVELS", 30)
    assert levels_of(grid()) == set(LEVELS) - {"cell"}


def test_a_design_without_trials_yet_has_all_that_its_cells_can_identify() -> None:
    assert levels_of(grid(), each=0) == set(LEVELS)


def test_cells_without_trials_are_no_levels() -> None:
    rows = grid()
    trials = np.where([row.get("strength") == 5.0 for row in rows], 0.0, 20.0)
    design = build_design(cell_frame(rows), (REFUSED, EVENT, REST), Priors(), trials)
    widths = design.term_widths()
    assert (widths["strength level:injection"], widths["cell:injection"]) == (4, 48)
    unseen = design.frame[design.frame["strength"] == 5.0]
    terms = [term for term in design.random_terms if term.name == "cell:injection"]
    assert not design.design_matrix(unseen, terms).any()


def test_a_layer_without_a_depth_is_a_factor() -> None:
    rows = [{key: value for key, value in row.items() if key != "depth"} for row in grid(concepts=1, strengths=1)]
    assert levels_of(rows) == {"layer level"}
    design = build_design(cell_frame(rows), (REFUSED, EVENT, REST), Priors(), np.full(len(rows), 20.0))
    (term,) = [term for term in design.random_terms if term.name.startswith("layer level")]
    np.testing.assert_array_equal(term.basis(design.frame)[1:], np.eye(4), err_msg="one column for each layer")


def test_levels_are_within_a_subject_and_steered_arm() -> None:
    rows = [*grid(subjects=2), *[{**row, "arm": "random"} for row in grid(subjects=2) if row["arm"] == "injection"]]
    design = build_design(cell_frame(rows), (REFUSED, EVENT, REST), Priors(), np.full(len(rows), 20.0))
    widths = design.term_widths()
    assert widths["strength level:injection"] == widths["strength level:random"] == 10
    assert widths["cell:random"] == 120
    control = design.frame[design.frame["arm"] == "control"]
    assert not design.design_matrix(control, [term for term in design.random_terms if ":" in term.name]).any()


def test_the_same_strength_of_another_scale_is_the_same_level_from_its_middle() -> None:
    """So that a subject standardised to the conditions of all keeps the deviations of its own."""
    rows = grid(concepts=1, layers=1) + [
        {**row, "subject": "b", "strength": 10.0 * float(str(row["strength"]))}
        for row in grid(concepts=1, layers=1)
        if row["arm"] == "injection"
    ]
    frame = build_design(cell_frame(rows), (REFUSED, EVENT, REST), Priors()).frame
    by = {name: own["dose"].tolist() for name, own in frame[frame["arm"] == "injection"].groupby("subject")}
    assert by["m0"] == by["b"]
    assert len(set(by["b"])) == 5


def test_strengths_of_opposite_sign_are_different_levels() -> None:
    rows = [{**CONTROL}, *[injected(strength=dose) for dose in (-4.0, -2.0, 2.0, 4.0)]]
    assert build_design(cell_frame(rows), CLASSES, Priors()).term_widths()["strength level:injection"] == 4
