"""From a judge's server to calibrated scores: judged over HTTP with log-probabilities, labelled, calibrated."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from judging_quirks import is_probe, last
from judging_server import Answer, Server
from judging_tokens import chat_logprobs

from gnomon.calibration.graded.graded_results import GradedCalibration
from gnomon.calibration.graded.study_calibration import graded_calibration
from gnomon.data.records import Facts, Label, Trial
from gnomon.data.storage.store import Store
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.runs.panel import run_panel

TRIALS = 200


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def grading(request: dict[str, Any]) -> Answer:
    """A judge that is unsure: its P(yes) of a claim stands in the response, and it says yes from one half on."""
    if is_probe(request):
        return Answer("ready")
    sure = int(last(request).partition("sure ")[2].partition(" ")[0]) / 1000
    facts = {"claims": sure >= 0.5, "concept": "ocean" if sure >= 0.5 else "none", "coherent": True, "refused": False}
    text = json.dumps({key: value for name in facts for key, value in ((f"{name}_quote", ""), (name, facts[name]))})
    shares = {
        '"claims": ': {"true": sure, "false": 0.999 - sure},
        '"concept": "': {facts["concept"]: 0.9, "fear": 0.05},
    }
    choice = {
        "index": 0,
        "message": {"content": text},
        "finish_reason": "stop",
        "logprobs": chat_logprobs(text, shares),
    }
    usage = {"prompt_tokens": 1000, "completion_tokens": 60, "total_tokens": 1060}
    return Answer(raw=json.dumps({"choices": [choice], "usage": usage}).encode())


def test_scores_over_http_calibrate_the_event_rate(
    store: Store, server: Server, make_trial: Callable[..., Trial]
) -> None:
    """Events begin at P(yes) of .8, where the judge, which says yes from .5 on, has many false alarms."""
    server.script = grading
    store.save_settings({"name": "graded", "concepts": ["ocean", "fear"], "judges": ["llm"], "rule": "strict"})
    drawn = random.Random(3)
    sureness = [drawn.randrange(2, 998) for _ in range(TRIALS)]
    first = make_trial(arm="control", answer=f"sure {sureness[0]} or so")
    made = [
        replace(first, id=first.condition.trial_id(place), replicate=place, answer=f"sure {sure} or so")
        for place, sure in enumerate(sureness)
    ]
    store.add_trials(made[1:])
    config = JudgeConfig(
        name="llm", kind="openai", base_url=server.url, model="m", logprobs=True, concurrency=32, edition=2
    )
    judge = OpenAICompatibleJudge(config, ("ocean", "fear"), sleep=at_once)
    (report,) = run_panel(store, [judge])
    assert (report.error, report.usage["scored"]) == (None, TRIALS)
    claim, calm = Facts(True, "ocean", True, False), Facts(False, "none", True, False)
    is_event = {trial.id: sure > 800 for trial, sure in zip(made, sureness, strict=True)}
    labelled = [trial for trial in made if drawn.random() < 0.5]
    store.add_labels([Label(trial.id, "ann", claim if is_event[trial.id] else calm) for trial in labelled])

    found = graded_calibration(store, judge.version.version)
    assert isinstance(found, GradedCalibration)
    assert found.splits == ("train", "dev")
    (arm,) = found.arms
    assert arm.unscored == arm.left_out == 0
    assert len(arm.curve) > 2
    assert arm.curve[0].share.value < 0.1
    assert arm.curve[-1].share.value > 0.8
    assert arm.threshold.chosen.threshold == pytest.approx(0.8, abs=0.08)
    assert arm.estimate.low <= sum(is_event.values()) / TRIALS <= arm.estimate.high
    assert arm.width_ratio < 0.9
