"""How far the figures move where the priors are half as wide or twice as wide.

    python -m bench.sensitivity [--json]

On the published counts, taken as printed, and on one simulated study with judges' error (8 models, 24,600 trials, about
120 labels). Each group of priors is changed alone. A shift is given in standard deviations of the posterior under the
usual priors, a width as a ratio of 95 % intervals; over the figures that a study shows, the largest of each.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import machine
from bench.stats import study
from data import shipped
from data.store import Store
from stats.cells import published_cells
from stats.model import Model, corrected_model, judged_model
from stats.priors import Priors
from stats.result import Posterior, figures_of
from stats.sampler import Settings, sample

GROUPS = {
    "levels and arms": ("intercept_sd", "arm_sd"),
    "size": ("size_sd", "arm_size_sd"),
    "subjects and variants": ("subject_scale", "subject_arm_scale", "variant_scale"),
    "dose": ("strength_sd", "strength_squared_sd", "depth_sd", "depth_squared_sd", "strength_depth_sd"),
    "concepts": ("concept_scale", "subject_concept_scale", "subject_strength_scale", "subject_depth_scale"),
    "judges": ("judge_wrong_sd", "judge_scale", "judge_agreement_sd"),
}
FACTORS = (0.5, 2.0)


def changed(names: Sequence[str], factor: float) -> Priors:
    """The usual priors with some of their widths multiplied."""
    usual = Priors()
    return replace(usual, **{name: factor * getattr(usual, name) for name in names})


def shown(make: Callable[[Priors], tuple[Model, np.ndarray, np.ndarray | None]], priors: Priors) -> dict[str, Any]:
    """Mean, sd and width of every overall figure, slope and contrast."""
    model, n, counts = make(priors)
    view = "judged" if counts is not None else "corrected"
    draws = sample(model, Settings(), 1)
    every = figures_of(Posterior(model, draws.flat, n, counts, view, None, ""))
    out = {}
    for name, values in every.items():
        if "=" not in name:
            low, high = np.quantile(values, [0.025, 0.975])
            out[name] = (float(values.mean()), float(values.std()), float(high - low))
    return out


def compared(usual: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The largest shift and the extremes of width, of net detection's figures and of the slopes and contrasts."""
    out: dict[str, Any] = {}
    kinds = {"net detection": lambda name: "net_detection" in name and name.split()[0] not in ("slope", "contrast")}
    kinds |= {kind: lambda name, kind=kind: name.startswith(f"{kind} net") for kind in ("slope", "contrast")}
    for kind, belongs in kinds.items():
        names = [name for name in usual if belongs(name)]
        shifts = {name: (other[name][0] - usual[name][0]) / usual[name][1] for name in names}
        worst = max(shifts, key=lambda name: abs(shifts[name]))
        widths = [other[name][2] / usual[name][2] for name in names]
        points = 100 * (other[worst][0] - usual[worst][0])
        ends = {"width_low": min(widths), "width_high": max(widths)}
        out[kind] = {"shift": shifts[worst], "points": points, "of": worst, **ends}
    return out


def run() -> dict[str, Any]:
    """Every group at half and at twice its width, on both studies."""
    patterns = study(24_600)
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'published.db'}")
        shipped.add_published(store)
        cells = published_cells(store)
        store.close()

    def published(priors: Priors) -> tuple[Model, np.ndarray, np.ndarray | None]:
        return judged_model(cells, priors), cells.n, cells.counts

    def simulated(priors: Priors) -> tuple[Model, np.ndarray, np.ndarray | None]:
        return corrected_model(patterns, priors), patterns.n, None

    document: dict[str, Any] = {"machine": machine()}
    for title, make in (("published", published), ("corrected", simulated)):
        usual, found = shown(make, Priors()), {}
        for group, names in GROUPS.items():
            if title == "published" and group in ("dose", "concepts", "judges"):
                continue  # the published counts have no such axis
            for factor in FACTORS:
                found[f"{group} x {factor:g}"] = compared(usual, shown(make, changed(names, factor)))
        document[title] = found
    return document


def table(document: dict[str, Any]) -> str:
    """A line for each change."""
    lines = []
    for title in ("published", "corrected"):
        for change, kinds in document[title].items():
            each = [
                f"{kind} {row['shift']:+.2f} sd ({row['points']:+.1f} points, {row['of']}), widths x "
                f"{row['width_low']:.2f} to {row['width_high']:.2f}"
                for kind, row in kinds.items()
            ]
            lines.append(f"{title}, {change}: {'; '.join(each)}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.sensitivity", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document")
    chosen = options.parse_args()
    document = run()
    print(json.dumps(document, indent=2) if chosen.json else table(document))


if __name__ == "__main__":
    main()
