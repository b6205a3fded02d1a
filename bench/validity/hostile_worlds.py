"""Coverage of every estimate in worlds that the fitted statistical model did not draw.

    python -m bench.validity.hostile_worlds --world NAME --studies N --out FILE [--estimator design]
    python -m bench.validity.hostile_worlds --table --out FILE
    python -m bench.validity.hostile_worlds --ship --out FILE

Each study is simulated at the level of trials (`bench.validity.hostile_studies`), stored, labelled through the label
queue and fitted by `gnomon.stats.fit`, so that what is measured is what a user sees: estimates, refusals and all. One
JSON line is appended per study; a run continues where the file ends. Fits are short and their convergence checks are
recorded, not enforced. `--estimator design` leaves out the fit, which takes a hundredth of the time, and gives the
design-based estimates alone. `--ship` writes the coverage to `stats/charts/coverage.json`, which the dashboard shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NotRequired, TypedDict
from unittest import mock

import numpy as np
from scipy.stats import beta

from bench.validity.hostile_studies import (
    BY_LAYER,
    FLAT,
    MILD,
    STRICT_PAIR,
    STRONG,
    HostileWorld,
    RaterErrors,
    SimulatedTrials,
    StoredStudy,
    TrialDesign,
    errors_by_difficulty,
    errors_by_length,
    store_study,
)
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats import fit
from gnomon.stats.cells.aggregation import pattern_cells
from gnomon.stats.cells.outcome_classes import CLASSES, EVENT, INCOHERENT, REFUSED, REST
from gnomon.stats.charts.coverage_table import (
    MeasuredCoverage,
    WorldCoverage,
    WorldCoverageRow,
    read_coverage,
    write_coverage,
)
from gnomon.stats.estimand_registry import CONTROL, INJECTION, view_name
from gnomon.stats.estimands.definitions import SubjectPosterior, subject_estimands
from gnomon.stats.estimands.design_based import design_based_subjects
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings, check_convergence
from gnomon.stats.narrative.method_sentences import METHOD_NAMES
from gnomon.stats.results import DESIGN, PASSED, Diagnostics, DoseCell, StoredFit

SEED = 2028
FIT = "fit"
ALONE = ", design-based alone"
"""Ending of the kinds of estimates that were simulated without a fit, in more studies."""
SETTINGS = SamplerSettings(draws=200, tune=200, chains=2, cores=1, target_accept=0.8)
WITH_SALAD = (REFUSED, EVENT, INCOHERENT, REST)
LAYERED = TrialDesign(layers=(12, 20, 27))
RICH = TrialDesign(concepts=("x", "y", "z"), strengths=(1.0, 2.0, 4.0, 8.0), layers=(12, 20, 27), trials=720)
"""Twenty trials in each cell of concept, strength and layer."""


def _error_worlds() -> Iterator[tuple[str, HostileWorld]]:
    """Judges' errors that depend on strength, for one and two judges, with labels at random and by dispute."""
    about = {"flat": "the same at every strength", "mild": ".03 to .14 over strengths", "strong": ".01 to .30"}
    for name, errors in (("flat", FLAT), ("mild", MILD), ("strong", STRONG)):
        said = f"false passes {about[name]}"
        yield f"{name}-one-random", HostileWorld(f"{said}; one judge", judges=1, errors=errors)
        yield f"{name}-two-random", HostileWorld(f"{said}; two judges", errors=errors)
        yield (
            f"{name}-two-dispute",
            HostileWorld(f"{said}; two judges, labels by dispute", errors=errors, strategy="disputed"),
        )


