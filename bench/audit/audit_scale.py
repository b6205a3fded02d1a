"""The audit of a million trials with three judges: seconds of waiting and of computing, and peak memory.

    python -m bench.audit.audit_scale [--trials N ...] [--only sqlite|postgresql] [--against FOLDER]

The study is written in bulk (`write_judged_study`): eight models, three arms, ten concepts, three judges with errors,
contradictions, failed calls, repeats and a time of its own for each verdict, labels of two raters, revised labels.
`--against` names the checkout of another commit, which audits the same study; the two documents are then compared value
by value. Each audit runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from bench.performance.scale import databases
from bench.support.machine import machine
from gnomon.data.records import Facts as Reported
from gnomon.data.records import JudgeVersion, Label, Subject, split_of
from gnomon.data.storage import tables
from gnomon.data.storage.bulk_insert import bulk_insert
from gnomon.data.storage.store import Store

SUBJECTS = tuple(f"Toy-{size}B-Instruct" for size in ("0.5", "1.5", "3", "7", "14", "32", "70", "123"))
CONCEPTS = (
    "silence",
    "fear",
    "celebration",
    "ocean",
    "winter",
    "bread",
    "music",
    "iron",
    "childhood",
    "mountain",
)
ARMS = ("injection", "control", "random")
JUDGES = {"judge-a": 0.06, "judge-b": 0.10, "judge-c": 0.15}
"""Judges with the chance that they misread an answer."""
BEGAN = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
ANSWER = "I look at what is here, and there is a faint sense of water that I cannot place. " * 4
RAW = '{"claims": true, "concept": "ocean", "coherent": true, "refused": false}' * 2
PORTION = 20_000
HOUSE = Path(__file__).resolve().parents[2]
AUDIT = """
import json, resource, sys, time
from gnomon.calibration.audit.document import audit_views
from gnomon.data.storage.store import Store
store = Store.open(sys.argv[1])
began = time.perf_counter()
document = audit_views(store)
spent, used = time.perf_counter() - began, time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": spent, "cpu_seconds_with_imports": used, "peak_mb": peak}), file=sys.stderr)
print(document.model_dump_json())
"""


def write_judged_study(url: str, trials: int, *, labels: int = 900, seed: int = 1) -> None:
    """Fill an empty database with a judged and labelled study.

    Parameters
    ----------
    url : str
        URL of the database.
    trials : int
        Number of trials.
    labels : int, default 900
        Labels of the first rater, on trials drawn at random; a second rater labels a fifth of them.
    seed : int, default 1
        Seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    store = Store.open(url)
    store.save_settings({"name": "million", "concepts": list(CONCEPTS), "judges": list(JUDGES), "rule": "strict"})
    store.add_subjects([Subject(name, 1e9 * (n + 1), "toy", "instruct", "r0") for n, name in enumerate(SUBJECTS)])
    store.add_protocol("p0", "p0", {"messages": []})
    for name in JUDGES:
        store.add_judge(JudgeVersion(f"{name}-1", name, "simulated", {}))
    truth: dict[str, dict[str, object]] = {}
    labelled = set(rng.choice(trials, size=min(labels, trials), replace=False).tolist())
    for first in range(0, trials, PORTION):
        rows = [_trial_row(number, rng) for number in range(first, min(first + PORTION, trials))]
        heard = [row for number, row in enumerate(rows, first) for row in _verdict_rows(number, row, trials, rng)]
        truth |= {str(row["id"]): row["_true"] for n, row in enumerate(rows, first) if n in labelled}  # type: ignore[misc]
        plain = [{name: value for name, value in row.items() if name != "_true"} for row in rows]
        with store.write_transaction() as connection:
            bulk_insert(connection, tables.trials, plain)
            bulk_insert(connection, tables.verdicts, heard)
    store.add_labels(_labels(truth, rng))
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
    store.close()


