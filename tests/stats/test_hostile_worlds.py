"""Worlds in which coverage is simulated do what they say, and none is drawn from the statistical model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.validity.hostile_studies import HostileWorld, StoredStudy, TrialDesign, store_study
from bench.validity.hostile_worlds import (
    ALONE,
    WORLDS,
    KindCoverage,
    coverage_by_kind,
    kind_name,
    read_lines,
    run_studies,
    summarize_rows,
    true_estimands,
)
from gnomon.calibration.observations.disputes import disputed_trials
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import VerdictPatternCells, pattern_cells
from gnomon.stats.cells.outcome_classes import EVENT, REST

LARGE = TrialDesign(trials=2400)


def stored(store: Store, world: HostileWorld, seed: int = 1) -> StoredStudy:
    return store_study(store, world, np.random.default_rng(seed))


def false_passes(patterns: VerdictPatternCells, study: StoredStudy, judge: int) -> list[float]:
    """Share of injected trials that are denials in truth and that a judge passes, by strength."""
    trials, out = study.trials, []
    event, rest = trials.classes.index(EVENT), trials.classes.index(REST)
    frame = patterns.frame
    for strength in sorted(set(frame["strength"]) - {0.0}):
        cells = frame.index[frame["strength"] == strength]
        passed = patterns.count[np.isin(patterns.cell, cells) & (patterns.verdict[:, judge] == event)].sum()
        own = (trials.frame["strength"] == strength).to_numpy()[trials.cell]
        events = (own & (trials.truth == event)).sum()
        denials = (own & (trials.truth == rest)).sum()
        out.append(float((passed - 0.88 * events) / denials))
    return out


def test_judges_err_by_strength_as_the_world_says(store: Store) -> None:
    study = stored(store, replace(WORLDS["strong-one-random"], design=LARGE, labels=20))
    found = false_passes(pattern_cells(store), study, 0)
    assert found == pytest.approx([0.01, 0.03, 0.10, 0.30], abs=0.04)


def test_true_estimates_follow_the_registry(store: Store) -> None:
    study = stored(store, replace(WORLDS["flat-two-random"], labels=20))
    truth = true_estimands(study, "corrected")
    assert truth["b false_alarm"] == pytest.approx(0.88 * 0.03)
    assert truth["a identification strength=4.0"] == pytest.approx(0.94 * 0.45 * 0.8, rel=0.02)
    net = truth["a identification"] - (0.12 + 0.88 * 0.06)
    assert truth["a net_detection_corrected"] == pytest.approx(net)
    assert {kind_name(name) for name in truth} >= {"net_detection_corrected at strength 8.0", "refusal at arm control"}


def test_a_judge_that_chose_labels_is_taken_off_the_list(store: Store) -> None:
    stored(store, WORLDS["left-out"])
    patterns = pattern_cells(store)
    assert "judge 1" in patterns.judges
    labelled = patterns.label >= 0
    split = (patterns.verdict[:, 0] != patterns.verdict[:, 1]) & (patterns.verdict >= 0).all(axis=1)
    share = patterns.count[labelled & split].sum() / patterns.count[labelled].sum()
    assert len(disputed_trials(store, ["judge 1", "judge 2", "lenient judge"])) > 2 * 140
    assert share < 0.5, "most labels were chosen because the judge that is left out disagrees"


def test_labels_of_one_verdict_are_of_that_verdict_alone(store: Store) -> None:
    stored(store, WORLDS["one-verdict"])
    patterns = pattern_cells(store)
    labelled = patterns.label >= 0
    assert patterns.count[labelled].sum() == 140
    assert (patterns.verdict[labelled, 0] == patterns.classes.index(EVENT)).all()


def test_copies_of_a_response_have_one_truth_and_one_verdict(store: Store) -> None:
    study = stored(store, replace(WORLDS["greedy"], labels=20))
    trials = study.trials
    assert len(trials.cell) == 2400
    assert len(np.unique(trials.distinct)) == 480
    for part in (trials.cell, trials.truth):
        assert (part[::5] == part[4::5]).all()


def test_raters_err_as_often_as_the_world_says(store: Store) -> None:
    world = replace(WORLDS["raters"], labels=300)
    study = stored(store, world)
    labels = store.read_frame(tables.labels)
    place = {id_: number for number, id_ in enumerate(study.ids)}
    truth = study.trials.truth[labels["trial"].map(place)]
    denied = truth == study.trials.classes.index(REST)
    assert labels.loc[denied, "claims"].mean() == pytest.approx(0.05, abs=0.03)
    assert (labels["rater"] == "second rater").sum() == 60


def test_coverage_counts_withheld_estimates_apart() -> None:
    found = summarize_rows([[0.2, 0.1, 0.3, 0.21], [0.2, 0.25, 0.3, 0.27], [0.2]], studies=3)
    assert (found.intervals, found.refused, found.coverage) == (2, 1, 0.5)
    assert found.bias == pytest.approx(0.04)
    assert found.width == pytest.approx(0.125)


def test_every_world_has_its_own_description() -> None:
    assert len({world.about for world in WORLDS.values()}) == len(WORLDS)
    assert {"flat-two-random", "mild-two-dispute", "strong-one-random", "cells", "left-out", "greedy"} <= set(WORLDS)


@pytest.mark.simulation
def test_a_run_continues_where_its_file_ends(tmp_path: Path) -> None:
    out = tmp_path / "lines.jsonl"
    run_studies("flat-one-random", 1, out)
    before = out.read_text(encoding="utf-8")
    run_studies("flat-one-random", 1, out)
    assert out.read_text(encoding="utf-8") == before
    (line,) = read_lines(out)
    low, high = line["rows"]["a net_detection_corrected"][1:3]
    assert low < high


def rows_of(world: str, studies: int, folder: Path, estimator: str = "fit") -> dict[str, KindCoverage]:
    """Coverage by kind of estimate of some studies of a world."""
    out = folder / f"{world}.jsonl"
    run_studies(world, studies, out, estimator=estimator)
    return coverage_by_kind(read_lines(out))


@pytest.mark.simulation
def test_design_based_net_detection_holds_where_judges_err_by_strength(tmp_path: Path) -> None:
    found = rows_of("strong-two-random", 12, tmp_path, "design")[f"net_detection_corrected{ALONE}"]
    assert found.coverage >= 0.85
    assert abs(found.bias) < 0.03


@pytest.mark.simulation
def test_the_fit_holds_where_judges_err_by_strength(tmp_path: Path) -> None:
    """With errors that did not depend on strength, 1 of 20 intervals held the truth, and the bias was +.12."""
    found = rows_of("strong-two-random", 3, tmp_path)["net_detection_corrected"]
    assert found.refused or found.coverage >= 0.8
    assert found.refused or abs(found.bias) < 0.06


@pytest.mark.simulation
@pytest.mark.parametrize("world", ["left-out", "older-version"])
def test_labels_by_a_judge_that_the_fit_lacks_do_not_bias_or_are_refused(world: str, tmp_path: Path) -> None:
    found = rows_of(world, 3, tmp_path)["net_detection_corrected"]
    assert found.refused or found.coverage >= 0.8


@pytest.mark.simulation
def test_intervals_of_deviating_cells_hold_and_the_best_cell_is_not_overstated(tmp_path: Path) -> None:
    found = rows_of("cells", 3, tmp_path)
    assert found["cell of layer and strength"].coverage >= 0.85
    assert found["cell called best"].coverage >= 0.65
    strengths = [row.coverage for kind, row in found.items() if kind.startswith("net_detection_raw at strength")]
    assert np.mean(strengths) >= 0.85
