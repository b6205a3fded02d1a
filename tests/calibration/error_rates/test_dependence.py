"""Errors in common are found, with labels and without, and independent judges are not accused of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnomon.calibration.error_rates.dependence import (
    error_dependence,
    holm_adjusted,
    judge_dependence,
    residual_dependence,
)
from gnomon.calibration.observations.disputes import disputed_trials
from gnomon.calibration.observations.frames import verdict_frame
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import Facts, JudgeVersion, Label, Verdict

ERRS = 0.15
FACTS = {
    "refused": Facts(claims=False, concept="none", coherent=True, refused=True),
    "incoherent": Facts(claims=False, concept="none", coherent=False, refused=False),
    "event": Facts(claims=True, concept="ocean", coherent=True, refused=False),
    "rest": Facts(claims=False, concept="none", coherent=True, refused=False),
}


def study(
    random: np.random.Generator, n: int, shared: float = 0.0, judges: int = 2
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, arm and errors; with probability `shared`, judges 0 and 1 both err as one coin says."""
    truth, arm = (random.random(n) < 0.4).astype(int), np.arange(n) % 2
    wrong = random.random((n, judges)) < ERRS
    coin, use = random.random(n) < ERRS, random.random(n) < shared
    wrong[:, :2] = np.where(use[:, None], coin[:, None], wrong[:, :2])
    return truth, arm, wrong.astype(float)


# -- with labels -----------------------------------------------------------------------------------------


def share_found(shared: float, n: int, runs: int = 300, seed: int = 1) -> float:
    random, found = np.random.default_rng(seed), 0
    for _ in range(runs):
        truth, arm, wrong = study(random, n, shared)
        found += error_dependence(wrong, truth, arms=arm)[-1].p_value < 0.05
    return found / runs


@pytest.mark.parametrize("n", [60, 200])
def test_independent_judges_are_seldom_accused(n: int) -> None:
    assert share_found(0.0, n) <= 0.07


def test_errors_in_common_are_found() -> None:
    assert share_found(0.5, 100, runs=60) > 0.9


def test_the_odds_ratio_is_that_of_the_simulation() -> None:
    """A third of errors shared: P(both) = s e + (1 - s) e^2, so the odds ratio is known."""
    both = 0.3 * ERRS + 0.7 * ERRS**2
    known = both * (1 - 2 * ERRS + both) / (ERRS - both) ** 2
    truth, arm, wrong = study(np.random.default_rng(2), 4000, 0.3)
    *parts, pooled = error_dependence(wrong, truth, judges=["ann", "bob"], arms=arm)
    assert [(part.arm, part.truth) for part in parts] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert (pooled.a, pooled.b, pooled.arm, pooled.truth, pooled.n) == ("ann", "bob", None, None, 4000)
    assert pooled.odds_ratio is not None
    assert pooled.odds_ratio.low < known < pooled.odds_ratio.high
    assert pooled.both_wrong == sum(part.both_wrong for part in parts)
    assert pooled.expected == pytest.approx(sum(part.expected for part in parts))
    assert pooled.verdict.startswith("they err together")


def test_errors_that_differ_by_class_are_not_taken_for_errors_in_common() -> None:
    """Both judges err at .4 in one class and .02 in the other: over all trials errors go together, in classes not."""
    random = np.random.default_rng(3)
    truth = np.repeat([0, 1], 500)
    wrong = (random.random((1000, 2)) < np.where(truth == 1, 0.4, 0.02)[:, None]).astype(float)
    assert error_dependence(wrong, np.zeros(1000))[-1].p_value < 1e-6
    assert error_dependence(wrong, truth)[-1].p_value > 0.05


