"""Sizes and coverage of what says whether errors travel, drift or certify: simulated at the edge of each hypothesis.

    nice -n 10 python -m bench.calibration_methods.travelling_errors --out FILE [--runs 2000] [--only NAME]

Each line of the file is one world: how often a wrong decision was taken (bar: at most its nominal error) and, where
there is one, how often the right one is taken under an alternative. A second call goes on where the file ends and
prints the table.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from gnomon.calibration.numerics.proportions import clopper_pearson
from gnomon.calibration.sequential.certificates import CertificateCounts, certificate_bounds, decide_certificate
from gnomon.calibration.sequential.change_detection import change_evidence
from gnomon.calibration.sequential.confidence_sequences import (
    difference_evidence,
    log_evidence,
    log_evidence_below,
)
from gnomon.calibration.sequential.look_charges import spent_error
from gnomon.calibration.sequential.sequential_results import CertificateOutcome
from gnomon.calibration.transport.equivalence import RateCounts, compare_rates, decide_transport
from gnomon.calibration.transport.transport_results import TransportOutcome

SEED = 27
ERROR = 0.05
Figures = Mapping[str, float]


@dataclass(frozen=True)
class TravelWorld:
    """One simulation: its name, and a function of the generator that says what happened in one run."""

    name: str
    run: Callable[[np.random.Generator], Figures]


@cache
def _compared(learnt: tuple[int, int], used: tuple[int, int], margin: float) -> TransportOutcome:
    counts = RateCounts("control", "specificity", learnt, used)
    return compare_rates(counts, margin).outcome


def equivalence_world(learnt: int, used: int, rate: float, margin: float) -> TravelWorld:
    """Both tests at the edge of the margin, and where the rates are equal.

    Parameters
    ----------
    learnt, used : int
        Labelled trials in each place.
    rate : float
        Rate where the errors were learnt.
    margin : float
        The margin; the rate where they are used is lower by as much, or equal.
    """

    def run(random: np.random.Generator) -> Figures:
        there = (int(random.binomial(learnt, rate)), learnt)
        outcomes = [_compared(there, (int(random.binomial(used, p)), used), margin) for p in (rate - margin, rate)]
        return {
            "wrong pass": outcomes[0] is TransportOutcome.PASS,
            "wrong fail": outcomes[0] is TransportOutcome.FAIL,
            "right pass": outcomes[1] is TransportOutcome.PASS,
        }

    return TravelWorld(f"equivalence, {learnt} and {used} labels, rate {rate:g}, margin {margin:g}", run)


def family_world(places: int, n: int, rate: float, margin: float) -> TravelWorld:
    """Several places at the edge of the margin: any wrong pass, any wrong fail.

    Parameters
    ----------
    places, n : int
        Places, and labelled trials in each and where the errors were learnt.
    rate, margin : float
        As in `equivalence_world`.
    """

    def run(random: np.random.Generator) -> Figures:
        there = (float(random.binomial(n, rate)), float(n))
        here = random.binomial(n, rate - margin, size=places)
        rates = {
            str(i): [RateCounts("control", "specificity", there, (float(k), float(n)))] for i, k in enumerate(here)
        }
        outcomes = {each.outcome for each in decide_transport(rates, margin)}
        return {"wrong pass": TransportOutcome.PASS in outcomes, "wrong fail": TransportOutcome.FAIL in outcomes}

    return TravelWorld(f"{places} places at the edge, {n} labels each, rate {rate:g}, margin {margin:g}", run)


def sequence_world(rate: float, n: int) -> TravelWorld:
    """Limits at all of n times together, two-sided and upper.

    Parameters
    ----------
    rate : float
        The true rate.
    n : int
        Trials.
    """
    trials = np.arange(1, n + 1)

    def run(random: np.random.Generator) -> Figures:
        events = (random.random(n) < rate).cumsum()
        two = log_evidence(events, trials, rate) >= -math.log(ERROR)
        below = log_evidence_below(events, trials, rate) >= -math.log(ERROR)
        return {"outside at some time": bool(two.any()), "above the upper limit": bool(below.any())}

    return TravelWorld(f"confidence sequence, rate {rate:g}, {n} looks", run)


def difference_world(one: float, other: float, looks: int, step: int) -> TravelWorld:
    """Limits of a difference at several looks together.

    Parameters
    ----------
    one, other : float
        True rates.
    looks, step : int
        Looks, and trials of each sample between them.
    """

    def run(random: np.random.Generator) -> Figures:
        counts = np.cumsum([random.binomial(step, (one, other)) for _ in range(looks)], axis=0)
        missed = False
        for place, (a, b) in enumerate(counts, start=1):
            n = float(place * step)
            missed |= difference_evidence((float(a), n), (float(b), n), one - other) >= -math.log(ERROR)
        return {"outside at some time": missed}

    return TravelWorld(f"difference sequence, rates {one:g} and {other:g}, {looks} looks", run)


def change_world(rate: float, later: float, n: int) -> TravelWorld:
    """A change told where there is none, and found where the rate changes in the middle.

    Parameters
    ----------
    rate, later : float
        Rates before and after.
    n : int
        Trials.
    """

    def run(random: np.random.Generator) -> Figures:
        draws = random.random(n)
        changed = np.where(np.arange(n) < n // 2, draws < rate, draws < later)
        return {
            "told without a change": change_evidence(draws < rate).decided is not None,
            "found": change_evidence(changed).decided is not None,
        }

    return TravelWorld(f"change of {rate:g} (to {later:g}), {n} looks", run)


def certificate_world(
    rate: float, errors: tuple[float, float], n: int, labels: int, bound: float, looks: int
) -> TravelWorld:
    """A certificate where the rate is at the bound, and where it is well below.

    Parameters
    ----------
    rate : float
        True rate of the alternative.
    errors : (float, float)
        The judge's sensitivity and specificity.
    n, labels : int
        Judged trials, and labelled ones at the last look.
    bound : float
        The bound: under the null hypothesis the true rate.
    looks : int
        Looks while labels come; 1 takes the fixed limits.
    """

    def outcomes(random: np.random.Generator, true: float) -> set[CertificateOutcome]:
        truth = random.random(n) < true
        said = random.random(n) < np.where(truth, errors[0], 1 - errors[1])
        found = set()
        for seen in np.linspace(labels / looks, labels, looks).astype(int):
            known, heard = truth[:seen], said[:seen]
            counts = CertificateCounts(
                (float(said.sum()), float(n)),
                (float((heard & known).sum()), float(known.sum())),
                (float((heard & ~known).sum()), float((~known).sum())),
            )
            bounds = certificate_bounds(counts, error=ERROR, anytime=looks > 1)
            found.add(decide_certificate(bounds, bound, below=True)[0])
        return found

    def run(random: np.random.Generator) -> Figures:
        edge, low = outcomes(random, bound), outcomes(random, rate)
        return {
            "wrongly shown": CertificateOutcome.SHOWN in edge,
            "wrongly refuted": CertificateOutcome.REFUTED in edge,
            "rightly shown": CertificateOutcome.SHOWN in low,
        }

    judge = f"sensitivity {errors[0]:g}, specificity {errors[1]:g}"
    when = "one look" if looks == 1 else f"{looks} looks"
    return TravelWorld(f"certificate below {bound:g} ({rate:g}), {judge}, {n} judged, {labels} labels, {when}", run)


def looks_world(rate: float, n: int, looks: int) -> TravelWorld:
    """Intervals of several looks at the same labels, with and without the charge; a further judge at each look.

    Parameters
    ----------
    rate : float
        True rate of right verdicts of each judge.
    n, looks : int
        Labels, and looks.
    """

    def run(random: np.random.Generator) -> Figures:
        right = random.binomial(n, rate, size=looks)
        levels = {"charged": [1 - spent_error(k) for k in range(1, looks + 1)], "not charged": [1 - ERROR] * looks}
        missed = {}
        for name, each in levels.items():
            intervals = [clopper_pearson(k, n, confidence=level) for k, level in zip(right, each, strict=True)]
            missed[f"some interval misses, {name}"] = not all(one.low <= rate <= one.high for one in intervals)
        return missed

    return TravelWorld(f"{looks} looks at {n} labels, rate {rate:g}", run)


WORLDS = (
    equivalence_world(40, 30, 0.85, 0.15),
    equivalence_world(60, 60, 0.6, 0.2),
    equivalence_world(100, 60, 0.9, 0.1),
    equivalence_world(200, 100, 0.95, 0.1),
    family_world(3, 60, 0.9, 0.15),
    sequence_world(0.02, 1000),
    sequence_world(0.1, 1000),
    sequence_world(0.5, 1000),
    difference_world(0.1, 0.1, 10, 40),
    difference_world(0.05, 0.3, 10, 40),
    change_world(0.05, 0.3, 400),
    change_world(0.3, 0.6, 400),
    certificate_world(0.01, (0.9, 0.98), 1000, 300, 0.05, 1),
    certificate_world(0.01, (0.9, 0.98), 1000, 300, 0.05, 4),
    certificate_world(0.05, (0.7, 0.9), 1000, 150, 0.2, 1),
    certificate_world(0.05, (0.7, 0.9), 1000, 150, 0.2, 4),
    certificate_world(0.02, (0.95, 0.99), 2000, 100, 0.1, 4),
    looks_world(0.9, 60, 5),
    looks_world(0.95, 100, 20),
)


def simulate_worlds(out: Path, runs: int, only: str) -> Iterator[dict[str, object]]:
    """The worlds that a file has not yet, each with the share of runs in which each figure was so.

    Parameters
    ----------
    out : Path
        The file.
    runs : int
        Runs of each world.
    only : str
        Beginning of the names of the worlds that are wanted; all if empty.
    """
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    done = {row["world"] for row in map(json.loads, lines)}
    for place, world in enumerate(WORLDS):
        if world.name in done or not world.name.startswith(only):
            continue
        random = np.random.default_rng([SEED, place])
        shares = pd.DataFrame([dict(world.run(random)) for _ in range(runs)]).mean().round(4)
        yield {"world": world.name, "runs": runs, **{str(name): float(share) for name, share in shares.items()}}


def main() -> None:
    """Simulate what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    for row in simulate_worlds(given.out, given.runs, given.only):
        with given.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    for line in given.out.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        figures = ", ".join(f"{name} {value:.4f}" for name, value in row.items() if name not in ("world", "runs"))
        print(f"{row['world']} ({row['runs']} runs): {figures}")


if __name__ == "__main__":
    main()
