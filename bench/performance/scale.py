"""A million trials and three million verdicts, simulated: import, cells, fit, audit and pages, on both databases.

    python -m bench.performance.scale [--json] [--trials N ...] [--only sqlite|postgresql] [--fit]

Each measurement runs in its own process, so that its peak memory is its own. PostgreSQL is the server that the tests
use, with syncing on. `--fit` adds the time of a fit to equal ESS at a million trials and at 24,600 (`bench
measure_fit`).
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path

from bench.performance import measure_fit
from bench.support.machine import machine
from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.queue.label_sampling import next_items
from gnomon.dashboard.transcripts import incremental_search, transcript_query
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.records import Facts, Label
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import judged_cells, pattern_cells
from gnomon.stats.fit import fit_corrected
from gnomon.stats.inference.sampler import QUICK_SETTINGS, SamplerSettings
from gnomon.stats.narrative.study_overview import summarize_study

TRIALS = (10_000, 100_000, 1_000_000)
SUBJECTS = [f"Toy-{size}B-Instruct" for size in ("0.5", "1.5", "3", "7", "14", "32", "70", "123")]
CONCEPTS = ("silence", "fear", "celebration", "ocean")
STRENGTHS, LAYERS = (1.5, 2.0, 3.0, 4.0, 8.0), (10, 14, 18)
JUDGES = ("judge-a", "judge-b", "judge-c")
ANSWER = "I look at what is here, and there is a faint sense of water that I cannot place. " * 4
DECLINES, NOTICES, NOTHING = "I would rather not say.", "I notice it.", "I notice nothing."
LABELS = 240
Spent = dict[str, float]


def simulated(folder: Path, trials: int, seed: int = 1) -> Path:
    """Write a table of trials with a verdict of each judge, and its column map beside it; returns the table.

    Parameters
    ----------
    folder : Path
        Folder of both files.
    trials : int
        Number of trials.
    seed : int, default 1
        Seed of the simulation.
    """
    rng = random.Random(seed)
    file = folder / f"{trials}.jsonl"
    with file.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(_row(number, rng)) + "\n" for number in range(trials))
    names = {"key": "sample", "subject": "model", "answer": "text", "arm": "arm", "concept": "word"}
    trial = {**names, "layer": "layer", "strength": "dose"}
    lines = ["[trial]", *(f'{ours} = "{theirs}"' for ours, theirs in trial.items())]
    for judge in JUDGES:
        lines += ["[[verdict]]", f'judge = {{value = "{judge}"}}']
        lines += [f'{name} = "{judge}_{name}"' for name in ("claims", "concept", "coherent", "refused")]
    (folder / "map.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _row(number: int, rng: random.Random) -> dict[str, object]:
    steered = number % 2 == 1
    word = rng.choice(CONCEPTS) if steered else ""
    row = {"sample": number, "model": rng.choice(SUBJECTS), "arm": "injection" if steered else "control", "word": word}
    event, refused = rng.random() < (0.35 if steered else 0.1), rng.random() < 0.2
    text = f"{ANSWER}{number} {DECLINES if refused else NOTICES if event else NOTHING}"
    row |= {"layer": rng.choice(LAYERS), "dose": rng.choice(STRENGTHS), "text": text}
    for judge in JUDGES:
        declines = refused != (rng.random() < 0.05)
        claims = not declines and event != (rng.random() < 0.1)
        said = {"claims": claims, "concept": (word or "ocean") if claims else "none"}
        row |= {f"{judge}_{name}": value for name, value in {**said, "coherent": True, "refused": declines}.items()}
    return row


def bring(file: str, url: str) -> Spent:
    """Time the import.

    Parameters
    ----------
    file : str
        Table; its column map is in the same folder.
    url : str
        URL of an empty database.
    """
    began = time.perf_counter()
    parsed = parse_files("table", [Path(file)], ImportOptions(map=Path(file).parent / "map.toml"))
    store = Store.open(url)
    landed = parsed.ingest_into(store)
    spent = time.perf_counter() - began
    assert landed.new == {"trials": parsed.seen.rows, "verdicts": 3 * parsed.seen.rows, "labels": 0}
    return {"seconds": spent}


def label(url: str) -> Spent:
    """Label disputed transcripts chosen by the queue; the simulated rater reads the answer's last words."""
    store = Store.open(url)
    store.save_settings({"judges": list(JUDGES), "label_view": "current"})
    began = time.perf_counter()
    chosen = next_items(store, "ann", strategy="disputed", n=LABELS, seed=1)
    answers = {
        trial.id: (trial.answer, trial.condition.concept) for trial in store.load_trials([one.trial for one in chosen])
    }
    store.add_labels(
        Label(
            one.trial,
            "ann",
            _read(*answers[one.trial]),
            stratum=one.stratum,
            probability=one.probability,
            selection=one.selection,
        )
        for one in chosen
    )
    return {"seconds": time.perf_counter() - began}