_STRONG = HostileWorld("false passes .01 to .30; two judges, 560 labels", errors=STRONG, labels=560)
_DISPUTED = HostileWorld("three judges, labels by dispute", judges=3, strategy="disputed")
WORLDS: Mapping[str, HostileWorld] = {
    **dict(_error_worlds()),
    "strong-two-560": _STRONG,
    "three-dispute": _DISPUTED,
    "layer": HostileWorld("false passes .02 to .30 over layers", design=LAYERED, errors=BY_LAYER),
    "length": HostileWorld("long responses pass; length grows with strength", errors=errors_by_length),
    "salad": HostileWorld("word salad passes in 30 %, more of it at high strength", classes=WITH_SALAD),
    "misnamed": HostileWorld("claims that misname the concept pass", errors=MILD, classes=CLASSES),
    "difficulty-two": HostileWorld(
        "some trials are hard for every judge; two judges, labels by dispute",
        errors=errors_by_difficulty,
        strategy="disputed",
    ),
    "difficulty-three": replace(
        _DISPUTED, about="some trials are hard for every judge; three judges", errors=errors_by_difficulty
    ),
    "left-out": HostileWorld(
        "labels by dispute with a judge that the fit leaves out",
        fixed_errors=STRICT_PAIR,
        strategy="disputed",
        left_out=True,
    ),
    "one-verdict": HostileWorld("only trials that the first judge passes are labelled", one_verdict=True),
    "older-version": HostileWorld(
        "labels by dispute with an older version of a judge",
        fixed_errors=((0.10, 0.30), STRICT_PAIR[1]),
        strategy="disputed",
        improved=True,
    ),
    "raters": HostileWorld(
        "raters wrong in 5 % both ways, a fifth labelled twice", labels=240, raters=RaterErrors(0.05, 0.05, 0.2)
    ),
    "raters-one-sided": HostileWorld(
        "raters miss 10 % and add 2 %, a fifth labelled twice", labels=240, raters=RaterErrors(0.10, 0.02, 0.2)
    ),
    "missing": HostileWorld("60 % of verdicts on word salad fail", classes=WITH_SALAD, fails_on_salad=0.6),
    "greedy": HostileWorld("each response stored five times (greedy sampling)", copies=5),
    "cells": HostileWorld("cells deviate by .9 logits; verdicts are the truth", RICH, judges=0, deviating=True),
    "cells-no-depth": HostileWorld(
        "cells deviate by .9 logits; layers without depth", RICH, judges=0, deviating=True, has_depth=False
    ),
    "cells-corrected": HostileWorld("cells deviate by .9 logits; two judges", RICH, deviating=True, labels=240),
}


class BestCellRow(TypedDict):
    """The cell that a fit calls best: its true net detection, limits, P(best), whether it is the best."""

    truth: float
    low: float
    high: float
    probability: float
    is_best: bool


class HostileLine(TypedDict):
    """One simulated study: for each estimate truth, limits and mean, without limits if it was withheld."""

    world: str
    study: int
    version: str
    seconds: float
    passed: bool
    labels: int
    status: str
    reasons: list[str]
    rows: dict[str, list[float]]
    cells: list[list[float]]
    best: list[BestCellRow]
    estimator: NotRequired[str]
    headline: NotRequired[str]
    misfit: NotRequired[bool]
    methods: NotRequired[dict[str, list[float]]]


def true_estimands(study: StoredStudy, view: str) -> dict[str, float]:
    """True value of every estimate of a study, by name: the estimands' own formulas at the true probabilities.

    Parameters
    ----------
    study : StoredStudy
        The study.
    view : {"judged", "corrected"}
        View of the fit, which decides the names.
    """
    out: dict[str, float] = {}
    for source in _true_sources(study.trials):
        for figure in subject_estimands(source):
            name = view_name(figure.estimand, view)
            out[row_name(figure.subject, name, figure.by)] = float(figure.draws[0])
    return out


def _true_sources(trials: SimulatedTrials) -> list[SubjectPosterior]:
    """The truth in the form of a posterior with one draw, by model."""
    weights = np.bincount(trials.cell, minlength=len(trials.frame)).astype(float)
    out = []
    for subject in trials.frame["subject"].unique():
        mine = (trials.frame["subject"] == subject).to_numpy()
        cells = trials.frame[mine].reset_index(drop=True)
        share = trials.probabilities[mine][None]
        out.append(SubjectPosterior(str(subject), trials.classes, cells, share, weights[mine], None))
    return out


def row_name(subject: str, estimand: str, by: Mapping[str, str | float]) -> str:
    """Name of an estimate: model, estimand, and the value of an axis if there is one.

    Parameters
    ----------
    subject : str
        The model.
    estimand : str
        Name of the estimand.
    by : mapping
        Axis and value.
    """
    return " ".join([subject, estimand, *(f"{axis}={value}" for axis, value in by.items())])


