"""The compiled density is the model as PyMC states it, and its gradient is its slope."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gnomon.data.errors import InputError
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells
from gnomon.stats.cells.graded_levels import GradedLevels
from gnomon.stats.cells.open_labels import OpenLabels
from gnomon.stats.cells.outcome_classes import CLASSES, MISNAMED
from gnomon.stats.checks.simulation import SimulatedStudy, cell_frame, even_error_confusion, simulate_study
from gnomon.stats.inference import laplace_pilot
from gnomon.stats.inference.hierarchical import SCALE_NAMES, OutcomeModel, corrected_model, judged_model
from gnomon.stats.model.judge_confusion import ExternalCalibration
from gnomon.stats.model.priors import Priors

SUBJECTS = [("a", 1e9, "instruct"), ("b", 3e9, "instruct"), ("c", 9e9, "coder"), ("d", 3e10, "instruct")]


def study(judges: int, subjects: int = 4, n: int = 60) -> SimulatedStudy:
    """Every term of the design at once: sizes, variants, arms, concepts, strengths, layers, protocols, spans."""
    rng = np.random.default_rng(3)
    rows: list[dict[str, object]] = []
    for name, parameters, variant in SUBJECTS[:subjects]:
        own = {"subject": name, "parameters": parameters, "variant": variant}
        for protocol in ("p", "q"):
            rows.append({**own, "arm": "control", "protocol": protocol})
            for strength in (1.0, 2.0, 4.0):
                steered = {**own, "strength": strength, "protocol": protocol, "depth": 0.1 + strength / 8}
                rows.append({**steered, "arm": "random", "span": "all"})
                rows += [{**steered, "arm": "injection", "concept": word} for word in ("fear", "ocean", "silence")]
    frame = cell_frame(rows)
    chance = rng.dirichlet(np.ones(5), len(frame))
    confusion = {
        arm: np.stack([even_error_confusion(5, 0.8 - j / 10) for j in range(judges)]) for arm in set(frame["arm"])
    }
    for arm in ("control", "random"):  # where every claim is an event, none misses
        here, miss = (frame["arm"] == arm).to_numpy(), CLASSES.index(MISNAMED)
        chance[here, miss], confusion[arm][:, :, miss] = 0.0, 0.0
        confusion[arm] /= confusion[arm].sum(axis=-1, keepdims=True)
    chance /= chance.sum(axis=1, keepdims=True)
    return simulate_study(frame, np.full(len(frame), n), CLASSES, chance, confusion, (0.2, 0.5), rng)


def with_silence(patterns: VerdictPatternCells) -> VerdictPatternCells:
    """Some verdicts missing, some rows with a label alone."""
    verdict = patterns.verdict.copy()
    verdict[::3, 0] = MISSING
    verdict[::5] = MISSING
    kept = (verdict != MISSING).any(axis=1) | (patterns.label != MISSING)
    parts = (patterns.cell, patterns.label, patterns.count, verdict)
    return VerdictPatternCells(patterns.frame, patterns.classes, patterns.judges, *(part[kept] for part in parts))


def with_raters(patterns: VerdictPatternCells) -> VerdictPatternCells:
    """Two raters: a third of the labels by both, some of them different, a seventh adjudicated."""
    rng, known = np.random.default_rng(5), patterns.label != MISSING
    ratings = np.full((len(known), 2), MISSING)
    ratings[known, 0] = patterns.label[known]
    second = known & (rng.random(len(known)) < 0.3)
    ratings[second, 1] = np.where(rng.random(second.sum()) < 0.7, patterns.label[second], len(patterns.classes) - 1)
    ratings[known & ~second & (rng.random(len(known)) < 0.2)] = MISSING
    exact = known & ((rng.random(len(known)) < 0.15) | (ratings == MISSING).all(axis=1))
    return replace(patterns, raters=("ann", "bob"), ratings=ratings, exact=exact)


def with_open_labels(patterns: VerdictPatternCells) -> VerdictPatternCells:
    """Two raters of whom each leaves some classes open, and an adjudicator who excludes one class of some trials."""
    made, rng = with_raters(patterns), np.random.default_rng(6)
    sets = np.array([[0, 1, 0, 0, 1], [1, 1, 0, 1, 0]], dtype=bool)
    ratings = np.where(rng.random(made.ratings.shape) < 0.2, rng.integers(0, 2, made.ratings.shape), MISSING)
    ratings[(made.ratings != MISSING) | made.exact[:, None]] = MISSING
    label = np.where((rng.random(len(made.label)) < 0.1) & ~made.exact, 0, MISSING)
    opened = OpenLabels(sets, label, ratings)
    assert (label == 0).sum() > 5
    assert (ratings[:, 0] != MISSING).sum() > 5
    return replace(made, opened=opened)


def with_levels(patterns: VerdictPatternCells) -> VerdictPatternCells:
    """The last judge is graded: three levels of events, two of others; in control two of events; some have no score."""
    rng, judge = np.random.default_rng(7), len(patterns.judges) - 1
    arms, said = patterns.frame["arm"].to_numpy()[patterns.cell], patterns.verdict[:, judge]
    cuts: dict[tuple[int, str, bool], tuple[float, ...]] = {(judge, "control", True): (0.8,)}
    for arm in ("injection", "random"):
        cuts |= {(judge, arm, True): (0.7, 0.9), (judge, arm, False): (-0.2,)}
    level = np.full(patterns.verdict.shape, MISSING)
    for row, (arm, name) in enumerate(zip(arms, said, strict=True)):
        many = len(cuts.get((judge, arm, name == patterns.classes.index("event")), ()))
        if name != MISSING and many and rng.random() < 0.9:
            level[row, judge] = rng.integers(0, many + 1)
    return replace(patterns, graded=GradedLevels(cuts, level))


def one_rater(patterns: VerdictPatternCells) -> VerdictPatternCells:
    """All labels by one rater, and so many trials that unlabelled ones weigh less than labelled ones."""
    many = replace(patterns, count=patterns.count * np.where(patterns.label == MISSING, 400, 1))
    exact = np.zeros(len(patterns.label), dtype=bool)
    return replace(many, raters=("ann",), ratings=patterns.label[:, None], exact=exact)


ELSEWHERE = [
    ExternalCalibration("judge 1", "injection", "event", "event", 9),
    ExternalCalibration("judge 2", "injection", "rest", "event", 3),
    ExternalCalibration("judge 1", "control", "rest", "rest", 20),
]
MODELS = {
    "judged": lambda: judged_model(study(1).judged, Priors()),
    "judged, one subject": lambda: judged_model(study(1, 1).judged, Priors()),
    "corrected, one judge": lambda: corrected_model(with_silence(study(1, 2, 20).patterns), Priors()),
    "corrected, two judges": lambda: corrected_model(with_silence(study(2, 2, 20).patterns), Priors()),
    "corrected, and judged elsewhere": lambda: corrected_model(study(2, 2, 20).patterns, Priors(), ELSEWHERE),
    "corrected, two raters": lambda: corrected_model(with_raters(with_silence(study(2, 2, 20).patterns)), Priors()),
    "corrected, open labels": lambda: corrected_model(with_open_labels(study(1, 1, 30).patterns), Priors()),
    "corrected, one graded voice": lambda: corrected_model(with_levels(study(1, 2, 20).patterns), Priors()),
    "corrected, a graded voice and another": lambda: corrected_model(
        with_levels(with_raters(with_silence(study(2, 1, 20).patterns))), Priors()
    ),
    "corrected, one rater": lambda: corrected_model(one_rater(study(1, 2, 20).patterns), Priors()),
    "corrected, three judges": lambda: corrected_model(study(3, 1, 5).patterns, Priors()),
}


LARGEST = "corrected, and judged elsewhere"


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow if name == LARGEST else ()) for name in MODELS])
def model(request: pytest.FixtureRequest) -> OutcomeModel:
    made = MODELS[request.param]()
    assert len(made.arrays.fixed_mean) > 8, "a poor design would test little"
    return made


@pytest.mark.parametrize("coordinates", ["plain", "informed"])
def test_the_gradient_is_the_slope(model: OutcomeModel, coordinates: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the sampler's own coordinates; a small core leaves some coefficients to the one-by-one form."""
    rng = np.random.default_rng(0)
    if coordinates == "informed":
        monkeypatch.setattr(laplace_pilot, "MAX_CORE", len(model.arrays.fixed_mean) + 6)
        model = model.with_informed_coordinates()
        assert len(model.coordinates.core)
        assert len(model.coordinates.rest) or len(model.arrays.group) <= 6
        assert len(model.coordinates.column) > 20, "coefficients of the rest follow those before them"
    density, x = model.sampling_target(), model.initial_point(rng)
    _, gradient = density(x)
    for _ in range(12):
        way = rng.normal(size=model.parameter_count)
        slope = (density(x + 1e-5 * way)[0] - density(x - 1e-5 * way)[0]) / 2e-5
        assert slope == pytest.approx(gradient @ way, rel=1e-5, abs=1e-4)


