"""The local judges' confusion on the test split of the shipped labels, with intervals, and the calibration of their
P(yes).

One look at the test split: nothing is tuned on it. Exact (Clopper-Pearson) intervals; labels are a language model's.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence

from bench.support.machine import machine
from gnomon.calibration.numerics.proportions import clopper_pearson
from gnomon.data.bundled import calibration_set
from gnomon.data.facts import CORE_FLAGS
from gnomon.data.records import Facts, Split, Trial, Verdict, split_of
from gnomon.generation.subjects.loading import load_subject
from gnomon.judging.config import JudgeConfig
from gnomon.judging.registry import build_judge

KINDS = ("lexicon", "learned", "logprob")

CONCEPTS = ("celebration", "fear", "ocean", "silence")


def measured(pairs: Sequence[tuple[Facts, Verdict]]) -> dict[str, object]:
    """Confusion of each binary fact, the share of correct concepts, and the Brier score if the judge gives
    probabilities.
    """
    document: dict[str, object] = {fact: confusion(pairs, fact) for fact in CORE_FLAGS}
    right = sum(verdict.facts is not None and verdict.facts.concept == truth.concept for truth, verdict in pairs)
    document["concept"] = share(right, len(pairs))
    try:
        shares = [json.loads(verdict.raw)["claims"] for _, verdict in pairs]
    except ValueError:
        return document
    base = sum(truth.claims for truth, _ in pairs) / len(pairs)
    brier = sum((told - truth.claims) ** 2 for told, (truth, _) in zip(shares, pairs, strict=True)) / len(pairs)
    spread = [round(value, 3) for value in (min(shares), max(shares))]
    return document | {
        "claims_brier": round(brier, 3),
        "brier_of_base_rate": round(base * (1 - base), 3),
        "range": spread,
    }


def confusion(pairs: Sequence[tuple[Facts, Verdict]], fact: str) -> dict[str, object]:
    """Counts, sensitivity and specificity of one fact, with intervals.

    Parameters
    ----------
    pairs : sequence of (Facts, Verdict)
        Reference facts and verdicts.
    fact : str
        Name of the fact.
    """
    said = [(getattr(truth, fact), getattr(verdict.facts, fact)) for truth, verdict in pairs]
    tp, fn, fp, tn = (said.count(cell) for cell in ((True, True), (True, False), (False, True), (False, False)))
    return {
        "tp": tp,
        "fn": fn,
        "fp": fp,
        "tn": tn,
        "sensitivity": share(tp, tp + fn),
        "specificity": share(tn, tn + fp),
    }


def share(k: int, n: int) -> dict[str, object] | None:
    """A share with its exact interval; None if n is 0.

    Parameters
    ----------
    k : int
        Number of events.
    n : int
        Number of trials.
    """
    if not n:
        return None
    found = clopper_pearson(k, n)
    return {"k": k, "n": n, "value": round(found.value, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


def test_split() -> list[tuple[Trial, Facts]]:
    """Trials of the test split with their last label."""
    shipped = calibration_set()
    labels = {label.trial: label.facts for label in shipped.labels if label.facts is not None}
    return [(t, labels[t.id]) for t in shipped.trials if split_of(t.id) is Split.TEST and t.id in labels]


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document (always so)")
    parser.parse_args()
    held = test_split()
    document: dict[str, object] = {"machine": machine(), "trials": len(held)}
    for kind in KINDS:
        config = JudgeConfig(name=kind, kind=kind)
        judge = build_judge(config, CONCEPTS, calibration_set().training_pairs(), lambda name: load_subject(name, name))
        _ = judge.version
        started = time.perf_counter()
        said = {verdict.trial: verdict for verdict in judge.judge_trials([trial for trial, _ in held])}
        each = (time.perf_counter() - started) / len(held)
        pairs = [(facts, said[trial.id]) for trial, facts in held]
        document[kind] = measured(pairs) | {"seconds_a_verdict": round(each, 3)}
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
