"""The compiled density is the model as PyMC states it, and its gradient is its slope."""

from __future__ import annotations

import numpy as np
import pytest

from stats.cells import MISSING, Patterns
from stats.ladder import CLASSES
from stats.model import Model, corrected_model, judged_model
from stats.priors import Priors
from stats.simulation import Study, accurate, cell_frame, simulate

SUBJECTS = [("a", 1e9, "instruct"), ("b", 3e9, "instruct"), ("c", 9e9, "coder"), ("d", 3e10, "instruct")]


def study(judges: int, subjects: int = 4, n: int = 60) -> Study:
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
    chance = rng.dirichlet(np.ones(4), len(frame))
    confusion = {arm: np.stack([accurate(4, 0.8 - j / 10) for j in range(judges)]) for arm in set(frame["arm"])}
    return simulate(frame, np.full(len(frame), n), CLASSES, chance, confusion, (0.2, 0.5), rng)


def with_silence(patterns: Patterns) -> Patterns:
    """Some verdicts missing, some rows with a label alone."""
    verdict = patterns.verdict.copy()
    verdict[::3, 0] = MISSING
    verdict[::5] = MISSING
    kept = (verdict != MISSING).any(axis=1) | (patterns.label != MISSING)
    parts = (patterns.cell, patterns.label, patterns.count, verdict)
    return Patterns(patterns.frame, patterns.classes, patterns.judges, *(part[kept] for part in parts))


MODELS = {
    "judged": lambda: judged_model(study(1).judged, Priors()),
    "judged, centred": lambda: judged_model(study(1, n=4000).judged, Priors()),
    "judged, one subject": lambda: judged_model(study(1, 1).judged, Priors()),
    "corrected, one judge": lambda: corrected_model(with_silence(study(1, 2, 20).patterns), Priors()),
    "corrected, two judges": lambda: corrected_model(with_silence(study(2, 2, 20).patterns), Priors()),
    "corrected, three judges": lambda: corrected_model(study(3, 1, 5).patterns, Priors()),
}


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> Model:
    made = MODELS[request.param]()
    assert made.shapes["fixed"][0] > 8, "a poor design would test little"
    return made


def test_the_gradient_is_the_slope(model: Model) -> None:
    rng = np.random.default_rng(0)
    density, x = model.density(), model.start(rng)
    _, gradient = density(x)
    for _ in range(12):
        way = rng.normal(size=model.size)
        slope = (density(x + 1e-5 * way)[0] - density(x - 1e-5 * way)[0]) / 2e-5
        assert slope == pytest.approx(gradient @ way, rel=1e-5, abs=1e-4)


def test_the_density_is_what_pymc_says(model: Model) -> None:
    """Differences of log density between points, so that constants drop out."""
    rng = np.random.default_rng(1)
    own, reference = model.density(), in_pymc(model)
    points = [model.start(rng) for _ in range(4)]
    ours = np.array([own(x)[0] for x in points])
    theirs = np.array([reference(x) for x in points])
    np.testing.assert_allclose(ours - ours[0], theirs - theirs[0], rtol=1e-9, atol=1e-6)


def test_centring_is_chosen_for_rich_cells_only() -> None:
    rich, poor = study(1, n=4000), study(1, n=1)
    assert judged_model(rich.judged, Priors()).arrays.centred.any()
    assert not judged_model(poor.judged, Priors()).arrays.centred.any()


def in_pymc(model: Model):
    """PyMC's log density at a point of ours: centred deviations are first brought to their non-centred form."""
    import pytensor

    from stats.model import pymc_model

    with pytensor.config.change_flags(cxx="", mode="FAST_COMPILE"):
        target = pymc_model(model)
        compiled = target.compile_logp(jacobian=True)
    a = model.arrays
    names = {"log_scale": "scale_log__", "log_judge_scale": "judge_scale_log__"}

    def at(x: np.ndarray) -> float:
        point = model.unpack(x)
        scale = np.exp(point["log_scale"])[a.group]
        coefficients = model.coefficients(x[None])[0][len(a.fixed_mean) :]
        point["deviation"] = coefficients / scale
        known = {variable.name for variable in target.value_vars}
        value = float(compiled({name: v for key, v in point.items() if (name := names.get(key, key)) in known}))
        return value - float((a.centred * np.log(scale)).sum())

    return at