@pytest.mark.parametrize("coordinates", [pytest.param("plain", marks=pytest.mark.slow), "informed"])
def test_the_density_is_what_pymc_says(model: OutcomeModel, coordinates: str) -> None:
    """Differences of log density between points, so that constants drop out; the change of coordinates counts."""
    rng = np.random.default_rng(1)
    reference, walked = in_pymc(model), model.with_informed_coordinates() if coordinates == "informed" else model
    points = [walked.initial_point(rng) for _ in range(3)]
    ours = np.array([walked.sampling_target()(x)[0] - log_volume(walked, x) for x in points])
    theirs = np.array([reference(walked.parameters_at(x)) for x in points])
    np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], rtol=1e-6, atol=1e-4)


def test_a_study_that_says_nothing_keeps_plain_coordinates() -> None:
    """The information is the data's: without trials the coordinates are those of the prior."""
    made = study(1, 2)
    model = judged_model(replace(made.judged, counts=0 * made.judged.counts), Priors())
    informed = model.with_informed_coordinates()
    np.testing.assert_allclose(informed.coordinates.information, 0, atol=1e-4)
    x = np.random.default_rng(0).normal(size=model.parameter_count)
    np.testing.assert_allclose(model.to_parameters(x), informed.to_parameters(x), atol=1e-4)


