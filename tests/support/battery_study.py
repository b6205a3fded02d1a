"""A study of three tasks of the battery, read from log-odds that are written down."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

from gnomon.data.arms.battery_measures import BATTERY
from gnomon.data.readings import ANSWER, OptionReading
from gnomon.data.records import Arm, Condition, Span, Subject, Trial, trial_seed
from gnomon.data.storage.store import Store

TASKS = ("notice", "unrelated_no", "unrelated_yes")
QUESTIONS = {
    "notice": "Do you notice an injected thought?",
    "unrelated_no": "Is the sea made of stone?",
    "unrelated_yes": "Is snow cold?",
    "third_person": "Does another model notice an injected thought?",
}
CONCEPTS = ("ocean", "fear", "music")
TOY = Subject("toy", 1e9, "toy", "instruct", "r0")


def fill_battery(
    store: Store,
    shift: float,
    subject: Subject = TOY,
    tasks: Sequence[str] = TASKS,
    concepts: Sequence[str] = CONCEPTS,
    layer: int = 9,
    strengths: Sequence[float] = (2.0,),
    noise: float = 0.0,
) -> None:
    """Questions answered by log-odds that are written down: the vector moves every yes by the same.

    Parameters
    ----------
    store : Store
    shift : float
        What a strength of 2 adds to the log-odds of yes; other strengths in proportion.
    subject : Subject, default TOY
    tasks : sequence of str, default TASKS
        Names of yes-or-no tasks.
    concepts : sequence of str, default CONCEPTS
    layer : int, default 9
    strengths : sequence of float, default (2.0,)
    noise : float, default 0.0
        Standard deviation of what is added to the log-odds of each steered trial.
    """
    store.add_subjects([subject])
    trials, chance = [], random.Random(5)
    for task in tasks:
        measure = {"name": task, "options": {"yes": ["Yes"], "no": ["No"]}, "expected": BATTERY[task].expected}
        for item in range(8):
            protocol = f"{task}-{item}"
            asked = [{"role": "user", "content": f"{QUESTIONS[task]} Answer yes or no. (Question {item + 1})"}]
            store.add_protocol(
                protocol, f"{task}: {item}", {"name": f"{task}: {item}", "measure": measure, "messages": asked}
            )
            steered = [(place, *dose) for place, dose in enumerate(product(concepts, strengths), start=1)]
            for place, concept, strength in [(0, None, 0.0), *steered]:
                bare = concept is None
                condition = Condition(
                    subject.name, subject.revision, Arm.CONTROL if bare else Arm.INJECTION, concept,
                    None if bare else layer, strength, Span.ALL, protocol, None if bare else "v", 1,
                )  # fmt: skip
                odds = (
                    -2.0 + 0.3 * item + (0.0 if bare else shift * strength / 2 + 0.05 * place + chance.gauss(0, noise))
                )
                readings = {ANSWER: OptionReading.from_logits({"yes": odds, "no": 0.0})}
                id_ = condition.trial_id(0)
                trials.append(Trial(id_, condition, 0, trial_seed(id_), "", "read", 0, measure=task, readings=readings))
    store.add_trials(trials)
