"""From posterior draws to the stored result: figures with intervals, the curve, contrasts, and what is refused.

Intervals are equal-tailed posterior quantiles. A figure that honesty refuses has no number anywhere: it stands in
`refused` with its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gnomon.stats.cells.outcome_classes import REFUSED
from gnomon.stats.checks import predictive_checks
from gnomon.stats.estimands import comparisons
from gnomon.stats.estimands.definitions import (
    ALL,
    CONTROL,
    INJECTION,
    NET_ENGAGED,
    NET_RAW,
    Figure,
    Source,
    figures,
    interval,
)
from gnomon.stats.estimands.size_regression import contrasts, curve, gaps, reason_without_slope, slopes, thinned
from gnomon.stats.inference.hierarchical import Model

CORRECTED = {NET_RAW: "net_detection_corrected", NET_ENGAGED: "net_detection_engaged_corrected"}
NEEDS = {
    "detection": (INJECTION,),
    "false_alarm": (CONTROL,),
    NET_RAW: (INJECTION, CONTROL),
    NET_ENGAGED: (INJECTION, CONTROL),
}
Judge = Callable[[Figure], str | None]
"""Why a figure must be refused, or None."""


@dataclass(frozen=True)
class Posterior:
    """A fitted model with all that its figures need.

    Attributes
    ----------
    model : Model
    x : ndarray, shape (draws, size)
    weights : ndarray, shape (cells,)
        Trials in each cell.
    counts : ndarray, shape (cells, K), optional
        Counts by class, where there are any that raw figures can be made of.
    view, judge, design : str
        Columns of the result.
    """

    model: Model
    x: np.ndarray
    weights: np.ndarray
    counts: np.ndarray | None
    view: str
    judge: str | None
    design: str


@dataclass(frozen=True)
class Result:
    """The result as it is stored, and the draws behind each of its figures."""

    content: dict[str, Any]
    draws: dict[str, np.ndarray]


def result_of(posterior: Posterior, refuse: Judge = lambda _figure: None) -> Result:
    """All figures of all subjects, the curve, slopes and contrasts; those that `refuse` names are left out."""
    coefficients = posterior.model.coefficients(posterior.x)
    sources = _sources(posterior, coefficients)
    refused: list[dict[str, str]] = []
    kept: list[Figure] = []
    for source in sources:
        refused += _missing_arms(source, posterior.view)
        for figure in figures(source):
            reason = refuse(figure) or _nobody_engaged(figure, source)
            if reason is None:
                kept.append(figure)
            elif not figure.by:
                refused.append(_line(figure.subject, _name(figure.estimand, posterior.view), reason))
    slope = _slope_draws(posterior, coefficients, refuse, refused)
    named = [replace(figure, estimand=_name(figure.estimand, posterior.view)) for figure in kept]
    cells = posterior.model.design.frame
    facts = dict(zip(cells["subject"], zip(cells["parameters"], cells["variant"], strict=True), strict=True))
    content = {
        "view": posterior.view,
        "judge": posterior.judge,
        "estimands": [_row(figure, *facts[figure.subject]) for figure in named],
        "curve": _curve(posterior, coefficients, set(slope)),
        "slope": [_slope(_name(name, posterior.view), draws) for name, draws in slope.items()],
        "contrasts": _renamed(contrasts(kept), posterior.view),
        "comparisons": _compared(posterior, sources, kept),
        "predictive": _predictive(posterior),
        "refused": refused,
        "design": posterior.design,
    }
    return Result(
        content,
        {**{_key(figure): figure.draws for figure in named}, **{f"slope {name}": at for name, at in slope.items()}},
    )


def figures_of(posterior: Posterior) -> dict[str, np.ndarray]:
    """Draws of every figure, slope and contrast by name, whether or not it would be shown.

    Names are "subject estimand axis=value", "slope estimand", "observed slope within estimand" (or all), and
    "contrast estimand subject - subject".
    """
    coefficients = posterior.model.coefficients(posterior.x)
    every = [figure for source in _sources(posterior, coefficients) for figure in figures(source)]
    named = [replace(figure, estimand=_name(figure.estimand, posterior.view)) for figure in every]
    out = {_key(figure): figure.draws for figure in named}
    if reason_without_slope(posterior.model.design.frame) is None:
        slope = slopes(posterior.model, coefficients, posterior.weights)
        out |= {f"slope {_name(name, posterior.view)}": draws for name, draws in slope.items()}
    for name, kind, draws in comparisons.observed_slope_draws(every, posterior.model.design.frame):
        out[f"observed slope {kind} {_name(name, posterior.view)}"] = draws
    for name, one, other, gap in gaps(every):
        out[f"contrast {_name(name, posterior.view)} {one} - {other}"] = gap
    return out


def refusal_only(view: str, judge: str | None, lines: Iterable[dict[str, str]], design: str) -> dict[str, Any]:
    """The result of a fit that is refused as a whole."""
    empty: dict[str, Any] = {
        "estimands": [],
        "curve": [],
        "slope": [],
        "contrasts": [],
        "comparisons": {},
        "predictive": [],
    }
    return {"view": view, "judge": judge, **empty, "refused": list(lines), "design": design}


def _compared(posterior: Posterior, sources: list[Source], kept: list[Figure]) -> dict[str, list[dict[str, Any]]]:
    """What `gnomon.stats.estimands.comparisons` makes of the figures that may be shown."""
    shown = {(figure.subject, figure.estimand) for figure in kept if not figure.by}
    made = comparisons.all_of(posterior.model, posterior.x, posterior.weights, sources, kept, shown.__contains__)
    return {name: _renamed(rows, posterior.view) for name, rows in made.items()}


def _predictive(posterior: Posterior) -> list[dict[str, Any]]:
    """The posterior predictive check, where classes were counted."""
    if posterior.counts is None:
        return []
    return predictive_checks.predictive(posterior.model, posterior.x, posterior.counts, np.random.default_rng(0))


def _sources(posterior: Posterior, coefficients: np.ndarray) -> list[Source]:
    model, cells = posterior.model, posterior.model.design.frame
    out = []
    for subject in cells["subject"].unique():
        mine = (cells["subject"] == subject).to_numpy()
        part = cells[mine].reset_index(drop=True)
        share = model.probabilities(coefficients, part)
        counts = None if posterior.counts is None else posterior.counts[mine]
        out.append(Source(str(subject), model.classes, part, share, posterior.weights[mine], counts))
    return out


def _slope_draws(
    posterior: Posterior, coefficients: np.ndarray, refuse: Judge, refused: list[dict[str, str]]
) -> dict[str, np.ndarray]:
    """Draws of the slopes that may be shown; a study without slopes says why in `refused`."""
    reason = reason_without_slope(posterior.model.design.frame)
    if reason is not None:
        refused.append(_line(ALL, "slope", reason))
        return {}
    every = slopes(posterior.model, coefficients, posterior.weights)
    blank = {name: Figure(ALL, name, np.zeros(0), arms=NEEDS.get(name, ())) for name in every}
    return {name: draws for name, draws in every.items() if refuse(blank[name]) is None}


def _slope(name: str, draws: np.ndarray) -> dict[str, Any]:
    return {"estimand": name, **interval(draws), "probability_positive": float((draws > 0).mean())}


def _curve(posterior: Posterior, coefficients: np.ndarray, shown: set[str]) -> list[dict[str, Any]]:
    if not shown:
        return []
    out, some = [], thinned(coefficients, len(posterior.weights))
    for name, (sizes, draws) in curve(posterior.model, some, posterior.weights).items():
        for at, column in zip(sizes, draws.T, strict=True) if name in shown else ():
            point = {"estimand": _name(name, posterior.view), "parameters": float(at)}
            out.append({**point, **_intervals(column)})
    return out


def _missing_arms(source: Source, view: str) -> list[dict[str, str]]:
    arms = source.arms()
    out = []
    for name, needed in NEEDS.items():
        lacking = [arm for arm in needed if arm not in arms]
        if lacking:
            out.append(_line(source.subject, _name(name, view), f"no trials in the {' and '.join(lacking)} arm"))
    return out


def _nobody_engaged(figure: Figure, source: Source) -> str | None:
    if figure.estimand != NET_ENGAGED or source.counts is None:
        return None
    for arm in figure.arms:
        counts = source.counts[source.cells(arm)].sum(axis=0)
        if counts.sum() == counts[source.classes.index(REFUSED)]:
            return f"all trials of the {arm} arm were refused: nobody engaged"
    return None


def _row(figure: Figure, parameters: float, variant: str) -> dict[str, Any]:
    return {
        "subject": figure.subject,
        "parameters": float(parameters),
        "variant": str(variant),
        "estimand": figure.estimand,
        "by": dict(figure.by),
        **_intervals(figure.draws, sd=True),
        "observed": figure.observed,
        "n": figure.n,
    }


def _intervals(draws: np.ndarray, *, sd: bool = False) -> dict[str, float]:
    ends = np.quantile(draws, [0.25, 0.75, 0.1, 0.9, 0.025, 0.975])
    names = ("low50", "high50", "low80", "high80", "low95", "high95")
    spread = {"sd": float(draws.std(ddof=1))} if sd else {}
    return {"mean": float(draws.mean()), **spread, **dict(zip(names, map(float, ends), strict=True))}


def _name(estimand: str, view: str) -> str:
    return CORRECTED.get(estimand, estimand) if view == "corrected" else estimand


def _renamed(rows: list[dict[str, Any]], view: str) -> list[dict[str, Any]]:
    return [{**row, "estimand": _name(row["estimand"], view)} if "estimand" in row else row for row in rows]


def _line(subject: str, estimand: str, reason: str) -> dict[str, str]:
    return {"subject": subject, "estimand": estimand, "reason": reason}


def _key(figure: Figure) -> str:
    return " ".join([figure.subject, figure.estimand, *(f"{axis}={value}" for axis, value in figure.by.items())])