def _trial_row(number: int, rng: np.random.Generator) -> dict[str, object]:
    draws = rng.random(8).tolist()
    arm = ARMS[int(draws[0] * len(ARMS))]
    concept = None if arm == "control" else CONCEPTS[int(draws[1] * len(CONCEPTS))]
    steered = concept is not None
    event = draws[2] < {"injection": 0.35, "control": 0.08, "random": 0.12}[arm]
    refused, coherent = draws[3] < 0.15, draws[4] < 0.93
    key = rng.bytes(16).hex()
    claims = bool(event and not refused)
    return {
        "id": key,
        "subject": SUBJECTS[int(draws[5] * len(SUBJECTS))],
        "revision": "r0",
        "arm": arm,
        "concept": concept,
        "layer": (10, 14, 18)[int(draws[6] * 3)] if steered else None,
        "strength": (1.5, 2.0, 4.0, 8.0)[int(draws[7] * 4)] if steered else 0.0,
        "span": "all",
        "protocol": "p0",
        "vector": None,
        "study_seed": 0,
        "replicate": number,
        "seed": number,
        "answer": f"{ANSWER}{number}",
        "finish": "stop",
        "tokens": 64,
        "source": "simulated",
        "error": "out of memory" if draws[4] > 0.998 else None,
        "measure": "report",
        "split": str(split_of(key)),
        "code_version": "",
        "created_at": _time_of(number),
        "_true": {
            "claims": claims,
            "concept": (concept or "ocean") if claims else "none",
            "coherent": bool(coherent),
            "refused": bool(refused),
        },
    }


def _time_of(number: float) -> str:
    return (BEGAN + timedelta(seconds=number)).isoformat(timespec="microseconds")


def _verdict_rows(
    number: int, trial: dict[str, object], trials: int, rng: np.random.Generator
) -> Iterator[dict[str, object]]:
    true = dict(trial["_true"])  # type: ignore[call-overload]
    for place, (judge, error) in enumerate(JUDGES.items()):
        draws = rng.random(6).tolist()
        if draws[0] < 0.01:
            continue
        wrong = draws[1] < error * (1 + 0.5 * number / trials)  # errors grow over time
        claims = bool(true["claims"]) != wrong
        said: dict[str, object] = {
            "claims": claims,
            "concept": str(trial["concept"] or "ocean") if claims and draws[2] < 0.95 else "none",
            "coherent": bool(true["coherent"]) != (draws[3] < 0.02),
            "refused": bool(true["refused"]) != (draws[4] < 0.04),
        }
        if draws[5] < 0.003:
            said["concept"] = CONCEPTS[int(draws[4] * len(CONCEPTS))]
        lost = draws[0] > 0.985
        for sample in range(2 if draws[0] < 0.02 else 1):
            facts: dict[str, object] = dict.fromkeys(said) if lost else said
            yield {
                "trial": trial["id"],
                "judge": f"{judge}-1",
                "sample": sample,
                "state": "unparsable" if lost else "ok",
                **facts,
                "passed": None,
                "further_facts": None,
                "quote": "",
                "raw": RAW,
                "seconds": 0.1,
                "input_tokens": 0,
                "output_tokens": 0,
                "created_at": _time_of(trials * (1 + place) + number + float(draws[2]) * 50),
            }


def _labels(truth: dict[str, dict[str, object]], rng: np.random.Generator) -> Iterator[Label]:
    for place, (trial, facts) in enumerate(sorted(truth.items())):
        yield Label(trial, "ann", Reported(**facts))  # type: ignore[arg-type]
        if place % 5 == 0:
            claims = bool(facts["claims"]) != (rng.random() < 0.08)
            other = facts | {"claims": claims, "concept": (facts["concept"] if facts["claims"] else "ocean")}
            yield Label(trial, "bob", Reported(**(other if claims else facts | {"claims": False, "concept": "none"})))  # type: ignore[arg-type]
        if place % 40 == 7:
            changed = Reported(not facts["claims"], "none" if facts["claims"] else "ocean", True, False)
            yield Label(trial, "ann", changed, exposure="after_verdict", revision=1)  # type: ignore[arg-type]