def kind_name(row: str) -> str:
    """Kind of an estimate, models and concepts pooled; strengths are kept apart."""
    _, estimand, *axis = row.split(" ")
    if not axis:
        return estimand
    name, value = axis[0].split("=")
    return f"{estimand} by {name}" if name == "concept" else f"{estimand} at {name} {value}"


def best_cells(study: StoredStudy, rows: Sequence[DoseCell]) -> tuple[list[list[float]], list[BestCellRow]]:
    """Cells of layer and strength: truth and limits of each, and the one that the fit calls best for each model.

    Parameters
    ----------
    study : StoredStudy
        The study.
    rows : sequence of DoseCell
        The fit's cells.
    """
    cells: list[list[float]] = []
    best: list[BestCellRow] = []
    for source in _true_sources(study.trials):
        control = 1.0 - source.probabilities[0, source.cell_mask(CONTROL)][0, source.classes.index(REST)]
        mine, truth = [row for row in rows if row.subject == source.subject], []
        for row in mine:
            mask = source.cell_mask(INJECTION, strength=row.strength)
            if row.layer is not None:
                mask &= (source.frame["layer"] == row.layer).to_numpy()
            event = source.probabilities[0, mask, source.classes.index(EVENT)]
            truth.append(float(np.average(event, weights=source.weights[mask]) - control))
        cells += [[value, row.low95, row.high95, row.mean] for value, row in zip(truth, mine, strict=True)]
        if mine:
            place = int(np.argmax([row.probability_best for row in mine]))
            row = mine[place]
            best.append(
                {
                    "truth": truth[place],
                    "low": row.low95,
                    "high": row.high95,
                    "probability": row.probability_best,
                    "is_best": place == int(np.argmax(truth)),
                }
            )
    return cells, best


@contextmanager
def recorded_gates() -> Iterator[list[bool]]:
    """Let fits through whatever their convergence checks say; yields what they said."""
    said: list[bool] = []
    check = check_convergence

    def recorded(draws: dict[str, np.ndarray], posterior: PosteriorDraws) -> Diagnostics:
        found = check(draws, posterior)
        said.append(found.passed)
        return found.model_copy(update={"passed": True, "reasons": ()})

    with mock.patch.object(fit, "check_convergence", recorded):
        yield said


def simulate_study(
    name: str, number: int, store: Store, settings: SamplerSettings = SETTINGS, estimator: str = FIT
) -> HostileLine:
    """Simulate, label and fit one study of a world, and compare its estimates with the truth.

    Parameters
    ----------
    name : str
        The world, a key of `WORLDS`.
    number : int
        Number of the study, which determines its seed.
    store : Store
        Empty store.
    settings : SamplerSettings
        Settings of the fit.
    estimator : {"fit", "design"}, default "fit"
        Everything that a fit gives, or the design-based estimates alone.
    """
    world = WORLDS[name]
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), number])
    study = store_study(store, world, rng)
    began = time.perf_counter()
    if estimator == DESIGN:
        return _design_line(name, number, study, began)
    with recorded_gates() as gates:
        fitted = _fit_study(store, world, settings, number)
    result = fitted.result
    found = {row_name(row.subject, row.estimand, row.by): row for row in result.estimands}
    truth = true_estimands(study, result.view)
    rows: dict[str, list[float]] = {}
    for row, value in truth.items():
        given = found.get(row)
        rows[row] = [value] if given is None else [value, given.low95, given.high95, given.mean]
    methods = {}
    for method in result.methods:
        value = truth[row_name(method.subject, method.estimand, {})]
        name_of = f"{row_name(method.subject, method.estimand, {})}, {METHOD_NAMES[method.method]}"
        methods[name_of] = [value, method.low95, method.high95, method.mean]
    cells, best = best_cells(study, result.comparisons.best)
    return {
        "world": name,
        "study": number,
        "version": VERSION,
        "seconds": time.perf_counter() - began,
        "passed": all(gates),
        "labels": world.labels if world.judges else 0,
        "status": fitted.status,
        "reasons": sorted({row.reason for row in result.refused if row.estimand != "slope"}),
        "rows": rows,
        "cells": cells,
        "best": best,
        "estimator": FIT,
        "headline": result.headline.method if result.headline else "",
        "misfit": any(check.is_misfit for check in result.predictive),
        "methods": methods,
    }