def _read(answer: str, concept: str | None) -> Facts:
    notices = answer.endswith(NOTICES)
    return Facts(notices, (concept or "ocean") if notices else "none", coherent=True, refused=answer.endswith(DECLINES))


def count(url: str) -> Spent:
    """Cells of one judge, and of all with the labels; the second of two times, with a warm database."""
    store = Store.open(url)
    spent: Spent = {}
    for _ in range(2):
        for name, cells in (("judged", judged_cells), ("patterns", pattern_cells)):
            spent[name] = _seconds(lambda cells=cells: cells(store))  # type: ignore[misc]
    return {**spent, "seconds": max(spent.values())}


def fit(url: str) -> Spent:
    """Cells and a short corrected fit."""
    store = Store.open(url)
    return {"seconds": _seconds(lambda: fit_corrected(store, settings=QUICK_SETTINGS))}


def judged(url: str) -> Spent:
    """The audit, as computed by `gnomon calibrate` and the Judges page."""
    store = Store.open(url)
    return {"seconds": _seconds(lambda: audit_study(store, view="current"))}


def pages(url: str) -> Spent:
    """First queries of each page; Scaling, Refusal and Diagnostics only read stored fits."""
    store = Store.open(url)
    choices = transcript_query.filter_choices(store)
    filters = {
        "transcripts": transcript_query.TrialFilters(),
        "transcripts, one subject": transcript_query.TrialFilters(subject=(SUBJECTS[0],)),
        "transcripts, disputed": transcript_query.TrialFilters(disputed=True),
        "transcripts, a word": transcript_query.TrialFilters(text="cannot place. 77"),
    }
    spent = {
        "choices": _seconds(lambda: transcript_query.filter_choices(store)),
        "study": _seconds(lambda: summarize_study(store)),
        "label, next ten": _seconds(lambda: next_items(store, "bob", strategy="disputed", seed=2)),
        "fits": _seconds(store.newest_fits),
    }
    for name, chosen in filters.items():
        spent[name] = _seconds(lambda chosen=chosen: _first_page(store, chosen, choices))  # type: ignore[misc]
    return spent


