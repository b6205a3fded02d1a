"""Weighted draws are draws of the new posterior, are used only where they may be, and never pile up."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnomon.data.records import Facts, Label, Trial
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame, even_error_confusion, simulate_study
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws
from gnomon.stats.fit import fit_corrected
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model
from gnomon.stats.inference.importance_reweighting import (
    CachedDraws,
    DrawCache,
    log_density,
    reweight_draws,
    to_cached_draws,
)
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors

Add = Callable[..., list[Trial]]
BRIEF = SamplerSettings(draws=500, tune=300)
CLASSES = (REFUSED, EVENT, REST)


def patterns() -> VerdictPatternCells:
    frame = cell_frame([{"arm": "control"}, {"arm": "injection", "concept": "ocean", "strength": 2.0}])
    shares = np.array([[0.05, 0.1, 0.85], [0.05, 0.5, 0.45]])
    judges = np.stack([even_error_confusion(3, 0.85), even_error_confusion(3, 0.8)])
    confusion = {"control": judges, "injection": judges}
    n, rng = np.array([150, 150]), np.random.default_rng(3)
    return simulate_study(frame, n, CLASSES, shares, confusion, (0.1, 0.5), rng).patterns


def labelled(before: VerdictPatternCells, many: int, truth: int = 1) -> VerdictPatternCells:
    """The same study after a rater has labelled so many injected trials that both judges call `rest`."""
    here = (before.label < 0) & (before.frame["arm"].to_numpy()[before.cell] == "injection")
    row = int(np.flatnonzero(here & (before.verdict == 2).all(axis=1))[0])
    count = before.count.copy()
    assert count[row] > many
    count[row] -= many
    return replace(
        before,
        cell=np.append(before.cell, before.cell[row]),
        label=np.append(before.label, truth),
        count=np.append(count, many),
        verdict=np.vstack([before.verdict, before.verdict[row]]),
    )


def figures(model: OutcomeModel, values: np.ndarray, n: np.ndarray) -> dict[str, np.ndarray]:
    return all_estimand_draws(
        ModelPosterior(model, values.reshape(-1, model.parameter_count), n, None, "corrected", None, "")
    )


@pytest.mark.slow
def test_weighted_draws_are_those_of_the_new_posterior() -> None:
    """A label that contradicts both judges moves figures by a third of their sd; weights move them as far."""
    before = patterns()
    after = labelled(before, 1)
    old, new = (corrected_model(one, Priors()) for one in (before, after))
    settings = SamplerSettings(draws=3000, tune=500)
    first, anew = sample_posterior(old, settings, 1), sample_posterior(new, settings, 2)
    again = reweight_draws(new, to_cached_draws(old, "f", first))
    assert again.is_reliable
    n = before.trial_counts
    moved = 0
    at, way, end = (figures(model, draws.values, n) for model, draws in ((old, first), (new, again.draws), (new, anew)))
    for name, draws in end.items():
        error = 4 * draws.std() * np.sqrt(1 / 1500 + 1 / 5000)
        assert way[name].mean() == pytest.approx(draws.mean(), abs=error), name
        assert way[name].std() == pytest.approx(draws.std(), rel=0.15), name
        moved += abs(at[name].mean() - draws.mean()) > 1.5 * error
    assert moved >= 3, "the label must move something, or the test shows nothing"


def test_the_density_is_of_the_parameters_up_to_what_the_structure_fixes() -> None:
    """Plain coordinates of natural parameters are the coordinates that they came from."""
    model = corrected_model(patterns(), Priors())
    x = np.random.default_rng(1).normal(size=(5, model.parameter_count))
    back = model.to_noncentered(np.array([model.to_parameters(row) for row in x]))
    np.testing.assert_allclose(back, x, atol=1e-9)
    density = model.density_function()
    natural = np.array([model.to_parameters(row) for row in x])
    np.testing.assert_allclose(log_density(model, natural), [density(row)[0] for row in x])


def test_the_same_data_weigh_all_draws_alike() -> None:
    model = corrected_model(patterns(), Priors())
    draws = sample_posterior(model, BRIEF, 1)
    again = reweight_draws(model, to_cached_draws(model, "f", draws))
    assert (again.k, again.share) == (0.0, pytest.approx(1.0))
    np.testing.assert_array_equal(again.draws.values, draws.values)


def test_a_posterior_elsewhere_is_seen_and_not_used() -> None:
    before = patterns()
    turned = replace(before, verdict=2 - before.verdict)
    old, new = (corrected_model(one, Priors()) for one in (before, turned))
    again = reweight_draws(new, to_cached_draws(old, "f", sample_posterior(old, BRIEF, 1)))
    assert not again.is_reliable
    assert again.share < 0.05


def test_structure_is_all_but_the_data() -> None:
    before = patterns()
    one = corrected_model(before, Priors()).structure_hash()
    assert corrected_model(labelled(before, 1), Priors()).structure_hash() == one
    assert corrected_model(before, Priors(judge_wrong_sd=2.5)).structure_hash() != one
    assert corrected_model(before, Priors(arm_sd=1.0)).structure_hash() != one
    other = replace(before, frame=before.frame.assign(subject=["a", "b"]))
    assert corrected_model(other, Priors()).structure_hash() != one


ONE = np.zeros((2, 4))


def test_a_shelf_gives_back_what_was_put_there_and_nothing_else(tmp_path: Path) -> None:
    shelf, values = DrawCache(tmp_path / "draws"), np.arange(12.0).reshape(2, 2, 3)
    assert shelf.load_draws("corrected", "s", lambda _: "f") is None
    sha256 = shelf.save_draws("corrected", "s", CachedDraws("f", values, values[..., 0], 3))
    fit_of = {sha256: "f"}.get
    found = shelf.load_draws("corrected", "s", fit_of)
    assert found is not None
    assert (found.fit, found.divergences) == ("f", 3)
    np.testing.assert_array_equal(found.values, values)
    assert shelf.load_draws("corrected", "another structure", fit_of) is None
    assert shelf.load_draws("judged", "s", fit_of) is None
    assert DrawCache(tmp_path / "draws", reuse=False).load_draws("corrected", "s", fit_of) is None
    assert shelf.load_draws("corrected", "s", {sha256: "another fit"}.get) is None
    (path,) = (tmp_path / "draws").iterdir()
    for broken in (b"", b"PK\x03\x04 torn", path.read_bytes()[:200]):
        path.write_bytes(broken)
        assert shelf.load_draws("corrected", "s", lambda _: "f") is None


@pytest.mark.attack
def test_a_link_to_draws_elsewhere_and_a_pipe_are_not_read(tmp_path: Path) -> None:
    shelf, values = DrawCache(tmp_path / "draws"), np.arange(12.0).reshape(2, 2, 3)
    shelf.save_draws("corrected", "s", CachedDraws("f", values, values[..., 0], 3))
    (path,) = (tmp_path / "draws").iterdir()
    assert shelf.load_draws("corrected", "s", lambda _: "f") is not None
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert shelf.load_draws("corrected", "s", lambda _: "f") is None
    path.unlink()
    os.mkfifo(path)
    assert shelf.load_draws("corrected", "s", lambda _: "f") is None


@pytest.mark.attack
def test_draws_that_no_fit_of_the_study_wrote_are_not_read(
    store: Store, add: Add, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One draw repeated looks as if all chains agreed."""
    from gnomon.stats import fit as fitting

    with_labels(add)
    shelf = DrawCache(tmp_path / "draws")
    made = PosteriorDraws(np.zeros((2, 4, 1)), 0, 0.0, 0.0)
    monkeypatch.setattr(fitting, "sample_posterior", lambda *_given: made)
    monkeypatch.setattr(fitting, "check_convergence", lambda *_given: fitting.Diagnostics(passed=True))
    monkeypatch.setattr(fitting, "to_cached_draws", lambda _model, fit, _draws: CachedDraws(fit, made.values, ONE, 0))
    monkeypatch.setattr(fitting, "judged_model", lambda *_given: None)
    monkeypatch.setattr(fitting.FitRequest, "draws_key", lambda *_given: "s")
    plan = fitting.FitRequest("judged", "judged", None, "data", Priors(), BRIEF, 1, shelf=shelf)
    content = fitting.refused_result("judged", None, [], "")
    row = fitting._sample_and_save(store, plan, None, "", lambda _: fitting.ResultDraws(content, {}), None)
    (path,) = (tmp_path / "draws").iterdir()
    assert row.draws_sha256 == sha256(path.read_bytes()).hexdigest()
    assert store.fit_of_draws(row.draws_sha256) == row.id
    assert shelf.load_draws("judged", "s", store.fit_of_draws).fit == row.id
    shelf.save_draws("judged", "s", CachedDraws(row.id, made.values + 1, ONE, 0))
    assert shelf.load_draws("judged", "s", store.fit_of_draws) is None