def _design_line(name: str, number: int, study: StoredStudy, began: float) -> HostileLine:
    """The design-based estimates of a study, without a fit."""
    patterns = pattern_cells(study.store)
    found = {
        row_name(figure.subject, view_name(figure.estimand, "corrected"), figure.by): figure.draws
        for subject in design_based_subjects(patterns, draws=2000, seed=number)
        for figure in subject_estimands(subject)
    }
    rows = {}
    for row, value in true_estimands(study, "corrected").items():
        draws = found.get(row)
        if draws is None:
            rows[row] = [value]
        else:
            low, high = np.quantile(draws, [0.025, 0.975])
            rows[row] = [value, float(low), float(high), float(draws.mean())]
    return {
        "world": name,
        "study": number,
        "version": VERSION,
        "seconds": time.perf_counter() - began,
        "passed": True,
        "labels": WORLDS[name].labels,
        "status": PASSED,
        "reasons": [],
        "rows": rows,
        "cells": [],
        "best": [],
        "estimator": DESIGN,
    }


def _fit_study(store: Store, world: HostileWorld, settings: SamplerSettings, seed: int) -> StoredFit:
    if world.judges:
        return fit.fit_corrected(store, settings=settings, seed=seed)
    return fit.fit_judged(store, settings=settings, seed=seed)


def run_studies(name: str, studies: int, out: Path, first: int = 0, estimator: str = FIT) -> None:
    """Simulate the studies of a world that a file does not hold yet, appending a line for each.

    Parameters
    ----------
    name : str
        The world.
    studies : int
        Number of studies wanted in all, from `first` on.
    out : Path
        File of lines.
    first : int, default 0
        Number of the first study.
    estimator : {"fit", "design"}, default "fit"
        As in `simulate_study`.
    """
    mine = [line for line in read_lines(out) if line["world"] == name and line.get("estimator", FIT) == estimator]
    done = {line["study"] for line in mine if line["version"] == VERSION}
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder) / "empty.db"
        Store.open(sqlite_url(empty)).close()
        for number in range(first, first + studies):
            if number in done:
                continue
            file = Path(folder) / f"{number}.db"
            shutil.copyfile(empty, file)
            store = Store.open(sqlite_url(file))
            try:
                line = simulate_study(name, number, store, estimator=estimator)
            finally:
                store.close()
                file.unlink()
            with out.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")


