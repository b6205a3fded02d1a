"""Dawid and Skene's model gives their published fit and finds the truth in simulation."""

from __future__ import annotations

import numpy as np
import pytest

from gnomon.calibration.latent_class.dawid_skene import dawid_skene, maximize_likelihood, rating_patterns
from gnomon.calibration.latent_class.dawid_skene_bayes import dawid_skene_bayes
from gnomon.data.errors import InputError, NotEnoughDataError

# Table 1 of Dawid and Skene (1979): readings of observer 1 (three), 2, 3, 4 and 5, one digit a patient.
READINGS = (
    "131222132242121111222222112111131224223111212",
    "131222232342122111222222113111131223233112322",
    "132222232242121111222221112112131223123111212",
    "142333232243131211212232112111131234233112212",
    "131123142243121111232222112111121223224111212",
    "132222132244111111222222112112131234333111212",
    "142122133343121111122122112111131223232111212",
)
OBSERVERS = ("1", "1", "1", "2", "3", "4", "5")
PATIENTS = np.array([[float(digit) for digit in reading] for reading in READINGS]).T


def test_the_published_fit_is_found() -> None:
    fit = dawid_skene(PATIENTS, raters=OBSERVERS)
    assert fit.log_likelihood == pytest.approx(-192.890881, abs=1e-5)
    assert [round(share.value, 4) for share in fit.shares] == [0.3996, 0.4220, 0.1118, 0.0667]
    first = [[0.889, 0.111, 0, 0], [0.071, 0.876, 0.053, 0], [0, 0.339, 0.661, 0], [0, 0, 0.556, 0.444]]
    np.testing.assert_allclose(fit.confusion["1"], first, atol=6e-4)


def test_the_doubtful_patients_are_the_published_ones() -> None:
    fit = dawid_skene(PATIENTS, raters=OBSERVERS)
    doubtful = {patient + 1: row.round(3).max() for patient, row in enumerate(fit.posterior) if row.max() < 0.99}
    assert doubtful == {7: 0.981, 35: 0.948, 38: 0.979}
    assert [fit.most_likely()[patient - 1] for patient in (3, 7, 35, 38)] == [2, 1, 2, 3]


def test_the_posterior_of_the_1979_data_holds_the_published_shares() -> None:
    published = dawid_skene(PATIENTS, raters=OBSERVERS)
    fit = dawid_skene_bayes(PATIENTS, raters=OBSERVERS, seed=1)
    assert fit.has_converged
    for bayes, likely in zip(fit.shares, published.shares, strict=True):
        assert bayes.low < likely.value < bayes.high
        assert bayes.value == pytest.approx(likely.value, abs=0.025)
    assert (fit.most_likely() == published.most_likely()).mean() > 0.9
    assert fit.confusion["1"][0][0].value == pytest.approx(0.889, abs=0.03)


