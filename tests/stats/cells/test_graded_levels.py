"""Levels of a judge's score are cut on the train split without a label, and refine verdicts without changing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from gnomon.data.records import Facts, JudgeVersion, Label, Trial, Verdict
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells, pattern_cells
from gnomon.stats.cells.graded_levels import LEAST_IN_LEVEL, HeardTrial, learn_levels, level_cuts
from gnomon.stats.cells.outcome_classes import EVENT, REST
from gnomon.stats.checks.grade_notes import grade_notes

Add = Callable[..., list[Trial]]
MANY = 2 * LEAST_IN_LEVEL


def graded_study(store: Store, add: Add, *, kind: str = "logprob") -> list[Trial]:
    """Control trials of a judge that gives scores: 0.50 upwards for events, down from 0.49 for others, on train; two of
    each on dev. A first judge says rest everywhere and gives none.
    """
    store.add_judge(JudgeVersion("sure-1", "sure", kind, {}))
    store.save_settings({"judges": ["first", "sure"]})
    made: list[Trial] = []
    for split, many in (("train", MANY), ("dev", 2)):
        for event in (True, False):
            trials = add(many, "control", verdicts={"first-1": REST}, split=split)
            steps = np.linspace(0, 0.4, many)
            store.add_verdicts(
                Verdict(
                    trial.id,
                    "sure-1",
                    Facts(event, "other" if event else "none", True, False),
                    scores={"claims": float(0.55 + step if event else 0.45 - step)},
                )
                for trial, step in zip(trials, steps, strict=True)
            )
            made += trials
    return made


def counts_by_level(patterns: VerdictPatternCells) -> dict[tuple[str, int], int]:
    """Trials by verdict and level of the second judge."""
    assert patterns.graded is not None
    out: dict[tuple[str, int], int] = {}
    for said, level, n in zip(patterns.verdict[:, 1], patterns.graded.level[:, 1], patterns.count, strict=True):
        key = (patterns.classes[said], int(level))
        out[key] = out.get(key, 0) + int(n)
    return out


def test_verdicts_are_counted_by_how_sure_they_are(store: Store, add: Add) -> None:
    graded_study(store, add)
    patterns = pattern_cells(store, graded=True)
    half = MANY // 2
    assert counts_by_level(patterns) == {
        (EVENT, 0): half + 1, (EVENT, 1): half + 1, (REST, 0): half + 1, (REST, 1): half + 1,
    }  # fmt: skip
    assert (patterns.graded.level[:, 0] == MISSING).all(), "the first judge gave no scores"
    assert {side: len(cuts) for side, cuts in patterns.graded.cuts.items()} == {
        (1, "control", False): 1,
        (1, "control", True): 1,
    }
    said = grade_notes(patterns)
    assert "Model version 7" in said
    assert "sure (control others up to 0.243, control events from 0.757)" in said


def test_cuts_are_those_of_the_train_split_and_no_label_moves_them(store: Store, add: Add) -> None:
    trials = graded_study(store, add)
    before = pattern_cells(store, graded=True).graded.cuts
    late = add(12, "control", verdicts={"first-1": REST}, split="dev")
    event = Facts(True, "other", True, False)
    store.add_verdicts([Verdict(trial.id, "sure-1", event, scores={"claims": 0.99}) for trial in late])
    store.add_labels([Label(trial.id, "ann", event) for trial in trials[:20]])
    assert pattern_cells(store, graded=True).graded.cuts == before


def test_levels_refine_verdicts_and_change_no_count(store: Store, add: Add) -> None:
    trials = graded_study(store, add)
    store.add_labels([Label(trial.id, "ann", Facts(True, "other", True, False)) for trial in trials[::7]])
    rounded, graded = pattern_cells(store, graded=False), pattern_cells(store, graded=True)
    assert merged(graded) == merged(rounded)
    assert graded.content_hash() != rounded.content_hash()
    assert replace(rounded, graded=None).content_hash() == rounded.content_hash()


def test_a_study_without_scores_is_the_same_whatever_it_asks_for(store: Store, add: Add) -> None:
    add(4, "control", verdicts={"first-1": REST, "second-1": EVENT})
    add(2, "control", verdicts={"first-1": REST}, label=REST)
    assert pattern_cells(store, graded=True).content_hash() == pattern_cells(store).content_hash()


def test_scores_count_only_where_the_study_says_so(store: Store, add: Add) -> None:
    graded_study(store, add)
    assert pattern_cells(store).graded is None
    store.save_settings({"judges": ["first", "sure"], "fit_graded": True})
    assert pattern_cells(store).graded is not None


def test_one_judge_alone_is_graded(store: Store, add: Add) -> None:
    """Two judges that find the same trials hard would count each of them twice."""
    trials = graded_study(store, add)
    store.add_judge(JudgeVersion("third-1", "third", "logprob", {}))
    store.save_settings({"judges": ["first", "sure", "third"]})
    rest = Facts(False, "none", True, False)
    store.add_verdicts(
        Verdict(trial.id, "third-1", rest, scores={"claims": place / 1000}) for place, trial in enumerate(trials)
    )
    patterns = pattern_cells(store, graded=True)
    assert patterns.judges == ("first", "sure", "third")
    assert {judge for judge, _, _ in patterns.graded.cuts} == {1}
    assert (patterns.graded.level[:, 2] == MISSING).all()


def test_a_judge_that_learned_from_a_label_has_no_level_there(store: Store, add: Add) -> None:
    trials = graded_study(store, add, kind="learned")
    store.add_labels([Label(trials[0].id, "ann", Facts(True, "other", True, False))])
    patterns = pattern_cells(store, graded=True)
    (row,) = np.flatnonzero(patterns.label != MISSING)
    assert patterns.verdict[row, 1] == MISSING
    assert patterns.graded.level[row, 1] == MISSING
    assert (patterns.count > 0).all(), "the verdict is taken from where it was counted"


@pytest.mark.parametrize(
    ("values", "levels", "cuts"),
    [
        (np.arange(60.0), 2, (30.0,)),
        (np.arange(60.0), 3, (20.0, 40.0)),
        (np.repeat([0.5, 0.9], [45, 15]), 2, (0.9,)),
        (np.repeat([0.5, 0.9], [46, 14]), 2, ()),
        (np.repeat([0.5, 0.9, 0.99], [15, 15, 60]), 3, (0.99,)),
        (np.full(80, 0.999), 2, ()),
        (np.arange(2.0 * LEAST_IN_LEVEL - 1), 2, ()),
        (np.zeros(0), 2, ()),
    ],
)
def test_a_level_has_enough_verdicts_or_is_none(values: np.ndarray, levels: int, cuts: Sequence[float]) -> None:
    found = level_cuts(np.random.default_rng(0).permutation(values), levels)
    assert found == cuts
    sizes = np.bincount(sum((values >= cut).astype(int) for cut in found) + np.zeros(len(values), dtype=int))
    assert not found or sizes.min() >= LEAST_IN_LEVEL


def test_the_surest_no_is_the_lowest_score() -> None:
    heard = [HeardTrial(str(place), True, "control", (REST,)) for place in range(MANY)]
    reader = learn_levels([{str(place): place / 100 for place in range(MANY)}], heard)
    assert reader.read("0", "control", [REST]) == (1,)
    assert reader.read(str(MANY - 1), "control", [REST]) == (0,)
    assert reader.read("unscored", "control", [REST]) == (MISSING,)
    assert reader.read("0", "control", [None]) == (MISSING,)
    assert reader.read("0", "injection", [REST]) == (MISSING,), "no cuts were learnt there"


def merged(patterns: VerdictPatternCells) -> dict[tuple[int, ...], int]:
    out: dict[tuple[int, ...], int] = {}
    rows = zip(patterns.cell, patterns.label, patterns.verdict.tolist(), patterns.count, strict=True)
    for cell, label, said, n in rows:
        key = (int(cell), int(label), *said)
        out[key] = out.get(key, 0) + int(n)
    return out