def with_labels(add: Add) -> list[Trial]:
    """A study of two judges with labels in both arms, and the trials that can still be labelled."""
    both: dict[str, Any] = {"first-1": EVENT, "second-1": EVENT}
    neither: dict[str, Any] = {"first-1": REST, "second-1": REST}
    add(14, "injection", concept="ocean", verdicts=both, label=EVENT)
    add(14, "injection", concept="ocean", verdicts=neither, label=REST)
    add(3, "injection", concept="ocean", verdicts=both, label=REST)
    add(30, "control", verdicts=neither, label=REST)
    add(3, "control", verdicts=both, label=EVENT)
    add(40, "injection", concept="ocean", verdicts=both)
    add(60, "control", verdicts=neither)
    return add(30, "injection", concept="ocean", verdicts=neither)


def test_after_a_new_label_draws_are_weighted_and_never_twice(store: Store, add: Add, tmp_path: Path) -> None:
    left = with_labels(add)
    shelf = DrawCache(tmp_path)
    how: dict[str, Any] = {"settings": SamplerSettings(draws=800, tune=400), "shelf": shelf}
    first = fit_corrected(store, **how)
    assert first.status == "passed"
    assert first.diagnostics.reweighted is None
    ids = []
    for trial in left[:2]:
        store.add_labels([Label(trial.id, "ann", Facts(False, "none", True, False))])
        row = fit_corrected(store, **how)
        assert row.status == "passed"
        assert row.diagnostics.reweighted.fit == first.id, "only sampled draws are weighted"
        assert row.diagnostics.seconds_sample == 0.0
        assert fit_corrected(store, **how).id == row.id
        ids.append(row.id)
    anew = fit_corrected(store, settings=how["settings"], shelf=DrawCache(tmp_path, reuse=False))
    assert anew.diagnostics.reweighted is None
    assert len({first.id, *ids, anew.id}) == 4
    assert fit_corrected(store, **how).id == anew.id, "what was sampled goes before what was weighted"


@pytest.mark.slow
def test_other_settings_sample_anew(store: Store, add: Add, tmp_path: Path) -> None:
    left = with_labels(add)
    fit_corrected(store, settings=SamplerSettings(draws=800, tune=400), shelf=DrawCache(tmp_path))
    store.add_labels([Label(left[0].id, "ann", Facts(False, "none", True, False))])
    row = fit_corrected(store, settings=SamplerSettings(draws=900, tune=400), shelf=DrawCache(tmp_path))
    assert row.diagnostics.reweighted is None
