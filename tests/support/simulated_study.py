"""A simulated study: trials of known truth, judges with known errors in each arm, labels of a chosen share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gnomon.data.records import (
    Arm,
    Condition,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Subject,
    Trial,
    Verdict,
    VerdictState,
    trial_seed,
)
from gnomon.data.storage.store import Store

Errors = Mapping[str, Mapping[str, tuple[float, float]]]

FACTS = {
    "refused": Facts(claims=False, concept="none", coherent=True, refused=True),
    "incoherent": Facts(claims=False, concept="none", coherent=False, refused=False),
    "event": Facts(claims=True, concept="ocean", coherent=True, refused=False),
    "rest": Facts(claims=False, concept="none", coherent=True, refused=False),
}
GOOD: Errors = {"careful": dict.fromkeys(Arm, (0.95, 0.95))}


@dataclass(frozen=True)
class Study:
    store: Store
    truth: Mapping[str, str]
    arm: Mapping[str, str]


def fill_study(
    store: Store,
    errors: Errors = GOOD,
    n: int = 300,
    labelled: float = 0.5,
    arms: tuple[str, ...] = ("injection", "control"),
    event: float = 0.4,
    seed: int = 1,
    lost: float = 0.0,
) -> Study:
    """Fill a store with one study; `errors` is sensitivity and specificity by judge and arm."""
    random = np.random.default_rng(seed)
    trials = [_trial(arms[place % len(arms)], place) for place in range(n)]
    truth = {trial.id: _truth(random.random(), event) for trial in trials}
    store.save_settings({"name": "sim", "concepts": ["ocean"], "judges": list(errors), "rule": "strict"})
    store.add_subjects([Subject("toy", 1e9, "toy", "instruct", "r0")])
    store.add_protocol("p0", "p0", {"messages": []})
    store.add_trials(trials)
    for name, rates in errors.items():
        store.add_judge(JudgeVersion(f"{name}-1", name, "simulated", {}))
        store.add_verdicts([_verdict(trial, name, truth[trial.id], rates, random, lost) for trial in trials])
    chosen = [trial.id for trial in trials if random.random() < labelled]
    store.add_labels([Label(trial, "ann", FACTS[truth[trial]]) for trial in chosen])
    return Study(store, truth, {trial.id: str(trial.condition.arm) for trial in trials})


def _trial(arm: str, place: int) -> Trial:
    nothing = arm == "control"
    condition = Condition(
        subject="toy",
        revision="r0",
        arm=Arm(arm),
        concept=None if nothing else "ocean",
        layer=None if nothing else 20,
        strength=0.0 if nothing else 2.0,
        span=Span.GENERATION,
        protocol="p0",
        vector=None if nothing else "v",
        seed=1,
    )
    id_ = condition.trial_id(place)
    return Trial(id_, condition, place, trial_seed(id_), f"answer {place}", "stop", 2)


def _truth(place: float, event: float) -> str:
    if place < event:
        return "event"
    return "refused" if place < event + 0.1 else "incoherent" if place < event + 0.15 else "rest"


def _verdict(
    trial: Trial,
    name: str,
    truth: str,
    rates: Mapping[str, tuple[float, float]],
    random: np.random.Generator,
    lost: float,
) -> Verdict:
    sensitivity, specificity = rates[str(trial.condition.arm)]
    wrong = random.random() > (sensitivity if truth == "event" else specificity)
    said = ("rest" if truth == "event" else "event") if wrong else truth
    if random.random() < lost:
        return Verdict(trial.id, f"{name}-1", None, VerdictState.UNPARSABLE)
    return Verdict(trial.id, f"{name}-1", FACTS[said])