def chosen(random: np.random.Generator, said: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """200 trials, four fifths of them disputed where there are enough, and what each stands for."""
    disputed = said[:, 0] != said[:, 1]
    first = random.permutation(np.flatnonzero(disputed))[:160]
    rest = np.setdiff1d(np.arange(len(said)), first)
    taken = np.concatenate([first, random.choice(rest, 200 - len(first), replace=False)])
    doubt = disputed[taken]
    return taken, np.where(doubt, disputed.sum() / doubt.sum(), (~disputed).sum() / (~doubt).sum())


@pytest.mark.parametrize(("shared", "least", "most"), [(0.0, 0.0, 0.07), (0.5, 0.8, 1.0)])
def test_labels_chosen_by_dispute_need_their_weights(shared: float, least: float, most: float) -> None:
    """Disputed trials hold just one error each: taken as they come, errors seem to exclude one another."""
    random, weighted, plain, runs = np.random.default_rng(4), 0, 0, 80
    for _ in range(runs):
        truth, _, wrong = study(random, 1000, shared)
        taken, weights = chosen(random, np.abs(truth[:, None] - wrong))
        fair = error_dependence(wrong[taken], truth[taken], weights=weights)[-1]
        biased = error_dependence(wrong[taken], truth[taken])[-1]
        weighted += fair.p_value < 0.05
        plain += biased.odds_ratio is not None and biased.odds_ratio.high < 1
    assert least <= weighted / runs <= most
    assert plain / runs > 0.9


def test_a_judge_that_never_errs_leaves_the_question_open() -> None:
    wrong = np.column_stack([np.zeros(20), np.repeat([1.0, 0.0], 10)])
    (part, pooled) = error_dependence(wrong, np.zeros(20))
    assert part.odds_ratio is pooled.odds_ratio is None
    assert (pooled.p_value, pooled.verdict[:14]) == (1.0, "cannot be told")


def test_what_a_judge_left_out_counts_in_no_pair_of_it() -> None:
    truth, _, wrong = study(np.random.default_rng(5), 100, judges=3)
    wrong[:30, 2] = np.nan
    sizes = {(row.a, row.b): row.n for row in error_dependence(wrong, truth) if row.truth is None}
    assert sizes == {(0, 1): 100, (0, 2): 70, (1, 2): 70}


def test_many_pairs_are_held_to_a_stricter_line() -> None:
    assert holm_adjusted(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_two_real_judges_err_together(shared: Path) -> None:
    """Two judges of one arena and a person's choice: 45 joint errors where 30 were expected."""
    folder = shared / "data" / "arena-judges"
    files = [folder / f"opus-4_vs_gemini-2.5-pro_{judge}.json" for judge in ("gpt-4o-mini", "gpt-5.2")]
    one, other = (
        {row["id"]: row for row in json.loads(file.read_text("utf-8")) if row["judge_pick"]} for file in files
    )
    both = sorted(one.keys() & other.keys())
    truth = np.array([one[id_]["human_winner"] == "model_a" for id_ in both])
    said = np.array([[read[id_]["judge_pick"] == "A" for read in (one, other)] for id_ in both])
    pooled = error_dependence((said != truth[:, None]).astype(float), truth)[-1]
    assert (pooled.n, pooled.both_wrong, round(pooled.expected, 1)) == (276, 45, 30.1)
    assert pooled.odds_ratio is not None
    assert (round(pooled.odds_ratio.value, 2), round(pooled.odds_ratio.low, 2)) == (3.06, 1.72)
    assert pooled.p_value < 1e-4


# -- without labels --------------------------------------------------------------------------------------


def residual_share(shared: float, runs: int, n: int = 500) -> np.ndarray:
    random, found = np.random.default_rng(6), []
    for seed in range(runs):
        truth, _, wrong = study(random, n, shared, judges=4)
        pairs = residual_dependence(np.abs(truth[:, None] - wrong), resamples=199, seed=seed)
        found.append([pair.p_value <= 0.05 for pair in pairs])
    share: np.ndarray = np.mean(found, axis=0)
    return share


def test_independent_judges_agree_as_the_model_expects() -> None:
    """Six pairs in each of 100 studies: 2 to 7 % on average, and for each pair within chance of 5 % in 100."""
    share = residual_share(0.0, 100)
    assert 0.02 <= share.mean() <= 0.07
    assert share.max() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 100)


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_verdicts_alone_show_that_judges_err_together_but_not_which(missing: float) -> None:
    """Judges a and b share half their mistakes, so the fit follows them, and the honest two look like the culprits."""
    truth, _, wrong = study(np.random.default_rng(7), 800, 0.5, judges=4)
    ratings = np.abs(truth[:, None] - wrong)
    ratings[np.random.default_rng(8).random(ratings.shape) < missing] = np.nan
    pairs = {(pair.a, pair.b): pair for pair in residual_dependence(ratings, judges=list("abcd"), seed=1)}
    honest, shared = pairs["c", "d"], pairs["a", "b"]
    assert honest.verdict.startswith("they agree more often than independent errors allow: some judges err together")
    assert honest.agree - honest.expected > 5 * (shared.agree - shared.expected) > 0
    by_label = {(row.a, row.b): row.verdict for row in error_dependence(wrong, truth) if row.truth is None}
    assert by_label[0, 1].startswith("they err together")
    assert by_label[2, 3].startswith("no sign")


def test_verdicts_alone_find_errors_in_common() -> None:
    assert residual_share(0.5, 20)[-1] > 0.9


def test_three_judges_of_two_categories_cannot_be_checked_without_labels() -> None:
    truth, _, wrong = study(np.random.default_rng(9), 100, judges=3)
    with pytest.raises(NotEnoughDataError, match="3 judges of 2 categories and no labels"):
        residual_dependence(np.abs(truth[:, None] - wrong))


# -- from the store --------------------------------------------------------------------------------------


def test_judges_of_a_study_are_checked_with_labels_and_without(simulate: Callable[..., Any]) -> None:
    """Judge `twin` repeats `one`, mistakes and all; `other` errs on its own."""
    errors = {name: dict.fromkeys(("injection", "control"), (0.8, 0.8)) for name in ("one", "other")}
    made = simulate(errors, n=400, labelled=0.6, seed=3)
    made.store.add_judge(JudgeVersion("twin-1", "twin", "simulated", {}))
    said = verdict_frame(made.store, ["one-1"])
    facts = [Facts(bool(row.claims), row.concept, bool(row.coherent), bool(row.refused)) for row in said.itertuples()]
    made.store.add_verdicts([Verdict(trial, "twin-1", fact) for trial, fact in zip(said["trial"], facts, strict=True)])
    report = judge_dependence(made.store, ["one-1", "twin-1", "other-1"], "current", resamples=99)
    pooled = {(row.a, row.b): row for row in report.labelled if row.arm is None}
    assert pooled["one-1", "twin-1"].verdict.startswith("they err together")
    assert pooled["one-1", "other-1"].verdict.startswith("no sign")
    assert {row.arm for row in report.labelled} == {None, "injection", "control"}
    assert {row.truth for row in report.labelled} == {None, "event", "no event"}
    assert report.unlabelled == ()
    assert sorted(note.split(":")[0] for note in report.notes) == [
        "control, without labels",
        "injection, without labels",
    ]


def test_labels_of_disputed_transcripts_are_weighted_in_a_study(simulate: Callable[..., Any]) -> None:
    """All disputed trials labelled and one in five of the others; the judges err independently."""
    made = simulate(
        {name: dict.fromkeys(("injection", "control"), (0.8, 0.8)) for name in ("one", "two")}, n=500, labelled=0
    )
    disputed, random = disputed_trials(made.store), np.random.default_rng(1)
    made.store.add_labels(
        [
            Label(trial, "ann", FACTS[truth], stratum="disputed" if trial in disputed else "audit", probability=0.5)
            for trial, truth in made.truth.items()
            if trial in disputed or random.random() < 0.2
        ]
    )
    pooled = judge_dependence(made.store, ["one-1", "two-1"], "current").labelled[-1]
    assert pooled.odds_ratio is not None
    assert pooled.odds_ratio.low < 1 < pooled.odds_ratio.high
    assert pooled.verdict.startswith("no sign")


def test_a_study_without_labels_says_so(simulate: Callable[..., Any]) -> None:
    errors = {name: dict.fromkeys(("injection", "control"), (0.85, 0.85)) for name in "abcd"}
    made = simulate(errors, n=300, labelled=0.0)
    report = judge_dependence(made.store, [f"{name}-1" for name in "abcd"], resamples=99)
    assert report.labelled == ()
    assert report.notes == ("with labels: no trial that these judges read is labelled: label some",)
    assert {(row.arm, row.n > 0) for row in report.unlabelled} == {("injection", True), ("control", True)}
    with pytest.raises(NotEnoughDataError, match="name two or more"):
        judge_dependence(made.store, ["a-1"])


def test_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="3 judges for 2 columns"):
        error_dependence([[0.0, 1.0]], [1], judges=["a", "b", "c"])
    with pytest.raises(InputError, match="1 weights for 2 units"):
        error_dependence([[0.0, 1.0], [1.0, 1.0]], [1, 0], weights=[1.0])
    with pytest.raises(InputError, match="1 true classes"):
        error_dependence([[0.0, 1.0], [1.0, 1.0]], [1])