def _first_page(store: Store, filters: transcript_query.TrialFilters, choices: transcript_query.FilterChoices) -> None:
    found = incremental_search.start_search(
        store,
        transcript_query.filter_conditions(store, filters, choices),
        slow=filters.shows_verdicts,
        wanted=transcript_query.PAGE + 1,
    )
    transcript_query.trial_rows(store, found.ids[: transcript_query.PAGE])


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _peaked(call: Callable[..., Spent], *arguments: str) -> Spent:
    return {**call(*arguments), "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def alone(call: Callable[..., Spent], *arguments: str) -> Spent:
    """Run a measurement in its own process, with that process's peak memory.

    Parameters
    ----------
    call : callable
        The measurement.
    *arguments : str
        Its arguments.
    """
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        spent = pool.submit(_peaked, call, *arguments).result()
    print(f"  {call.__name__} {arguments[-1].split(':')[0]}: {_rounded(spent)}", file=sys.stderr, flush=True)
    return spent


def _rounded(spent: Spent) -> Spent:
    return {name: round(value, 2) for name, value in spent.items()}


@contextmanager
def databases(folder: Path, only: str | None) -> Iterator[dict[str, Callable[[int], str]]]:
    """For each kind of database the function from a number of trials to the URL of a new one.

    Parameters
    ----------
    folder : Path
        Folder of SQLite files.
    only : str or None
        "sqlite" or "postgresql" to restrict it to one kind.
    """
    with ExitStack() as stack:
        made: dict[str, Callable[[int], str]] = {}
        if only != "postgresql":
            made["sqlite"] = lambda trials: sqlite_url(folder / f"{trials}.db")
        if only != "sqlite":
            sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
            import database

            server = stack.enter_context(database.server(quick=False))
            made["postgresql"] = lambda trials: stack.enter_context(database.fresh(server))
        yield made


def growth(sizes: list[int], values: list[float]) -> float | None:
    """The exponent b of value = a n^b, from the smallest and the largest size; None for a single size.

    Parameters
    ----------
    sizes : list of int
        Numbers of trials, ascending.
    values : list of float
        Measured value of each size.
    """
    return math.log(values[-1] / values[0]) / math.log(sizes[-1] / sizes[0]) if len(sizes) > 1 else None


def run(sizes: list[int], only: str | None, *, with_fit: bool) -> dict[str, object]:
    """All sizes on all databases, sequentially.

    Parameters
    ----------
    sizes : list of int
        Numbers of trials, ascending.
    only : str or None
        "sqlite" or "postgresql" to restrict it to one kind.
    with_fit : bool
        Also measure the ratio of fit times.
    """
    found: dict[str, dict[int, dict[str, Spent]]] = {}
    with tempfile.TemporaryDirectory(prefix="gnomon-scale-") as scratch, databases(Path(scratch), only) as kinds:
        for trials in sizes:
            file = simulated(Path(scratch), trials)
            for kind, place in kinds.items():
                print(f"{kind}, {trials:,} trials", file=sys.stderr, flush=True)
                url = place(trials)
                spent = {"import": alone(bring, str(file), url)}
                spent |= {call.__name__: alone(call, url) for call in (label, count, fit, judged, pages)}
                found.setdefault(kind, {})[trials] = spent
            file.unlink()
    largest = max(sizes)
    return {
        "machine": machine(),
        "trials": largest,
        "cells_seconds": {kind: by[largest]["count"]["seconds"] for kind, by in found.items()},
        "fit_time_ratio_1m": _fit_ratio() if with_fit else None,
        "peak_memory_mb": max(by[largest][name]["peak_mb"] for by in found.values() for name in ("count", "fit")),
        "import_seconds": {kind: by[largest]["import"]["seconds"] for kind, by in found.items()},
        "import_peak_mb": {kind: by[largest]["import"]["peak_mb"] for kind, by in found.items()},
        "growth": {
            kind: {
                f"{name}_{what}": growth(sizes, [by[trials][name][what] for trials in sizes])
                for name in ("import", "count", "fit", "judged")
                for what in ("seconds", "peak_mb")
            }
            for kind, by in found.items()
        },
        "all": found,
    }


def _fit_ratio() -> float:
    medians = []
    for trials in measure_fit.TRIALS:
        fits = [measure_fit.ours(measure_fit.study(trials, seed=seed), SamplerSettings()) for seed in measure_fit.SEEDS]
        medians.append(statistics.median(one["seconds"] for one in fits))
    return medians[1] / medians[0]


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.performance.scale", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document (the default prints the same)")
    options.add_argument("--trials", type=int, nargs="+", default=list(TRIALS))
    options.add_argument("--only", choices=("sqlite", "postgresql"))
    options.add_argument("--fit", action="store_true")
    chosen = options.parse_args()
    print(json.dumps(run(sorted(chosen.trials), chosen.only, with_fit=chosen.fit), indent=2))


if __name__ == "__main__":
    main()