def read_lines(out: Path) -> list[HostileLine]:
    """The studies in a file; none if there is no file."""
    if not out.exists():
        return []
    return [json.loads(text) for text in out.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class KindCoverage:
    """Coverage of one kind of estimate in one world.

    Attributes
    ----------
    intervals, refused : int
        Intervals given, and estimates withheld.
    coverage, low, high : float
        Share of the given intervals that contain the truth, and its 95 % limits by studies (Jeffreys).
    bias, width : float
        Mean of estimate minus truth, and mean width of the intervals.
    """

    intervals: int
    refused: int
    coverage: float
    low: float
    high: float
    bias: float
    width: float


def summarize_rows(rows: Sequence[Sequence[float]], studies: int) -> KindCoverage:
    """Coverage of the rows of one kind.

    The limits count studies, not intervals: the intervals of one study share its data.

    Parameters
    ----------
    rows : sequence of [truth, low, high, mean] or [truth]
        Estimates; those with the truth alone were withheld.
    studies : int
        Number of studies that they come from.
    """
    given = np.array([row for row in rows if len(row) > 1])
    if not len(given):
        return KindCoverage(0, len(rows), np.nan, np.nan, np.nan, np.nan, np.nan)
    truth, low, high, mean = given.T
    share = float(((low <= truth) & (truth <= high)).mean())
    hits = share * studies
    least, most = np.asarray(beta.ppf([0.025, 0.975], hits + 0.5, studies - hits + 0.5))
    bias, width = float((mean - truth).mean()), float((high - low).mean())
    return KindCoverage(len(given), len(rows) - len(given), share, float(least), float(most), bias, width)


def coverage_by_kind(lines: Sequence[HostileLine]) -> dict[str, KindCoverage]:
    """Coverage by kind of estimate of the studies of one world."""
    kinds: dict[str, list[list[float]]] = {}
    fits = sum(line.get("estimator", FIT) == FIT for line in lines)
    studies = {"": fits, ALONE: len(lines) - fits}
    for line in lines:
        alone = ALONE if line.get("estimator", FIT) == DESIGN else ""
        for name, row in line["rows"].items():
            kinds.setdefault(kind_name(name) + alone, []).append(row)
        for name, row in line.get("methods", {}).items():
            kinds.setdefault(name.split(" ", 1)[1], []).append(row)
        kinds.setdefault("cell of layer and strength", []).extend(line["cells"])
        for best in line["best"]:
            middle = (best["low"] + best["high"]) / 2
            kinds.setdefault("cell called best", []).append([best["truth"], best["low"], best["high"], middle])
    return {
        name: summarize_rows(rows, studies[ALONE if name.endswith(ALONE) else ""])
        for name, rows in kinds.items()
        if rows
    }


def _world_heading(name: str, lines: Sequence[HostileLine]) -> str:
    """What was simulated of a world, and what its fits said of themselves."""
    fits = [line for line in lines if line.get("estimator", FIT) == FIT]
    said = f"{name}: {WORLDS[name].about}. {len(fits)} fits, {len(lines) - len(fits)} studies without one"
    if not fits:
        return said
    missed = sum(not line["passed"] for line in fits)
    chosen = sum(line.get("headline") == DESIGN for line in fits)
    misfit = sum(line.get("misfit", False) for line in fits)
    seconds = np.median([line["seconds"] for line in fits])
    return (
        f"{said}; {missed} missed a convergence gate, {chosen} headlines design-based, {misfit} say misfit, "
        f"{seconds:.0f} s a fit"
    )


def format_table(lines: Sequence[HostileLine], *, every: bool = True) -> str:
    """Coverage, bias, width and refusals by world and kind of estimate.

    Parameters
    ----------
    lines : sequence of HostileLine
        Studies of any worlds.
    every : bool, default True
        All kinds; otherwise overall estimates and those by strength only.
    """
    out = []
    for name in WORLDS:
        mine = [line for line in lines if line["world"] == name]
        if not mine:
            continue
        out.append(_world_heading(name, mine))
        for kind, row in coverage_by_kind(mine).items():
            if not every and ("engaged" in kind or "refusal" in kind):
                continue
            said = f"refused {row.refused}" if row.refused else ""
            if row.intervals:
                out.append(
                    f"  {kind:58} {row.coverage:.3f} ({row.low:.2f} to {row.high:.2f})  bias {row.bias:+.3f}  "
                    f"width {row.width:.3f}  n {row.intervals:4d}  {said}"
                )
            else:
                out.append(f"  {kind:58} {said}")
        best = [row for line in mine for row in line["best"]]
        if best:
            stated, right = np.mean([row["probability"] for row in best]), np.mean([row["is_best"] for row in best])
            out.append(f"  P(best) of the favourite {stated:.2f}, right in {right:.2f} of {len(best)}")
        reasons = Counter(reason for line in mine for reason in line["reasons"])
        out += [f"  withheld in {many} studies: {reason}" for reason, many in reasons.most_common(3)]
    return "\n".join(out)


MAIN_KINDS = {
    "net": ("net_detection_corrected", "net_detection_raw"),
    "net at the highest strength": ("net_detection_corrected at strength 8.0", "net_detection_raw at strength 8.0"),
    "identification": ("identification",),
    "false alarm": ("false_alarm",),
    "cell called best": ("cell called best",),
    "net, joint fit": ("net_detection_corrected, joint fit",),
    "net, cut fit": ("net_detection_corrected, cut fit",),
    "net, design-based": (f"net_detection_corrected{ALONE}", "net_detection_corrected, design-based"),
}
"""Columns of the Markdown table: the first kind of each that was simulated."""


def markdown_table(lines: Sequence[HostileLine]) -> str:
    """Coverage, bias and width of the main estimates by world, as in `bench/RESULTS.md`: one row per world."""
    out = [f"| world | fits | {' | '.join(MAIN_KINDS)} |", f"|---|---|{'---|' * len(MAIN_KINDS)}"]
    for name, world in WORLDS.items():
        mine = [line for line in lines if line["world"] == name]
        if not mine:
            continue
        kinds = coverage_by_kind(mine)
        cells = []
        for wanted in MAIN_KINDS.values():
            row = next((kinds[kind] for kind in wanted if kind in kinds), None)
            cells.append("" if row is None else _markdown_cell(row))
        fits = sum(line.get("estimator", FIT) == FIT for line in mine)
        out.append(f"| {world.about} | {fits} | {' | '.join(cells)} |")
    return "\n".join(out)


def _markdown_cell(row: KindCoverage) -> str:
    """Coverage, bias and width in points, and how many were withheld."""
    withheld = f"; {row.refused} withheld" if row.refused else ""
    if not row.intervals:
        return withheld.removeprefix("; ")
    share = f"{row.coverage:.2f}".lstrip("0")
    return f"{share} of {row.intervals}; {100 * row.bias:+.1f}; {100 * row.width:.0f}{withheld}"


def shipped_worlds(lines: Sequence[HostileLine]) -> MeasuredCoverage:
    """The stored measurements with the worlds of some studies, under the version that was measured.

    Worlds that are not among the studies keep what is stored if it is of the same version. Studies of other versions
    are left out.
    """
    before = read_coverage()
    worlds = dict(before.worlds) if before.worlds_version == VERSION else {}
    for name, world in WORLDS.items():
        mine = [line for line in lines if line["world"] == name and line["version"] == VERSION]
        if mine:
            worlds[name] = WorldCoverage(
                about=world.about,
                trials=2 * world.design.trials * len(world.design.subjects),
                labels=world.labels if world.judges else 0,
                studies=sum(line.get("estimator", FIT) == FIT for line in mine),
                studies_alone=sum(line.get("estimator", FIT) == DESIGN for line in mine),
                figures={kind: _shipped_row(row) for kind, row in coverage_by_kind(mine).items() if _is_shipped(kind)},
            )
    ordered = {name: worlds[name] for name in WORLDS if name in worlds}
    return before.model_copy(update={"worlds_version": VERSION, "worlds": ordered})


def _is_shipped(kind: str) -> bool:
    """Whether a kind of estimate is among those on Diagnostics: refusals and engaged rates overall only."""
    return not (" at " in kind or " by " in kind) or not ("refusal" in kind or "engaged" in kind or "coherent" in kind)


def _shipped_row(row: KindCoverage) -> WorldCoverageRow:
    values = [None if np.isnan(value) else round(value, 4) for value in (row.coverage, row.bias, row.width)]
    return WorldCoverageRow(
        intervals=row.intervals, withheld=row.refused, coverage=values[0], bias=values[1], width=values[2]
    )


def main() -> None:
    """Simulate, or print the table."""
    options = argparse.ArgumentParser(prog="python -m bench.validity.hostile_worlds", description=__doc__)
    options.add_argument("--world", choices=list(WORLDS), action="append", help="may be repeated")
    options.add_argument("--studies", type=int, default=10)
    options.add_argument("--first", type=int, default=0)
    options.add_argument("--estimator", choices=[FIT, DESIGN], default=FIT)
    options.add_argument("--out", type=Path, default=Path("hostile.jsonl"))
    options.add_argument("--table", action="store_true", help="print the table of the file")
    options.add_argument("--markdown", action="store_true", help="print the table of bench/RESULTS.md")
    options.add_argument("--ship", action="store_true", help="keep the coverage for the dashboard to show")
    options.add_argument("--short", action="store_true", help="fewer kinds in the table")
    chosen = options.parse_args()
    if not (chosen.table or chosen.ship or chosen.markdown):
        for name in chosen.world or WORLDS:
            run_studies(name, chosen.studies, chosen.out, chosen.first, chosen.estimator)
    lines = read_lines(chosen.out)
    if chosen.ship:
        write_coverage(shipped_worlds(lines))
    if chosen.world:
        lines = [line for line in lines if line["world"] in chosen.world]
    print(markdown_table(lines) if chosen.markdown else format_table(lines, every=not chosen.short))


if __name__ == "__main__":
    main()
