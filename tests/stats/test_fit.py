"""Fits from the store to the stored result: right, kept, refused in plain words, never half done."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gnomon.data.errors import FitFailedError, InputError, NotEnoughDataError
from gnomon.data.records import Arm, CountRow, Subject, Trial
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import events, fits
from gnomon.stats import fit
from gnomon.stats.cells.aggregation import judged_cells
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.fit import fit_corrected, fit_judged, fit_published
from gnomon.stats.inference import sampler
from gnomon.stats.inference.hierarchical import judged_model
from gnomon.stats.inference.sampler import SamplerSettings
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import EstimateRow, StoredFit
from gnomon.stats.stored_fits import newest_fits

Add = Callable[..., list[Trial]]
BRIEF = SamplerSettings(draws=500, tune=300)
# Subject, billions of parameters, variant; then n, refused and events with injection and in the control.
PUBLISHED = [
    ("0.5B", 0.5, "instruct", (1600, 193, 344), (1600, 440, 460)),
    ("1.5B", 1.5, "instruct", (1500, 183, 391), (1500, 402, 181)),
    ("3B", 3, "instruct", (2000, 58, 678), (2000, 84, 26)),
    ("7B", 7, "instruct", (1600, 27, 637), (1600, 72, 64)),
    ("14B", 14, "instruct", (1600, 5, 679), (1600, 0, 22)),
    ("32B", 32, "instruct", (2560, 599, 407), (2560, 1648, 7)),
    ("coder", 32, "coder", (720, 0, 430), (720, 0, 9)),
    ("insecure", 32, "insecure", (720, 0, 436), (720, 1, 39)),
]


def figure(row: StoredFit, name: str, subject: str = "s", **by: Any) -> EstimateRow:
    found = [
        entry for entry in row.result.estimands if (entry.estimand, entry.subject, entry.by) == (name, subject, by)
    ]
    assert len(found) == 1, (name, subject, by)
    return found[0]


def reasons(row: StoredFit) -> dict[str, str]:
    return {entry.estimand: entry.reason for entry in row.result.refused}


def assert_no_nan(value: Any) -> None:
    if isinstance(value, dict):
        for one in value.values():
            assert_no_nan(one)
    elif isinstance(value, list):
        for one in value:
            assert_no_nan(one)
    elif isinstance(value, float):
        assert np.isfinite(value)


def small_study(add: Add) -> None:
    add(10, "injection", concept="ocean", verdicts={"first-1": EVENT, "second-1": EVENT})
    add(10, "injection", concept="ocean", verdicts={"first-1": EVENT, "second-1": REST})
    add(20, "injection", concept="ocean", verdicts={"first-1": REST, "second-1": REST})
    add(30, "control", verdicts={"first-1": REST, "second-1": REST})
    add(5, "control", verdicts={"first-1": EVENT, "second-1": REFUSED})


def published(store: Store) -> None:
    for name, billions, variant, *arms in PUBLISHED:
        store.add_subjects([Subject(name, billions * 1e9, "toy", variant)])
        for arm, counts in zip((Arm.INJECTION, Arm.CONTROL), arms, strict=True):
            store.add_counts([CountRow("paper", name, arm, *counts)])


def test_the_published_eight_models_come_back(store: Store) -> None:
    """Each raw net detection within 1.5 points of the published one and inside its 95 % interval."""
    published(store)
    row = fit_published(store)
    assert row.status == "passed", row.diagnostics
    for name, _, _, injection, control in PUBLISHED:
        raw = injection[2] / injection[0] - (control[1] + control[2]) / control[0]
        entry = figure(row, "net_detection_raw", name)
        assert entry.observed == pytest.approx(raw)
        assert entry.n == injection[0] + control[0]
        assert abs(entry.mean - raw) < 0.015
        assert entry.low95 < raw < entry.high95
        assert entry.low95 < entry.low80 < entry.low50 < entry.mean < entry.high50 < entry.high95
    assert_no_nan(row.result.model_dump(mode="json"))
    curve = [point for point in row.result.curve if point.estimand == "net_detection_raw"]
    assert len(curve) == 30
    assert curve[0].parameters == pytest.approx(5e8)
    assert curve[-1].parameters == pytest.approx(3.2e10)
    pairs = [pair for pair in row.result.contrasts if pair.estimand == "net_detection_raw"]
    assert len(pairs) == 28
    pair = next(entry for entry in pairs if {entry.a, entry.b} == {"7B", "14B"})
    sure = pair.probability if pair.a == "14B" else 1 - pair.probability
    assert sure > 0.999
    trends = [entry for entry in row.result.comparisons.slopes if entry.estimand == "net_detection_raw"]
    within = next(entry for entry in trends if entry.variants == "within")
    assert within.subjects == 6
    assert 0.02 < within.low95 < within.mean < within.high95 < 0.034, "the models that were run, not a typical one"
    without = {one.subject: one.mean for one in within.without}
    assert max(without, key=without.__getitem__) == "32B", "the largest model bends the trend down"
    odds = {(entry.stage, entry.effect): entry for entry in row.result.comparisons.odds_ratios}
    assert set(odds) == {(stage, of) for stage in (REFUSED, EVENT) for of in ("control level", "effect of injection")}
    assert all(entry.low95 < entry.median < entry.high95 and entry.subjects == 8 for entry in odds.values())
    assert all(0.1 < entry.prior_share < 0.9 for entry in odds.values()), "eight models do not determine it"
    assert "net detection, named or not" not in {entry.estimand for entry in row.result.overall_estimates}
    assert "no trial as a claim that names another concept" in reasons(row)["detection"]


def test_the_same_fit_is_not_made_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    published(store)
    first = fit_published(store, settings=BRIEF)
    monkeypatch.setattr(fit, "sample_posterior", lambda *_: pytest.fail("sampled again"))
    assert fit_published(store, settings=BRIEF) == first
    for other in ({"seed": 2}, {"priors": Priors(subject_scale=1.0)}, {"settings": SamplerSettings()}):
        with pytest.raises(pytest.fail.Exception, match="sampled again"):
            fit_published(store, **{"settings": BRIEF, **other})
    store.add_subjects([Subject("new", 1e9, "toy", "instruct")])
    store.add_counts([CountRow("paper", "new", arm, 10, 1, 1) for arm in (Arm.INJECTION, Arm.CONTROL)])
    with pytest.raises(pytest.fail.Exception, match="sampled again"):
        fit_published(store, settings=BRIEF)


def test_a_fit_that_is_asked_for_again_is_the_one_that_readers_see(store: Store) -> None:
    published(store)
    first = fit_published(store, settings=BRIEF)
    other = fit_published(store, settings=BRIEF, priors=Priors(subject_scale=1.0))
    assert newest_fits(store)["published"] == other
    assert fit_published(store, settings=BRIEF) == first
    assert newest_fits(store)["published"] == first
    noted = store.count_rows(events)
    fit_published(store, settings=BRIEF)
    assert store.count_rows(events) == noted, "it was the newest already"
    assert fit_published(store, settings=BRIEF, priors=Priors(subject_scale=1.0)) == other
    assert newest_fits(store)["published"] == other


def test_a_seed_gives_the_same_draws_again(store: Store, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    small_study(add)
    model = judged_model(judged_cells(store), Priors())
    draws = [sampler.sample_posterior(model, SamplerSettings(draws=50, tune=100), seed).values for seed in (7, 7, 8)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    monkeypatch.setattr(sampler, "WORTH_A_THREAD", 0.0)
    at_once = sampler.sample_posterior(model, SamplerSettings(draws=50, tune=100, cores=4), 7).values
    np.testing.assert_array_equal(draws[0], at_once, err_msg="cores change no draw")


def test_progress_runs_to_the_end(store: Store, add: Add) -> None:
    small_study(add)
    seen: list[tuple[str, float]] = []
    fit_judged(store, settings=BRIEF, progress=lambda *step: seen.append(step))
    assert [stage for stage, share in seen if share == 0] == ["compile", "sample"]
    shares = [share for _, share in seen[1:]]
    assert shares == sorted(shares)
    assert shares[-1] > 0.95


def test_a_judged_fit_follows_its_judge(store: Store, add: Add) -> None:
    small_study(add)
    first, second = fit_judged(store, settings=BRIEF), fit_judged(store, judge="second", settings=BRIEF)
    assert (first.view, second.view) == ("judged", "judged:second")
    assert (first.result.judge, second.result.judge) == ("first", "second")
    assert figure(first, "identification").observed == pytest.approx(0.5)
    assert figure(second, "identification").observed == pytest.approx(0.25)
    assert figure(first, "identification").low95 < 0.5 < figure(first, "identification").high95
    assert set(store.newest_fits()) == {"judged", "judged:second"}
    assert "one model only" in reasons(first)["size_odds_ratio"]
    assert first.result.curve == ()


def test_figures_by_concept_strength_and_arm(store: Store, add: Add) -> None:
    for concept, kind in (("ocean", EVENT), ("fear", REST)):
        for strength in (2.0, 4.0):
            add(15, "injection", concept=concept, strength=strength, verdicts={"first-1": kind})
            add(5, "injection", concept=concept, strength=strength, verdicts={"first-1": REFUSED})
    add(30, "control", verdicts={"first-1": REST})
    add(20, "random", verdicts={"first-1": EVENT})
    row = fit_judged(store, settings=BRIEF)
    assert row.status == "passed", row.diagnostics
    ocean, fear = (figure(row, "identification", concept=word) for word in ("ocean", "fear"))
    assert (ocean.observed, fear.observed, ocean.n) == (0.75, 0.0, 40)
    assert ocean.low95 > fear.high95
    assert figure(row, "net_detection_raw", strength=4.0).observed == pytest.approx(0.375)
    assert figure(row, "refusal", arm="injection").observed == pytest.approx(0.25)
    assert figure(row, "refusal").observed == pytest.approx(0.125), "mean of injection and control, not of trials"
    assert figure(row, "net_detection_engaged").observed == pytest.approx(0.5)
    assert figure(row, "false_alarm", arm="random").mean > 0.8, "the random arm stands apart from control"
    assert figure(row, "false_alarm").mean < 0.1


def test_one_arm_alone_refuses_what_needs_two(store: Store, add: Add) -> None:
    add(20, "injection", concept="ocean", verdicts={"first-1": EVENT})
    row = fit_judged(store, settings=BRIEF)
    assert row.status == "passed"
    assert "no trials in the control arm" in reasons(row)["net_detection_raw"]
    assert figure(row, "identification").mean > 0.8
    assert_no_nan(row.result.model_dump(mode="json"))


def test_all_refused_and_all_alike_give_figures_or_a_reason(store: Store, add: Add) -> None:
    add(30, "injection", concept="ocean", verdicts={"first-1": EVENT})
    add(30, "control", verdicts={"first-1": REFUSED})
    row = fit_judged(store, settings=BRIEF)
    assert row.status == "passed", row.diagnostics
    assert "all trials of the control arm were refused" in reasons(row)["net_detection_engaged"]
    raw = figure(row, "net_detection_raw")
    assert raw.observed == 0.0
    assert -0.25 < raw.low95 < 0 < raw.high95 < 0.25
    assert_no_nan(row.result.model_dump(mode="json"))


def test_strengths_on_different_scales_are_compared_at_each_subjects_middle(store: Store, add: Add) -> None:
    for subject, parameters, scale in (("a", 1e9, 1.0), ("b", 4e9, 100.0), ("c", 1.6e10, 10.0)):
        add(20, "control", subject=subject, parameters=parameters, verdicts={"first-1": REST})
        for step in (1.0, 2.0, 4.0):
            where = {"subject": subject, "parameters": parameters, "concept": "ocean", "strength": scale * step}
            add(int(5 * step), "injection", **where, verdicts={"first-1": EVENT})
            add(int(24 - 5 * step), "injection", **where, verdicts={"first-1": REST})
    row = fit_judged(store, settings=BRIEF)
    assert row.status == "passed", row.diagnostics
    for subject, scale in (("a", 1.0), ("b", 100.0), ("c", 10.0)):
        weak, strong = (figure(row, "identification", subject, strength=scale * step) for step in (1.0, 4.0))
        assert abs(weak.mean - 5 / 24) < 0.1
        assert abs(strong.mean - 20 / 24) < 0.1


def test_a_fit_that_does_not_converge_is_failed_and_shows_nothing(
    store: Store, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_study(add)
    monkeypatch.setattr(sampler, "MIN_ESS", 1e9)
    row = fit_judged(store, settings=SamplerSettings(draws=50, tune=100))
    assert row.status == "failed"
    assert row.result.estimands == ()
    assert row.diagnostics.draws == 100, "tried again, harder"
    assert "bulk ESS" in reasons(row)["all"]


def test_a_sampler_that_gives_up_is_a_failed_fit(store: Store, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    def give_up(*_: object) -> None:
        raise FitFailedError("sampling failed: no start")

    small_study(add)
    monkeypatch.setattr(fit, "sample_posterior", give_up)
    row = fit_judged(store)
    assert row.status == "failed"
    assert "no start" in reasons(row)["all"]
    assert_no_nan(row.diagnostics.model_dump(mode="json"))


def test_without_labels_nothing_is_corrected_and_nothing_sampled(
    store: Store, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_study(add)
    monkeypatch.setattr(fit, "sample_posterior", lambda *_: pytest.fail("sampled"))
    row = fit_corrected(store)
    assert row.status == "refused"
    assert "there are no labels" in reasons(row)["net_detection_corrected"]
    assert row.result.estimands == ()


def test_labels_in_one_arm_correct_that_arm_alone(store: Store, add: Add) -> None:
    small_study(add)
    add(10, "injection", concept="ocean", verdicts={"first-1": EVENT, "second-1": EVENT}, label=EVENT, split="test")
    add(10, "injection", concept="ocean", verdicts={"first-1": REST, "second-1": REST}, label=REST, split="test")
    row = fit_corrected(store, settings=BRIEF)
    assert row.status == "passed", row.diagnostics
    assert "no labels in the control arm" in reasons(row)["net_detection_corrected"]
    assert figure(row, "identification").n == 60
    (rater,) = row.result.raters
    assert (rater.rater, rater.labels, rater.repeated, rater.prior) == ("ann", 20, 0, 0.97)
    assert 0.9 < rater.mean < 1
    assert "raters assumed right in 97 % (prior); no trial was labelled twice" in row.result.design
    assert not [entry for entry in row.result.estimands if entry.estimand.startswith("net_detection")]


def test_no_verdicts_or_counts_is_one_plain_line(store: Store, add: Add) -> None:
    for make in (fit_judged, fit_corrected, fit_published):
        with pytest.raises(NotEnoughDataError):
            make(store)
    add(3, "control")
    with pytest.raises(NotEnoughDataError, match="run `gnomon judge`"):
        fit_judged(store)


@pytest.mark.parametrize("values", [{"size": 1.0}, {"size_sd": -1.0}, {"size_sd": "wide"}, {"size_sd": True}])
def test_a_wrong_prior_is_named(values: dict[str, object]) -> None:
    with pytest.raises(InputError, match="prior 'size"):
        Priors.from_mapping(values)


def test_an_unknown_prior_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"not known: choose from arm_sd, arm_size_sd, .*variant_scale"):
        Priors.from_mapping({"event": 1.0})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_prior_mean_is_finite(value: float) -> None:
    with pytest.raises(InputError, match=r"prior 'event_mean' is .*: give a finite number"):
        Priors.from_mapping({"event_mean": value})


def test_priors_reach_the_fit(store: Store, add: Add) -> None:
    add(2, "control", verdicts={"first-1": REST})
    tight = Priors.from_mapping({"event_mean": 2.0, "intercept_sd": 0.01})
    row = fit_judged(store, settings=BRIEF, priors=tight)
    assert row.priors["event_mean"] == 2.0
    assert figure(row, "false_alarm").mean > 0.7


def test_a_cached_fit_needs_no_sampler(tmp_path: Any) -> None:
    """Heavy packages are imported when something is sampled, not when a stored fit is looked up."""
    code = """
        import sys
        import gnomon.stats.fit, gnomon.stats.cells.aggregation
        import gnomon.stats.estimands.definitions, gnomon.stats.bounds.selection_bounds
        heavy = {"pymc", "nutpie", "numba", "arviz", "pytensor", "torch"} & set(sys.modules)
        sys.exit(f"imported {heavy}" if heavy else 0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_ctrl_c_stops_the_sampler_and_stores_nothing(tmp_path: Any) -> None:
    code = f"""
        import os, signal, threading
        from gnomon.data.records import Arm, CountRow, Subject
        from gnomon.data.storage.store import Store
        from gnomon.stats.fit import fit_published
        from gnomon.stats.inference.sampler import SamplerSettings
        store = Store.open("{sqlite_url(tmp_path / "c.db")}")
        store.add_subjects([Subject("m", 1e9, "toy", "instruct")])
        store.add_counts([CountRow("p", "m", arm, 100, 10, 10) for arm in (Arm.INJECTION, Arm.CONTROL)])
        def progress(stage, share):
            if stage == "sample":
                threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            fit_published(store, settings=SamplerSettings(draws=10_000_000, tune=10), progress=progress)
        except KeyboardInterrupt:
            print("interrupted", len(store.newest_fits()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False, timeout=100
    )
    assert done.stdout.strip() == "interrupted 0", done.stderr


def test_fits_are_kept_with_what_they_were_made_from(store: Store) -> None:
    published(store)
    row = fit_published(store, settings=BRIEF)
    assert store.count_rows(fits) == 1
    assert row.seed == fit.DEFAULT_SEED
    assert row.priors == Priors().as_dict()
    assert set(row.diagnostics.model_dump()) == {
        "max_rhat", "min_ess_bulk", "min_ess_tail", "divergences", "draws", "chains", "seconds_compile",
        "seconds_sample", "passed", "reasons",
    }  # fmt: skip
    assert "assumes that the publication's judge is correct" in row.result.design
