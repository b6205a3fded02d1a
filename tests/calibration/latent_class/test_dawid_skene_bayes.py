"""The Bayesian Dawid-Skene model agrees with exact cases and maximum likelihood, covers, and says when it fails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from gnomon.calibration.latent_class.dawid_skene import dawid_skene
from gnomon.calibration.latent_class.dawid_skene_bayes import LatentPrior, dawid_skene_bayes
from gnomon.calibration.numerics.mcmc import effective_draws, split_rhat
from gnomon.data.errors import InputError
from gnomon.stats.inference.arviz_import import import_arviz

STUDIES = 60
SKILL = ((0.95, 0.9), (0.85, 0.9), (0.75, 0.8))


def study(random: np.random.Generator, units: int = 200, rate: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    truth = (random.random(units) < rate).astype(float)
    right = [random.random(units) < np.where(truth == 1, se, sp) for se, sp in SKILL]
    return truth, np.column_stack([np.where(each, truth, 1 - truth) for each in right])


def test_gold_for_every_unit_gives_the_beta_posterior() -> None:
    truth, ratings = study(np.random.default_rng(1))
    fit = dawid_skene_bayes(ratings, gold=truth, seed=3)
    events = int(truth.sum())
    exact = beta(1 + events, 1 + len(truth) - events)
    assert (fit.shares[1].low, fit.shares[1].high) == pytest.approx(exact.ppf([0.025, 0.975]), abs=0.004)
    hits = int(ratings[truth == 1, 0].sum())
    row = beta(2 + hits, 1 + events - hits)
    given = fit.confusion[0][1][1]
    assert (given.low, given.high) == pytest.approx(row.ppf([0.025, 0.975]), abs=0.004)


def test_many_units_leave_the_prior_no_say() -> None:
    _, ratings = study(np.random.default_rng(4), units=40_000)
    likely, fit = dawid_skene(ratings), dawid_skene_bayes(ratings, draws=4000, seed=2)
    assert [share.value for share in fit.shares] == pytest.approx([share.value for share in likely.shares], abs=0.005)


@pytest.mark.parametrize("gold", [0, 40])
def test_intervals_of_shares_cover_with_and_without_gold(gold: int) -> None:
    """60 studies of 200 units and three raters: at least .95 less three standard errors of that many studies."""
    random, held, widths = np.random.default_rng(11 + gold), [], []
    for seed in range(STUDIES):
        truth, ratings = study(random)
        known = np.where(np.arange(truth.size) < gold, truth, np.nan) if gold else None
        share = dawid_skene_bayes(ratings, gold=known, draws=1600, chains=8, seed=seed).shares[1]
        held.append(share.low <= 0.3 <= share.high)
        widths.append(share.high - share.low)
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / STUDIES)
    assert np.mean(widths) < (0.16 if gold else 0.2)


def test_no_chain_stays_in_the_mirror_image() -> None:
    """Without the step that renames classes, some of these starts end with a share of 1 - rate (R-hat above 2)."""
    for seed in range(8):
        _, ratings = study(np.random.default_rng(seed + 40), rate=0.1)
        assert dawid_skene_bayes(ratings, draws=4000, chains=8, seed=seed).rhat < 1.2


def test_a_prior_of_mostly_wrong_raters_turns_the_classes_round() -> None:
    truth, ratings = study(np.random.default_rng(6))
    turned = dawid_skene_bayes(ratings, prior=LatentPrior(right=1.0, wrong=2.0), draws=4000)
    assert turned.shares[0].value == pytest.approx(truth.mean(), abs=0.08)


def test_too_few_draws_are_not_called_converged() -> None:
    _, ratings = study(np.random.default_rng(7))
    assert not dawid_skene_bayes(ratings, draws=100, seed=2).has_converged
    assert dawid_skene_bayes(ratings, seed=2).has_converged
    with pytest.raises(InputError, match="two chains or more"):
        dawid_skene_bayes(ratings, chains=1)


def test_the_same_seed_gives_the_same_posterior() -> None:
    _, ratings = study(np.random.default_rng(5))
    one, again = (dawid_skene_bayes(ratings, draws=400, seed=9) for _ in range(2))
    assert one.shares == again.shares
    assert one.confusion == again.confusion


# -- diagnostics -----------------------------------------------------------------------------------------


def test_diagnostics_are_those_of_arviz() -> None:
    """Chains that creep, that alternate, and one that sits elsewhere."""
    random, series = np.random.default_rng(0), np.zeros((4, 1000, 3))
    for step in range(1, 1000):
        series[:, step] = series[:, step - 1] * [0.9, 0.5, -0.3] + random.normal(size=(4, 3))
    series[0, :, 1] += 0.3
    library = import_arviz()
    rhat = [library.rhat(series[:, :, at], method="split") for at in range(3)]
    ess = [library.ess(series[:, :, at], method="mean") for at in range(3)]
    np.testing.assert_allclose(split_rhat(series), rhat, rtol=1e-9)
    np.testing.assert_allclose(effective_draws(series), ess, rtol=0.02)


def test_a_quantity_that_never_moves_is_no_failure() -> None:
    assert split_rhat(np.ones((2, 20, 1))) == pytest.approx([1.0])