def write_alone(url: str, trials: int, house: Path) -> None:
    """Write a study with the code of a checkout, whose version of the tables it then has.

    Parameters
    ----------
    url : str
        URL of an empty database.
    trials : int
        Number of trials.
    house : Path
        The checkout.
    """
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['write_judged_study'](sys.argv[2], int(sys.argv[3]))"
    environment = os.environ | {"PYTHONPATH": str(house)}
    subprocess.run([sys.executable, "-c", code, __file__, url, str(trials)], cwd=house, env=environment, check=True)


def audit_alone(url: str, house: Path) -> tuple[dict[str, float], str]:
    """Audit a study in a process of its own.

    Parameters
    ----------
    url : str
        URL of the study's database.
    house : Path
        Checkout whose code audits it.

    Returns
    -------
    (dict of str to float, str)
        Seconds, seconds of CPU and peak memory in MB, and the document as JSON.
    """
    environment = os.environ | {"PYTHONPATH": str(house), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, url], cwd=house, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stderr.strip().splitlines()[-1]), done.stdout


def different_values(one: object, other: object, place: str = "") -> Iterator[tuple[str, object, object]]:
    """The places at which two JSON values differ.

    Parameters
    ----------
    one, other : object
        JSON values.
    place : str
        Path of both.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from different_values(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from different_values(*pair, f"{place}[{number}]")
    elif one != other:
        yield place, one, other


def compare_commits(urls: tuple[str, str], against: Path) -> dict[str, object]:
    """Audit two copies of a study by this checkout and by another one.

    Parameters
    ----------
    urls : (str, str)
        URLs of the copies, one for each, since an audit records that it looked at the test split.
    against : Path
        The other checkout.
    """
    (ours, mine), (theirs, other) = (
        audit_alone(url, house) for url, house in zip(urls, (HOUSE, against.resolve()), strict=True)
    )
    found = list(different_values(json.loads(other), json.loads(mine)))
    close = [math.isclose(a, b, rel_tol=1e-9) for _, a, b in found if isinstance(a, float) and isinstance(b, float)]
    return {"now": ours, "before": theirs, "differ": len(found), "by_rounding": sum(close)}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.audit.audit_scale", description=__doc__)
    options.add_argument("--trials", type=int, nargs="+", default=[100_000, 1_000_000])
    options.add_argument("--only", choices=("sqlite", "postgresql"))
    options.add_argument("--against", type=Path, help="checkout of another commit, which audits the same studies")
    chosen = options.parse_args()
    found: dict[str, object] = {"machine": machine()}
    with tempfile.TemporaryDirectory(prefix="gnomon-audit-") as scratch:
        for number, trials in enumerate(chosen.trials):
            for kind, place in _places(Path(scratch) / str(number), chosen.only):
                urls = (place("a"), place("b")) if chosen.against else (place("a"),)
                for url, house in zip(urls, (HOUSE, chosen.against), strict=False):
                    write_alone(url, trials, house.resolve())
                key = f"{kind}, {trials:,} trials"
                found[key] = compare_commits(urls, chosen.against) if len(urls) > 1 else audit_alone(urls[0], HOUSE)[0]
                print(f"{key}: {found[key]}", file=sys.stderr, flush=True)
    print(json.dumps(found, indent=2))


def _places(folder: Path, only: str | None) -> Iterator[tuple[str, Callable[[str], str]]]:
    """For each kind of database the function from a name to the URL of a new one."""
    folder.mkdir()
    for kind in (only,) if only else ("sqlite", "postgresql"):
        with databases(folder, kind) as kinds:
            make = kinds[kind]
            yield kind, lambda name, make=make: make(int(name, 16))  # type: ignore[misc]


if __name__ == "__main__":
    main()
