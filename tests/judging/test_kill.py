"""Killed with SIGKILL at any instant, a run loses nothing, doubles nothing, and pays again only for calls in flight."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gnomon.data.storage import tables

TARGET = Path(__file__).with_name("kill_target.py")
ROOT = TARGET.parents[2]
KILLS = 3


@pytest.mark.parametrize(("samples", "at_once"), [(1, 6), pytest.param(3, 4, marks=pytest.mark.slow)])
def test_killed_at_random_instants_it_comes_to_the_same_end(store, make_trial, server, samples, at_once):
    trials = [make_trial(replicate=number) for number in range(90)]
    chance = random.Random(samples)
    wanted, answer, reached = 0, server.script, threading.Event()

    def script(request):
        if wanted and len(server.judged) >= wanted:
            reached.set()
        return answer(request)

    server.script = script
    line = [sys.executable, str(TARGET), str(store.engine.url), server.url, str(samples), str(at_once)]
    for _ in range(KILLS):
        wanted = len(server.judged) + chance.randrange(5, 40)
        reached.clear()
        with subprocess.Popen(line, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL) as process:
            assert reached.wait(timeout=60)
            process.kill()
    subprocess.run(line, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, check=True, stdout=subprocess.DEVNULL)
    frame = store.read_frame(tables.verdicts)
    every = [(trial.id, sample) for trial in trials for sample in range(samples)]
    assert sorted(zip(frame["trial"], frame["sample"], strict=True)) == sorted(every)
    assert len(every) <= len(server.judged) <= len(every) + KILLS * at_once