def simulated(seed: int, units: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Three raters of accuracy .95, .85 and .7 on two classes, a fifth of ratings missing."""
    random = np.random.default_rng(seed)
    truth = (random.random(units) < 0.3).astype(float)
    right = random.random((units, 3)) < np.array([0.95, 0.85, 0.7])
    ratings = np.where(right, truth[:, None], 1 - truth[:, None])
    ratings[random.random(ratings.shape) < 0.2] = np.nan
    ratings[np.isnan(ratings).all(axis=1), 0] = 0.0
    return truth, ratings


def test_shares_and_errors_of_raters_are_recovered_without_labels() -> None:
    truth, ratings = simulated(5)
    fit = dawid_skene(ratings, resamples=30, seed=2)
    assert fit.shares[1].low < truth.mean() < fit.shares[1].high
    skill = [np.diag(fit.confusion[rater]).mean() for rater in range(3)]
    assert skill[0] > skill[1] > skill[2]
    assert (fit.most_likely() == truth).mean() > (np.nan_to_num(ratings[:, 1]) == truth).mean()


def test_the_same_seed_gives_the_same_interval_and_names_of_categories_do_not_matter() -> None:
    _, ratings = simulated(6, 200)
    one, again = (dawid_skene(ratings, resamples=20, seed=4) for _ in range(2))
    assert one.shares == again.shares
    renamed = dawid_skene(7 - ratings)
    assert [share.value for share in renamed.shares][::-1] == pytest.approx([share.value for share in one.shares])


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(NotEnoughDataError, match="two raters and two categories"):
        dawid_skene([[1.0], [2.0]])
    with pytest.raises(NotEnoughDataError, match="no rating at all"):
        dawid_skene([[1.0, 2.0], [np.nan, np.nan]])
    with pytest.raises(InputError, match="1 rater names for 2 columns"):
        dawid_skene([[1.0, 2.0]], raters=["ann"])
    with pytest.raises(NotEnoughDataError, match="not converged after 1 steps"):
        dawid_skene(PATIENTS, max_steps=1)
    with pytest.raises(InputError, match="1 gold labels for 2 units"):
        dawid_skene([[1.0, 2.0], [2.0, 2.0]], gold=[1.0])


# -- extrapolated EM --------------------------------------------------------------------------------------


def four_judges(seed: int, right: tuple[float, ...], share: float, units: int = 512) -> np.ndarray:
    """Independent ratings of two classes by judges that are right as often as told."""
    random = np.random.default_rng(seed)
    truth = random.random(units) < share
    return np.where(random.random((units, len(right))) < right, truth[:, None], ~truth[:, None]).astype(float)


HARD = {
    "published": PATIENTS,
    "good judges": four_judges(0, (0.95, 0.9, 0.85, 0.8), 0.3),
    "weak judges": four_judges(3, (0.7, 0.65, 0.6, 0.6), 0.3),
    "a rare class": four_judges(4, (0.95, 0.9, 0.85, 0.8), 0.03),
    "missing ratings": simulated(5)[1],
}


def plain_em(ratings: np.ndarray, tolerance: float = 1e-12, most: int = 50_000) -> tuple[float, np.ndarray, int]:
    """Log-likelihood, shares and number of steps of EM as written in 1979, a row a unit."""
    categories = np.unique(ratings[~np.isnan(ratings)])
    hits = (ratings[:, :, None] == categories).astype(float)
    classes = (hits.sum(axis=1) + 1e-12) / (hits.sum(axis=1) + 1e-12).sum(axis=1, keepdims=True)
    last = -np.inf
    for step in range(most):
        shares = classes.mean(axis=0)
        joint = np.einsum("uk,urq->rkq", classes, hits)
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(joint / joint.sum(axis=2, keepdims=True)), -700.0)
        odds = np.log(shares) + np.einsum("urq,rkq->uk", hits, logs)
        each = np.logaddexp.reduce(odds, axis=1)
        classes = np.exp(odds - each[:, None])
        if each.sum() - last < tolerance:
            return float(each.sum()), shares, step
        last = each.sum()
    raise AssertionError("plain EM did not converge")


@pytest.mark.parametrize("name", HARD)
def test_extrapolation_finds_the_maximum_of_plain_em(name: str) -> None:
    likelihood, shares, _ = plain_em(HARD[name])
    fit = dawid_skene(HARD[name])
    assert fit.log_likelihood == pytest.approx(likelihood, abs=1e-6)
    assert [share.value for share in fit.shares] == pytest.approx(shares, abs=1e-3)


@pytest.mark.parametrize("name", ["weak judges", "a rare class"])
def test_extrapolation_takes_a_fifth_of_the_steps_where_plain_em_creeps(name: str) -> None:
    assert dawid_skene(HARD[name]).steps < plain_em(HARD[name], tolerance=1e-10)[2] / 5


def test_a_fit_does_not_depend_on_the_batch_that_it_is_in() -> None:
    seen = rating_patterns(HARD["weak judges"])
    random = np.random.default_rng(1)
    drawn = random.multinomial(512, seen.weight / 512, size=20).astype(float)
    together = maximize_likelihood(seen, drawn, tolerance=1e-8)
    for place, weights in enumerate(drawn):
        alone = maximize_likelihood(seen, weights[None], tolerance=1e-8)
        assert together.log_likelihood[place] == pytest.approx(alone.log_likelihood[0], abs=1e-9)
        np.testing.assert_allclose(together.shares[place], alone.shares[0], atol=1e-9)
        assert alone.steps <= together.steps


# -- gold labels -----------------------------------------------------------------------------------------


def test_gold_for_every_unit_gives_the_plain_counts() -> None:
    truth, ratings = simulated(7)
    fit = dawid_skene(ratings, gold=truth)
    assert [share.value for share in fit.shares] == pytest.approx([1 - truth.mean(), truth.mean()])
    seen = ~np.isnan(ratings[:, 2])
    table = [[(ratings[seen & (truth == true), 2] == said).mean() for said in (0, 1)] for true in (0, 1)]
    np.testing.assert_allclose(fit.confusion[2], table, atol=1e-9)
    assert (fit.most_likely() == truth).all()


def test_a_gold_label_holds_against_all_raters_and_moves_their_confusion() -> None:
    _, ratings = simulated(8)
    against = np.flatnonzero((ratings == 1).sum(axis=1) == 3)[:5]
    gold = np.full(len(ratings), np.nan)
    gold[against] = 0.0
    free, held = dawid_skene(ratings), dawid_skene(ratings, gold=gold)
    assert (free.posterior[against, 1] > 0.9).all()
    assert (held.posterior[against, 0] == 1).all()
    assert all(held.confusion[rater][0, 1] > free.confusion[rater][0, 1] for rater in range(3))


def test_gold_labels_narrow_the_interval_of_the_shares() -> None:
    truth, ratings = simulated(9)
    gold = np.where(np.arange(truth.size) < 150, truth, np.nan)
    free, held = (dawid_skene(ratings, gold=each, resamples=60, seed=1).shares[1] for each in (None, gold))
    assert held.se < 0.95 * free.se
    assert held.low < truth.mean() < held.high


def test_one_rater_is_enough_where_gold_labels_tell_how_it_errs() -> None:
    """The maximum likelihood share is then Rogan and Gladen's, the labelled units counted in."""
    said = np.repeat([1.0, 0.0, 1.0, 0.0, 1.0, 0.0], [27, 3, 7, 63, 306, 594])
    gold = np.repeat([1.0, 0.0, np.nan], [30, 70, 900])
    fit = dawid_skene(said[:, None], gold=gold)
    assert fit.shares[1].value == pytest.approx((0.34 + 0.9 - 1) / 0.8, abs=1e-4)
    np.testing.assert_allclose(fit.confusion[0], [[0.9, 0.1], [0.1, 0.9]], atol=1e-4)


def test_a_category_that_only_gold_labels_name_is_one() -> None:
    fit = dawid_skene([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]], gold=[np.nan, np.nan, 2.0])
    assert fit.categories == (0.0, 1.0, 2.0)
    assert fit.most_likely()[2] == 2
