"""The audit of 65 raters on 1,232 items, some 40,000 labels: seconds of waiting and of computing, and peak memory.

    python -m bench.audit.many_raters [--raters N] [--items N]

Each rater labels half of the items at random and errs in 12 % of them; one judge has read all. The audit runs in a
process of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from bench.audit.audit_scale import HOUSE, audit_alone
from bench.support.machine import machine
from gnomon.data.records import (
    Arm,
    Condition,
    Exposure,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Subject,
    Trial,
    Verdict,
)
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

CONCEPT = "ocean"


def write_rated_study(url: str, raters: int, items: int, *, seed: int = 1) -> int:
    """Fill an empty database with one judge's verdicts and many raters' labels; returns the number of labels.

    Parameters
    ----------
    url : str
        URL of the database.
    raters : int
        Number of raters.
    items : int
        Number of trials.
    seed : int, default 1
        Seed of the simulation.
    """
    rng = np.random.default_rng(seed)
    store = Store.open(url)
    store.save_settings({"name": "raters", "concepts": [CONCEPT], "judges": [], "rule": "strict"})
    store.add_subjects([Subject("toy", 1e9, "toy", "instruct", "r0")])
    store.add_protocol("p0", "p0", {"messages": []})
    trials = [_trial(number) for number in range(items)]
    store.add_trials(trials)
    store.add_judge(JudgeVersion("j1", "judge", "imported", {}))
    truth = (rng.random(items) < 0.4).tolist()
    said = [bool(event) != (rng.random() < 0.1) for event in truth]
    store.add_verdicts([Verdict(trial.id, "j1", _facts(claims)) for trial, claims in zip(trials, said, strict=True)])
    labels = [
        Label(
            trial.id,
            f"rater{rater:02d}",
            _facts(bool(event) != (rng.random() < 0.12)),
            exposure=Exposure.UNKNOWN if rater % 2 else Exposure.BLIND,
        )
        for rater in range(raters)
        for trial, event in zip(trials, truth, strict=True)
        if rng.random() < 0.5
    ]
    store.add_labels(labels)
    store.close()
    return len(labels)


def _trial(number: int) -> Trial:
    arm = (Arm.INJECTION, Arm.CONTROL)[number % 2]
    steered = arm is Arm.INJECTION
    concept, layer, strength = (CONCEPT if steered else None), (3 if steered else None), (2.0 if steered else 0.0)
    condition = Condition("toy", "r0", arm, concept, layer, strength, Span.ALL, "p0", None, 0)
    return Trial(condition.trial_id(number), condition, number, number, "answer", "stop", 3)


def _facts(claims: bool) -> Facts:
    return Facts(claims, CONCEPT if claims else "none", True, False)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.audit.many_raters", description=__doc__)
    options.add_argument("--raters", type=int, default=65)
    options.add_argument("--items", type=int, default=1_232)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-raters-") as scratch:
        url = sqlite_url(Path(scratch) / "raters.db")
        labels = write_rated_study(url, chosen.raters, chosen.items)
        audit_alone(url, HOUSE)  # compiles what is compiled once on a machine
        print(json.dumps({"machine": machine(), "labels": labels, "audit": audit_alone(url, HOUSE)[0]}, indent=2))


if __name__ == "__main__":
    main()
