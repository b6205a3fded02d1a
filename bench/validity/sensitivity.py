"""Sensitivity of the estimates to narrower and wider priors.

    python -m bench.validity.sensitivity [--json]

The published counts, without correction, are fitted with each group of priors at half and at twice its width. One
simulated study with judge errors (8 models, 24,600 trials, about 120 labels) is fitted once; its draws are reweighted
to priors at four fifths and at five fourths of their width (`inference.importance_reweighting`). A shift is given in
standard deviations of the posterior under the default priors, a width as a ratio of 95 % intervals; the largest of
each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from bench.performance.measure_fit import study
from bench.support.machine import machine
from gnomon.data import bundled
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import published_cells
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws
from gnomon.stats.inference.hierarchical import corrected_model, judged_model
from gnomon.stats.inference.importance_reweighting import reweight_draws, to_cached_draws
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors

GROUPS = {
    "levels and arms": ("intercept_sd", "arm_sd"),
    "size": ("size_sd", "arm_size_sd"),
    "subjects and variants": ("subject_scale", "subject_arm_scale", "variant_scale"),
    "dose": ("strength_sd", "strength_squared_sd", "depth_sd", "depth_squared_sd", "strength_depth_sd"),
    "concepts": ("concept_scale", "subject_concept_scale", "subject_strength_scale", "subject_depth_scale"),
    "judges": ("judge_wrong_sd", "judge_scale", "judge_dose_scale", "judge_agreement_sd"),
    "raters": ("rater_wrong_sd", "rater_scale"),
}
HALF_AND_TWICE, NEAR = (0.5, 2.0), (0.8, 1.25)


Summary = dict[str, tuple[float, float, float]]
"""Mean, standard deviation and width of the 95 % interval, by estimate."""


class PriorShift(TypedDict):
    """The largest shift of a kind of estimate, in standard deviations and in points, and the extremes of width."""

    shift: float
    points: float
    of: str
    width_low: float
    width_high: float


Shifts = dict[str, PriorShift | float]
"""By kind of estimate; under `k` the diagnostic of the reweighting."""


def changed(names: Sequence[str], factor: float) -> Priors:
    """The default priors with some of their widths multiplied.

    Parameters
    ----------
    names : sequence of str
        Names of priors.
    factor : float
        Factor of their widths.
    """
    usual = Priors()
    return replace(usual, **{name: factor * getattr(usual, name) for name in names})


def shown(posterior: ModelPosterior) -> Summary:
    """Mean, standard deviation and interval width of every overall estimate, trend and contrast."""
    out: Summary = {}
    for name, values in all_estimand_draws(posterior).items():
        if "=" not in name:
            low, high = np.quantile(values, [0.025, 0.975])
            out[name] = (float(values.mean()), float(values.std()), float(high - low))
    return out


def _kind(name: str) -> str:
    first = name.split(maxsplit=1)[0]
    return {"observed": "trend", "contrast": "contrast"}.get(first, "net detection")


def compared(usual: Summary, other: Summary) -> Shifts:
    """The largest shift and the extremes of width, for net detection, trends and contrasts.

    Parameters
    ----------
    usual : Summary
        Summary under the default priors (`shown`).
    other : Summary
        Summary under the changed priors.
    """
    out: Shifts = {}
    for kind in ("net detection", "trend", "contrast"):
        names = [name for name in usual if "net_detection" in name and _kind(name) == kind]
        shifts = {name: (other[name][0] - usual[name][0]) / usual[name][1] for name in names}
        worst = max(shifts, key=lambda name: abs(shifts[name]))
        widths = [other[name][2] / usual[name][2] for name in names]
        points = 100 * (other[worst][0] - usual[worst][0])
        out[kind] = {
            "shift": shifts[worst],
            "points": points,
            "of": worst,
            "width_low": min(widths),
            "width_high": max(widths),
        }
    return out


def published() -> dict[str, Shifts]:
    """The published counts, refitted for each change."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(sqlite_url(Path(folder) / "published.db"))
        bundled.add_published(store)
        cells = published_cells(store)
        store.close()

    def fit(priors: Priors) -> Summary:
        model = judged_model(cells, priors)
        draws = sample_posterior(model, SamplerSettings(), 1)
        return shown(ModelPosterior(model, draws.flat_values, cells.trial_counts, cells.counts, "published", None, ""))

    usual = fit(Priors())
    groups = ("levels and arms", "size", "subjects and variants")  # the counts have no other axis
    return {
        f"{group} x {factor:g}": compared(usual, fit(changed(GROUPS[group], factor)))
        for group in groups
        for factor in HALF_AND_TWICE
    }


def corrected() -> dict[str, Shifts]:
    """A simulated study, fitted once and reweighted for each change."""
    patterns = study(24_600)
    model = corrected_model(patterns, Priors())
    old = to_cached_draws(model, "usual", sample_posterior(model, SamplerSettings(), 1))

    def read(values: np.ndarray) -> Summary:
        flat = values.reshape(-1, model.parameter_count)
        return shown(ModelPosterior(model, flat, patterns.trial_counts, None, "corrected", None, ""))

    usual, found = read(old.values), dict[str, Shifts]()
    for group, names in GROUPS.items():
        for factor in NEAR:
            again = reweight_draws(corrected_model(patterns, changed(names, factor)), old)
            row = compared(usual, read(again.draws.values))
            found[f"{group} x {factor:g}"] = {**row, "k": again.k}
    return found


def run() -> dict[str, dict[str, Shifts]]:
    """Every group of priors, on both studies."""
    return {"published": published(), "corrected": corrected()}


def table(studies: dict[str, dict[str, Shifts]]) -> str:
    """One line per change."""
    lines = []
    for title, changes in studies.items():
        for change, kinds in changes.items():
            each = [
                f"{kind} {row['shift']:+.2f} sd ({row['points']:+.1f} points, {row['of']}), widths x "
                f"{row['width_low']:.2f} to {row['width_high']:.2f}"
                for kind, row in kinds.items()
                if isinstance(row, dict)
            ]
            lines.append(f"{title}, {change}: {'; '.join(each)}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.validity.sensitivity", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document")
    chosen = options.parse_args()
    studies = run()
    print(json.dumps({"machine": machine(), **studies}, indent=2) if chosen.json else table(studies))


if __name__ == "__main__":
    main()
