"""The machinery of fits, given other people's data, gives other people's published numbers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from gnomon.stats.inference.coordinates import noncentered_coordinates
from gnomon.stats.inference.hierarchical import OutcomeModel
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model import basis_functions
from gnomon.stats.model.linear_predictor import ModelDesign, PredictorTerm

# Contagious bovine pleuropneumonia (lme4's cbpp): new cases of herd size, by herd and period.
CBPP = """1:2/14 3/12 4/9 0/5;2:3/22 1/18 1/21 -;3:8/22 2/16 0/16 2/20;4:2/10 0/10 2/9 0/6;5:5/18 0/25 0/24 1/4;
6:3/17 0/17 0/18 1/20;7:8/16 1/10 3/9 0/5;8:12/34 - - -;9:2/9 0/6 0/8 0/6;10:1/22 1/22 0/18 2/22;
11:0/25 5/27 3/22 1/22;12:2/10 1/8 0/6 0/5;13:1/21 2/24 0/19 0/23;14:11/19 0/2 0/3 0/2;15:1/19 1/15 1/15 0/15"""
# Infant deaths after heart surgery in twelve hospitals (BUGS examples, volume 1).
SURGICAL_N = [47, 148, 119, 810, 211, 196, 148, 215, 207, 97, 256, 360]
SURGICAL_R = [0, 18, 8, 46, 8, 13, 9, 31, 14, 8, 29, 24]


def herds() -> Iterator[tuple[str, str, int, int]]:
    for line in CBPP.split(";"):
        herd, cells = line.strip().split(":")
        for period, cell in enumerate(cells.split(), start=1):
            if cell != "-":
                cases, size = cell.split("/")
                yield herd, str(period), int(cases), int(size)


def binomial_model(frame: pd.DataFrame, terms: list[PredictorTerm], counts: np.ndarray) -> OutcomeModel:
    design = ModelDesign(frame.assign(arm="control"), ("event",), tuple(terms))
    shape = sum(design.term_widths().values()), 1
    return OutcomeModel(
        design,
        ("event", "rest"),
        design.predictor_arrays(),
        noncentered_coordinates(*shape),
        noncentered_coordinates(0, 0),
        noncentered_coordinates(0, 0),
        counts=counts,
    )


def test_cbpp_posterior_stands_where_glmer_and_the_herd_scale_say() -> None:
    """glmer's maximum likelihood: -1.399, -.991, -1.128, -1.579, herd sd .642 (25-point quadrature).

    A posterior is not its mode. With a half-normal(2.5) on it, the herd scale's mean is .759, not .642: the scale's
    likelihood is skewed. The fixed effects move by a tenth of their standard errors (.23 to .42) at most.
    """
    frame = pd.DataFrame(herds(), columns=["herd", "period", "cases", "size"])
    assert (len(frame), frame["cases"].sum(), frame["size"].sum()) == (56, 99, 842)
    counts = np.column_stack([frame["cases"], frame["size"] - frame["cases"]])
    terms = [
        PredictorTerm("level", basis_functions.intercept_column, 10.0),
        PredictorTerm("period", basis_functions.level_indicators("period", ["2", "3", "4"]), 10.0),
        PredictorTerm(
            "herd", basis_functions.level_indicators("herd", frame["herd"].unique().tolist()), 2.5, deviations=True
        ),
    ]
    model = binomial_model(frame, terms, counts)
    draws = model.unpack_parameters(sample_posterior(model, SamplerSettings(draws=2000, tune=500), seed=1).flat_values)
    np.testing.assert_allclose(draws["coefficient"].mean(0)[:4, 0], [-1.399, -0.991, -1.128, -1.579], atol=0.09)
    np.testing.assert_allclose(draws["coefficient"].std(0)[1:4, 0], [0.31, 0.33, 0.43], atol=0.03)
    assert np.exp(draws["log_scale"]).mean() == pytest.approx(0.759, abs=0.02)


def test_surgical_posterior_reweighted_to_its_inverse_gamma_prior_is_the_published_one() -> None:
    """posteriordb's reference: mu -2.5507 (.1567), population mean .07307, s2 median .1476, p_1 .0528, p_8 .1231.

    Its prior on the variance is inverse gamma(.001, .001), ours on the standard deviation half-normal(1): draws are
    weighted by the ratio of the two.
    """
    n, r = np.array(SURGICAL_N), np.array(SURGICAL_R)
    hospitals = [str(place) for place in range(12)]
    frame = pd.DataFrame({"hospital": hospitals})
    terms = [
        PredictorTerm("level", basis_functions.intercept_column, 1000.0),
        PredictorTerm("hospital", basis_functions.level_indicators("hospital", hospitals), 1.0, deviations=True),
    ]
    model = binomial_model(frame, terms, np.column_stack([r, n - r]))
    x = sample_posterior(model, SamplerSettings(draws=4000, tune=500), seed=2).flat_values
    mu, tau = model.coefficient_draws(x)[:, 0, 0], np.exp(model.unpack_parameters(x)["log_scale"][:, 0, 0])
    logs = -1.001 * np.log(tau**2) - 0.001 / tau**2 + np.log(tau) + tau**2 / 2
    weight = np.exp(logs - logs.max())
    rates = model.class_probabilities(model.coefficient_draws(x), model.design.frame)[..., 0]
    mean = lambda values: float(np.average(values, weights=weight))  # noqa: E731
    order = np.argsort(tau)
    middle = tau[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)] ** 2
    assert mean(mu) == pytest.approx(-2.5507, abs=0.012)
    assert mean((mu + 2.5507) ** 2) ** 0.5 == pytest.approx(0.1567, abs=0.015)
    assert mean(1 / (1 + np.exp(-mu))) == pytest.approx(0.07307, abs=0.001)
    assert middle == pytest.approx(0.1476, abs=0.012)
    assert mean(rates[:, 0]) == pytest.approx(0.05281, abs=0.0015)
    assert mean(rates[:, 7]) == pytest.approx(0.12310, abs=0.002)


def test_eight_schools_come_out_as_posteriordb_has_them() -> None:
    """Reference draws: mu 4.4105 (sd 3.3093), tau 3.6021 (3.1985), theta_1 6.1505 (5.6159).

    A school's estimate with its standard error is, at a thousandth of the size, what many coins thrown would say of a
    logit near 0: the likelihood of 4 (1000 / se)^2 throws is normal there to a millionth. Its prior on tau is
    half-Cauchy(5), ours half-normal(15): draws are weighted by the ratio of the two.
    """
    y, se = np.array([28.0, 8, -3, 7, -1, 1, 18, 12]), np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
    unit, names = 1000.0, [str(place) for place in range(8)]
    throws = 4.0 * (unit / se) ** 2
    counts = np.column_stack([throws / 2 + throws / 4 * y / unit, throws / 2 - throws / 4 * y / unit])
    terms = [
        PredictorTerm("level", basis_functions.intercept_column, 5.0 / unit),
        PredictorTerm("school", basis_functions.level_indicators("school", names), 15.0 / unit, deviations=True),
    ]
    model = binomial_model(pd.DataFrame({"school": names}), terms, counts)
    x = sample_posterior(model, SamplerSettings(draws=5000, tune=500), seed=3).flat_values
    point = model.unpack_parameters(x)
    mu, tau = unit * point["coefficient"][:, 0, 0], unit * np.exp(point["log_scale"][:, 0, 0])
    first = mu + unit * point["coefficient"][:, 1, 0]
    weight = np.exp(0.5 * (tau / 15.0) ** 2) / (1.0 + (tau / 5.0) ** 2)
    for draws, mean, sd in ((mu, 4.4105, 3.3093), (tau, 3.6021, 3.1985), (first, 6.1505, 5.6159)):
        found = float(np.average(draws, weights=weight))
        assert found == pytest.approx(mean, abs=0.15)
        assert float(np.average((draws - found) ** 2, weights=weight)) ** 0.5 == pytest.approx(sd, abs=0.2)
