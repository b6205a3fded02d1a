"""A subject that notices nothing, whatever it prefers, is at chance in every task that has a chance level."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from gnomon.data.arms.battery_measures import BATTERY, AnsweredTask, expected_option, observe_task
from gnomon.data.readings import OptionReading
from gnomon.generation.battery.task_prompts import BatteryItem, task_protocol
from gnomon.stats.measures.battery_summary import summarise_task
from gnomon.stats.measures.measured_trials_frame import checked_frame

CONCEPTS = ("silence", "fear", "celebration", "ocean")
GUESSED = [name for name, task in BATTERY.items() if task.is_guessable]


def sham_rows(task: str, seed: int, items: int = 8) -> Iterator[dict[str, object]]:
    """Readings of a subject with fixed preferences for places and for words, and noise of its own for each prompt."""
    random = np.random.default_rng(seed)
    places, words = random.normal(0, 2, 10), dict(zip(CONCEPTS, random.normal(0, 2, 4), strict=True))
    for concept in CONCEPTS:
        for number in range(items):
            protocol = task_protocol(BatteryItem(task, concept, CONCEPTS, number))
            assert protocol.measure is not None
            names = [name for name, _ in protocol.measure.options]
            noise = np.random.default_rng([seed, *map(ord, protocol.messages[-1].content)]).normal(0, 1, len(names))
            likes = np.array([places[place] + words.get(name, 0.0) for place, name in enumerate(names)]) + noise
            chosen = likes - np.logaddexp.reduce(likes)
            reading = OptionReading(dict(zip(names, map(float, chosen), strict=True)), 1.0)
            expected = expected_option(BATTERY[task].expected, concept, protocol.span)
            seen = observe_task(BATTERY[task], AnsweredTask("", reading, {}, expected, concept))
            item = protocol.name.partition(": ")[2]
            yield {
                **{"subject": "toy", "task": task, "arm": "sham", "concept": concept, "layer": 1, "strength": 0.0},
                **{"item": item, "pair": f"{concept}: {item}" if BATTERY[task].is_paired else None},
                **{"k": len(names), "chance": BATTERY[task].chance(len(names)), "span": str(protocol.span)},
                **{"correct": float(bool(seen.correct)), "p_correct": seen.p_correct, "picked": seen.picked},
                **{"expected": expected, "log_odds_yes": None, "score": None},
            }


@pytest.mark.parametrize("task", GUESSED)
def test_a_subject_with_preferences_only_is_at_chance(task: str) -> None:
    inside, means = [], []
    for seed in range(12):
        row = summarise_task(checked_frame(pd.DataFrame(sham_rows(task, seed))), "toy", task)
        (rate,) = row.rates
        assert rate.headline is not None
        assert row.chance is not None
        inside.append(rate.headline.low <= row.chance <= rate.headline.high)
        means.append(rate.value - row.chance)
    assert sum(inside) >= 11
    assert abs(np.mean(means)) < 0.03
