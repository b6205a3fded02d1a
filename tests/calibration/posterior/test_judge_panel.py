"""Several judges at once: exact where it can be, honest about labels that disagreement chose, loud where it must be."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.numerics.mcmc import effective_draws, split_rhat, summarize_draws
from gnomon.calibration.posterior.judge_panel import MISSING, VerdictPatterns, panel_posterior
from gnomon.calibration.posterior.single_judge import joint_posterior
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.stats.inference.arviz_import import import_arviz

TRUE = (0.2, (0.9, 0.8), (0.95, 0.9))


def study(seed: int, rate: float, hits, right, trials: int = 1000):
    random = np.random.default_rng(seed)
    truth = random.random(trials) < rate
    pairs = zip(hits, right, strict=True)
    read = [np.where(truth, random.random(trials) < a, random.random(trials) >= b) for a, b in pairs]
    return truth, np.array(read).T, random


def known_at(truth, pick):
    known = np.full(len(truth), np.nan)
    known[pick] = truth[pick]
    return known


def by_disagreement(read, random, labels: int = 120):
    disputed = random.permutation(np.flatnonzero(read[:, 0] != read[:, 1]))[: labels * 4 // 5]
    rest = random.permutation(np.setdiff1d(np.arange(len(read)), disputed))
    return np.concatenate([disputed, rest[: labels - len(disputed)]])


def test_patterns_count_every_trial_once() -> None:
    verdicts = [[1, 0], [1, 0], [0, np.nan], [1, 0], [0, 0]]
    found = VerdictPatterns.pattern_counts(verdicts, [1, np.nan, 0, 0, np.nan])
    assert found.verdicts.tolist() == [[0, MISSING], [0, 0], [1, 0]]
    assert found.unlabelled.tolist() == [0, 1, 1]
    assert found.labelled.tolist() == [[1, 0], [0, 0], [1, 1]]
    assert found.label_counts == 3


def test_one_judge_alone_is_the_exact_posterior() -> None:
    truth, read, random = study(3, 0.3, (0.85,), (0.9,))
    pick = random.permutation(1000)[:200]
    fitted = panel_posterior(VerdictPatterns.pattern_counts(read, known_at(truth, pick)), draws=12_000)
    told, said = truth[pick], read[pick, 0]
    rest = np.delete(read[:, 0], pick)
    exact = joint_posterior(
        (int(rest.sum()), len(rest)),
        (int((told & said).sum()), int(told.sum())),
        (int((~told & ~said).sum()), int((~told).sum())),
        internal=True,
    )
    found = fitted.posterior_estimate()
    slack = 0.04 * (exact.high - exact.low)
    assert (found.value, found.low, found.high) == pytest.approx((exact.value, exact.low, exact.high), abs=slack)


def test_convergence_figures_are_arvizs() -> None:
    random = np.random.default_rng(1)
    steps = random.normal(size=(4, 1500))
    chains = np.zeros_like(steps)
    for place in range(1, 1500):
        chains[:, place] = 0.8 * chains[:, place - 1] + steps[:, place]
    arviz = import_arviz()
    (rhat,), (ess,) = split_rhat(chains[:, :, None]), effective_draws(chains[:, :, None])
    assert rhat == pytest.approx(float(arviz.rhat(chains, method="split")), abs=1e-3)
    assert ess == pytest.approx(float(arviz.ess(chains, method="mean")), rel=0.1)


def test_with_all_trials_labelled_the_judges_change_nothing() -> None:
    truth, read, _ = study(5, *TRUE, trials=400)
    found = panel_posterior(VerdictPatterns.pattern_counts(read, truth)).posterior_estimate()
    events = int(truth.sum())
    assert found.value == pytest.approx((events + 1) / 402, abs=2e-3)


def test_labels_by_disagreement_hold_the_truth_and_narrow_the_interval_and_naive_errors_are_wrong() -> None:
    held, widths, naive = {"random": 0, "disputed": 0}, {"random": 0.0, "disputed": 0.0}, []
    studies = 60
    for seed in range(studies):
        truth, read, random = study(seed, *TRUE)
        picks = {"random": random.permutation(1000)[:120], "disputed": by_disagreement(read, random)}
        for how, pick in picks.items():
            found = panel_posterior(
                VerdictPatterns.pattern_counts(read, known_at(truth, pick)), draws=1500, seed=seed
            ).posterior_estimate()
            held[how] += found.low <= TRUE[0] <= found.high
            widths[how] += found.high - found.low
        told = truth[picks["disputed"]]
        naive.append(read[picks["disputed"], 0][told].mean())
    assert min(held.values()) / studies >= 0.88
    assert widths["random"] >= 1.3 * widths["disputed"]
    assert np.mean(naive) < TRUE[1][0] - 0.15, "a sensitivity counted on disputed labels is far below the judge's own"


def test_judges_that_err_together_break_the_independent_fit_and_not_the_free_one() -> None:
    random = np.random.default_rng(2)
    truth = random.random(4000) < 0.3
    wrong = random.random(4000) < 0.15
    one, other = (truth ^ (wrong | (random.random(4000) < 0.02)) for _ in range(2))
    known = known_at(truth, random.permutation(4000)[:600])
    patterns = VerdictPatterns.pattern_counts(np.column_stack([one, other]), known)
    tight, free = (panel_posterior(patterns, errors=errors).posterior_estimate() for errors in ("independent", "free"))
    assert free.low <= 0.3 <= free.high
    assert not tight.low <= 0.3 <= tight.high


def test_silent_judges_are_missing_data_and_the_free_fit_leaves_them_out() -> None:
    truth, read, random = study(8, *TRUE)
    gaps = read.astype(float)
    gaps[random.random(gaps.shape) < 0.2] = np.nan
    known = known_at(truth, random.permutation(1000)[:300])
    for errors in ("independent", "free"):
        found = panel_posterior(VerdictPatterns.pattern_counts(gaps, known), errors=errors)
        estimate = found.posterior_estimate()
        assert estimate.low <= 0.2 <= estimate.high
        assert found.rhat < 1.02
        assert found.sensitivity.mean(axis=0) == pytest.approx([0.9, 0.8], abs=0.1)
    complete = int((~np.isnan(gaps)).all(axis=1).sum())
    assert complete < 1000


def test_the_chance_of_the_event_given_a_pattern_is_bayes_rule() -> None:
    truth, read, random = study(9, *TRUE, trials=5000)
    found = panel_posterior(VerdictPatterns.pattern_counts(read, known_at(truth, random.permutation(5000)[:1500])))
    one = 0.2 * 0.9 * 0.2 / (0.2 * 0.9 * 0.2 + 0.8 * 0.05 * 0.9)
    both = 0.2 * 0.9 * 0.8 / (0.2 * 0.9 * 0.8 + 0.8 * 0.05 * 0.1)
    assert found.event.mean(axis=0)[-2:] == pytest.approx([one, both], abs=0.05)


def test_the_same_seed_gives_the_same_draws() -> None:
    truth, read, random = study(4, *TRUE)
    patterns = VerdictPatterns.pattern_counts(read, known_at(truth, random.permutation(1000)[:100]))
    one, same, other = (panel_posterior(patterns, draws=200, seed=seed).rate for seed in (1, 1, 2))
    assert (one == same).all()
    assert not (one == other).all()


def test_without_labels_yes_and_no_could_be_swapped_and_that_is_said() -> None:
    _, read, _ = study(4, *TRUE)
    with pytest.raises(NotEnoughDataError, match="no transcript is labelled"):
        panel_posterior(VerdictPatterns.pattern_counts(read, np.full(1000, np.nan)))


def test_the_free_fit_needs_a_label_where_all_judges_spoke() -> None:
    patterns = VerdictPatterns.pattern_counts([[1, np.nan], [0, 1]], [1, np.nan])
    with pytest.raises(NotEnoughDataError, match="verdict of every judge"):
        panel_posterior(patterns, errors="free")


@pytest.mark.parametrize("verdicts", [[1, 0], [[1] * 7]], ids=["not a table", "seven judges"])
def test_what_is_no_table_of_verdicts_is_named(verdicts) -> None:
    with pytest.raises(InputError, match="trials x judges"):
        VerdictPatterns.pattern_counts(verdicts, [1])


def test_a_summary_is_mean_and_central_interval() -> None:
    found = summarize_draws(np.arange(1001) / 1000)
    assert (found.value, found.low, found.high) == pytest.approx((0.5, 0.025, 0.975))


@pytest.mark.parametrize(
    ("verdicts", "truth", "message"),
    [([[2.0]], [1.0], "verdict 2"), ([[1.0]], [0.5], "truth 0.5"), ([[1.0]], [-1], "truth -1")],
)
def test_what_is_neither_yes_nor_no_is_named(verdicts, truth, message: str) -> None:
    with pytest.raises(InputError, match=message):
        VerdictPatterns.pattern_counts(verdicts, truth)