@pytest.mark.parametrize("kind", ["judged, one subject", "corrected, two judges"])
def test_the_posterior_is_nearly_round_in_informed_coordinates(kind: str) -> None:
    """At the centre the curvature is 1 in every direction but along the scales, whose own is known by nobody.

    Of a large model not all pairs of directions are in the pilot's dense part, so that it is round only roughly.
    """
    model = MODELS[kind]().with_informed_coordinates()
    places = model.unpack_parameters(np.arange(model.parameter_count))
    scales = np.concatenate([places[name].ravel() for name in SCALE_NAMES if name in places])
    free = np.setdiff1d(np.arange(model.parameter_count), scales)
    spread = laplace_pilot.laplace_covariance(model.sampling_target(), np.zeros(model.parameter_count), free)
    whole = model.dense_places is not None and len(model.dense_places) == len(free)
    assert whole is (kind == "judged, one subject"), "one model of each kind"
    np.testing.assert_allclose(spread, np.eye(len(free)), atol=0.01 if whole else 0.2)


def test_an_unknown_calibration_from_elsewhere_is_named() -> None:
    patterns = study(1, 2, 20).patterns
    for wrong, what in (
        (ExternalCalibration("nobody", "control", "rest", "rest", 5), "judge 'nobody'"),
        (ExternalCalibration("judge 1", "sham", "rest", "rest", 5), "arm 'sham'"),
        (ExternalCalibration("judge 1", "control", "rest", "maybe", 5), "class 'maybe'"),
        (ExternalCalibration("judge 1", "control", "misnamed", "rest", 5), "classes that the arm can have"),
        (ExternalCalibration("judge 1", "control", "rest", "rest", 0), "positive number"),
    ):
        with pytest.raises(InputError, match=what):
            corrected_model(patterns, Priors(), [wrong])


def log_volume(model: OutcomeModel, x: np.ndarray) -> float:
    """log |d parameters / d point|, by differences."""
    step = 1e-5
    ahead = [
        (model.parameters_at(x + step * way) - model.parameters_at(x - step * way)) / (2 * step)
        for way in np.eye(len(x))
    ]
    return float(np.linalg.slogdet(np.array(ahead))[1])


def in_pymc(model: OutcomeModel):
    """PyMC's log density of parameters: its own deviations are in their non-centred form."""
    import pytensor

    from gnomon.stats.inference.hierarchical import pymc_model

    with pytensor.config.change_flags(cxx="", mode="FAST_COMPILE"):
        target = pymc_model(model)
        compiled = target.compile_logp(jacobian=True)
    a, v, fixed = model.arrays, model.verdicts, len(model.arrays.fixed_mean)
    names = {
        "log_scale": "scale_log__",
        "log_judge_scale": "judge_scale_log__",
        "log_wrong_scale": "wrong_scale_log__",
    }

    def at(parameters: np.ndarray) -> float:
        point = model.unpack_parameters(parameters)
        scale = np.exp(point["log_scale"])[a.group]
        point["fixed"], point["deviation"] = point["coefficient"][:fixed], point["coefficient"][fixed:] / scale
        shrunk = -np.log(scale).sum()
        if v is not None:
            point["wrong"] = point["wrong"].reshape(v.arms, -1)
            point["rater_wrong"] = point["rater_wrong"].ravel()
        if v is not None and len(v.accuracy.group):
            own = np.exp(point["log_judge_scale"])[v.accuracy.group]
            point["accuracy"] = point["accuracy"] / own[:, :, None]
            shrunk -= len(model.classes) * np.log(own).sum()
        if v is not None and len(v.wrong.group):
            own = np.exp(point["log_wrong_scale"])[v.wrong.group]
            point["wrong_deviation"] = point["wrong_deviation"] / own[:, :, None, None]
            shrunk -= len(model.classes) * (len(model.classes) - 1) * np.log(own).sum()
        known = {variable.name for variable in target.value_vars}
        value = float(compiled({name: v for key, v in point.items() if (name := names.get(key, key)) in known}))
        return value + float(shrunk)

    return at
