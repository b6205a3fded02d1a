"""Claims about the search for doses: it finds what a known curve says, and says so where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.generation.doses.dose_search import CLOSE, SHARES, dose_of_share, search_doses
from gnomon.generation.doses.neutral_answers import neutral_pairs
from gnomon.generation.prompts.neutral_questions import NEUTRAL_QUESTIONS


class Curve:
    """Questions that each lose coherence at a strength of their own."""

    def __init__(self, limits: np.ndarray, baseline: float = 1.0) -> None:
        self.limits, self.asked = limits, []
        self.plain = np.arange(len(limits)) < baseline * len(limits)

    def __call__(self, strength: float) -> list[bool]:
        self.asked.append(strength)
        return list(self.plain & (self.limits > strength))


@pytest.mark.parametrize("scale", [0.02, 1.0, 300.0])
def test_doses_are_those_of_the_curve_from_any_beginning(scale: float) -> None:
    limits = scale * np.exp(np.random.default_rng(1).normal(size=400))
    curve = Curve(limits)
    found = search_doses(curve, start=1.0)
    for dose in found.doses:
        true = float(np.quantile(limits, 1 - dose.share))
        assert dose.strength is not None
        assert true / CLOSE <= dose.strength <= true * CLOSE
        assert dose.low is not None
        assert dose.high is not None
        assert dose.low <= dose.strength <= dose.high
    assert [dose.share for dose in found.doses] == list(SHARES)
    assert len(curve.asked) == len(set(curve.asked)) <= 40


def test_shares_are_of_the_answers_that_are_coherent_with_nothing_added() -> None:
    limits = np.exp(np.random.default_rng(2).normal(size=400))
    half = search_doses(Curve(limits, baseline=0.5), start=1.0)
    whole = search_doses(Curve(limits[:200]), start=1.0)
    assert [dose.strength for dose in half.doses] == [dose.strength for dose in whole.doses]
    assert (half.answers, half.asked) == (200, 400)


def test_a_subject_that_stumbles_now_and_then_by_itself_has_doses_all_the_same() -> None:
    """Any strength changes what is sampled, so that other answers fail than with nothing added."""
    hits = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        limits = np.exp(rng.normal(size=48))

        def ask(strength: float, limits: np.ndarray = limits, rng: np.random.Generator = rng) -> list[bool]:
            return list((limits > strength) & (rng.random(48) < 0.9))

        found = search_doses(ask, start=1.0)
        assert len(found.strengths) < 25
        _, _, half = found.doses
        assert half.low is not None
        assert half.high is not None
        hits += half.low <= 1.0 <= half.high
        assert all(dose.strength is not None for dose in found.doses)
    assert 0.9 <= hits / 100 <= 1.0


def test_an_interval_covers_the_dose_of_the_population_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(200):
        limits = np.exp(np.random.default_rng(seed).normal(size=48))
        dose = search_doses(Curve(limits), start=1.0, shares=(0.5,)).doses[0]
        assert dose.low is not None
        assert dose.high is not None
        hits += dose.low <= 1.0 <= dose.high
    assert 0.92 <= hits / 200 <= 0.995


def test_a_subject_that_is_incoherent_by_itself_has_no_dose() -> None:
    found = search_doses(Curve(np.ones(100), baseline=0.05), start=1.0)
    assert [dose.strength for dose in found.doses] == [None, None, None]
    assert (found.answers, found.asked, found.strengths) == (5, 100, ())


def test_a_subject_that_nothing_disturbs_has_no_dose_and_the_search_ends() -> None:
    curve = Curve(np.full(50, np.inf))
    assert [dose.strength for dose in search_doses(curve, start=1.0).doses] == [None, None, None]
    assert len(curve.asked) < 20


@pytest.mark.parametrize(
    ("shares", "found"),
    [
        ((1.0, 0.9, 0.1), 2 * 2 ** (0.4 / 0.8)),
        ((1.0, 1.0, 1.0), None),
        ((0.4, 0.2, 0.1), None),
        ((1.0, 0.0, 1.0), None),
    ],
)
def test_a_dose_is_interpolated_in_log_strength_and_rising_shares_are_pooled(
    shares: tuple[float, ...], found: float | None
) -> None:
    assert dose_of_share((1.0, 2.0, 4.0), shares, 0.5) == (None if found is None else pytest.approx(found))


def test_pairs_take_concepts_and_questions_in_turn() -> None:
    pairs = neutral_pairs(["a", "b", "c", "d", "e", "f"], 48)
    assert len(set(pairs)) == len(pairs) == 6 * len(NEUTRAL_QUESTIONS)
    few = neutral_pairs(["a", "b", "c"], 8)
    assert {pair.question for pair in few} == set(NEUTRAL_QUESTIONS)
    assert {pair.concept for pair in few} == {"a", "b", "c"}
    assert len({pair.seed for pair in pairs}) == len(pairs)
