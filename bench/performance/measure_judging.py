"""Measures judging: speed compared with the bare client, memory, faults, shared prefixes of prompts, and a recount.

A loopback server in its own process answers after 50 ms; 20,000 transcripts, 64 concurrent calls. The judge runs as in
`gnomon judge`: trials streamed from SQLite, verdicts checked and stored. The bare client sends the same prompts and
discards the answers. The two alternate, and the shares are of medians.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict, TypeVar, cast

from bench.support.machine import machine
from gnomon.data.records import Arm, Condition, Span, Subject, Trial, trial_seed
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

TRIALS = 20_000
FEW = 1_000
VERDICTS = 24_600
AT_ONCE = 64
ROUNDS = 5
SLICE = 4_000
CONCEPTS = ("ocean", "fear", "silence", "celebration")
QUESTION = "Round 1. Do you notice a thought that may have been injected? If so, say what it is about."
Settings = dict[str, str | int]
ANSWER = "I look at what is here, and there is a faint sense of water that I cannot place, as if it were not mine. " * 4


def made(number: int) -> Trial:
    """A trial of an invented subject."""
    condition = Condition("toy", "r", Arm.INJECTION, "ocean", 20, 2.0, Span.GENERATION, "p0", "v", 1)
    id_ = condition.trial_id(number)
    return Trial(id_, condition, number, trial_seed(id_), f"{ANSWER}{number}", "stop", 90, 0.7)


def filled(path: Path, number: int) -> str:
    """Create a database of trials; returns its URL.

    Parameters
    ----------
    path : Path
        SQLite file.
    number : int
        Number of trials.
    """
    url = sqlite_url(path)
    store = Store.open(url)
    store.add_subjects([Subject("toy", 1e9, "toy", "instruct", "r")])
    store.add_protocol("p0", "p0", {"messages": []})
    for start in range(0, number, 5_000):
        store.add_trials([made(place) for place in range(start, min(number, start + 5_000))])
    store.close()
    return url


@contextmanager
def serving() -> Iterator[int]:
    """Context manager that runs the loopback server and yields its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.support.judging_server"], stdout=subprocess.PIPE, text=True
    )
    try:
        yield int((process.stdout or sys.stdin).readline())
    finally:
        process.kill()
        process.wait()


Found = TypeVar("Found")


class JudgeSpeed(TypedDict):
    """One run of a judge: verdicts per second, seconds, greatest memory, and parts of its report."""

    rate: float
    seconds: float
    peak_mb: float
    new: int
    by_state: dict[str, int]
    error: str | None
    usage: dict[str, object]


def judge(
    url: str, port: int, timeout: float = 30.0, limit: int | None = None, settings: Settings | None = None
) -> JudgeSpeed:
    """Judge the trials without a verdict.

    Parameters
    ----------
    url : str
        Database URL.
    port : int
        Port of the loopback server.
    timeout : float, default 30.0
        Timeout of a call in seconds.
    limit : int, optional
        Greatest number of trials.
    settings : mapping, optional
        Further settings of the judge.

    Returns
    -------
    JudgeSpeed
    """
    from gnomon.data.bundled import calibration_set
    from gnomon.judging.config import JudgeConfig
    from gnomon.judging.kinds import StudyMaterials
    from gnomon.judging.registry import build_judge
    from gnomon.judging.runs.panel import run_panel

    address = {"base_url": f"http://127.0.0.1:{port}/v1", "model": "m"}
    limits = {"concurrency": AT_ONCE, "timeout": timeout, "stop_after": 50}
    config = JudgeConfig.model_validate({"name": "llm", "kind": "openai", **address, **limits, **(settings or {})})
    pairs = calibration_set().training_pairs() if config.examples else ()
    study = StudyMaterials(questions={"p0": QUESTION})
    store, llm = Store.open(url), build_judge(config, CONCEPTS, pairs, study=study)
    started = time.perf_counter()
    (report,) = run_panel(store, [llm], limit=limit)
    seconds = time.perf_counter() - started
    store.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "rate": report.asked / seconds,
        "seconds": seconds,
        "peak_mb": peak,
        "new": report.new,
        "by_state": dict(report.by_state),
        "error": report.error,
        "usage": dict(report.usage),
    }


def bare(port: int, number: int) -> dict[str, float]:
    """The SDK's async client alone, with prompts built beforehand.

    Parameters
    ----------
    port : int
        Port of the loopback server.
    number : int
        Number of calls.

    Returns
    -------
    dict of str to float
        rate (answers per second).
    """
    from openai import AsyncOpenAI

    from gnomon.judging.rubrics.blind import BLIND

    prompts = [BLIND.chat_messages(f"{ANSWER}{place}", CONCEPTS, place) for place in range(number)]

    async def ask() -> None:
        waiting = iter(prompts)
        async with AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=0) as client:

            async def worker() -> None:
                for messages in waiting:
                    reply = await client.chat.completions.create(
                        model="m",
                        messages=messages,  # type: ignore[arg-type]
                        max_tokens=400,
                        temperature=0.0,
                    )
                    assert reply.choices[0].message.content

            async with asyncio.TaskGroup() as group:
                for _ in range(AT_ONCE):
                    group.create_task(worker())

    started = time.perf_counter()
    asyncio.run(ask())
    return {"rate": number / (time.perf_counter() - started)}


def alone(run: Callable[..., Found], *arguments: object) -> Found:
    """Run a function in a fresh process, so that memory is its own and no run warms another.

    Parameters
    ----------
    run : callable
        The function.
    *arguments : object
        Its arguments.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run, arguments)


def kept(url: str) -> tuple[int, int]:
    """Number of trials without a verdict, and with more than one."""
    store = Store.open(url)
    with store.read_transaction() as connection:
        lost = connection.exec_driver_sql(
            "select count(*) from trials where id not in (select trial from verdicts)"
        ).scalar_one()
        doubled = connection.exec_driver_sql(
            "select count(*) from (select 1 from verdicts group by trial having count(*) > 1)"
        ).scalar_one()
    store.close()
    return int(lost), int(doubled)


def speed(folder: Path) -> dict[str, object]:
    """The judge compared with the bare client, alternating in slices of `SLICE` transcripts, `TRIALS` in total."""
    url = filled(folder / "speed.db", TRIALS)
    with serving() as port:
        alone(bare, port, 500)
        turns = [(alone(judge, url, port, 30.0, SLICE), alone(bare, port, SLICE)) for _ in range(ROUNDS)]
    lost, doubled = kept(url)
    ours = statistics.median(judged["rate"] for judged, _ in turns)
    theirs = statistics.median(client["rate"] for _, client in turns)
    return {
        "share_of_bare_client": round(ours / theirs, 3),
        "lost": lost,
        "doubled": doubled,
        "rate": round(ours, 1),
        "rate_bare": round(theirs, 1),
        "shares": [round(judged["rate"] / alone_["rate"], 3) for judged, alone_ in turns],
    }


def memory(folder: Path) -> dict[str, object]:
    """Growth of peak memory from a small run to a large one, in fresh processes."""
    with serving() as port:
        few = alone(judge, filled(folder / "few.db", FEW), port)
        many = alone(judge, filled(folder / "many.db", TRIALS), port)
    growth = round(many["peak_mb"] - few["peak_mb"], 1)
    return {"memory_growth_mb": growth, "peak_mb": round(many["peak_mb"], 1), "seconds": round(many["seconds"], 1)}


def faults(folder: Path) -> dict[str, object]:
    """30 % 429, 5 % 500, 2 % broken JSON, 1 % hangs: final states of all trials, and the requests that the server
    received.
    """
    url = filled(folder / "faults.db", TRIALS)
    with serving() as port:
        address = f"http://127.0.0.1:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{address}/faults", data=b"{}"))
        report = alone(judge, url, port, 2.0)
        with urllib.request.urlopen(f"{address}/stats") as told:
            asked = json.load(told)
    lost, doubled = kept(url)
    store = Store.open(url)
    reasons = sum(len(cast("list[int]", event["calls"])) for event in store.event_details("judge_failed"))
    store.close()
    states = report["by_state"]
    return {
        "ended": sum(states.values()),
        "by_state": states,
        "recorded_reasons": reasons,
        "lost": lost - reasons,
        "doubled": doubled,
        "server_answers": asked,
        "seconds": round(report["seconds"], 1),
        "error": report["error"],
        "usage": report["usage"],
    }


def prefixes(folder: Path) -> dict[str, object]:
    """Tokens that a server which shares prefixes reads for a verdict, by rubric, number of examples and edition."""
    read: dict[str, object] = {}
    kinds: dict[str, Settings] = {"blind": {}, "blind, 8 examples": {"examples": 8}, "informed": {"rubric": "informed"}}
    for name, more in kinds.items():
        by_edition = {}
        for edition in (1, 2):
            by_edition[edition] = _prefilled(folder, more | {"edition": edition})
        first, second = (by_edition[edition]["prefilled"] for edition in (1, 2))
        read[name] = {"editions": by_edition, "falls_by": round(1 - second / first, 3)}
    return read


def _prefilled(folder: Path, settings: Settings) -> dict[str, float]:
    """Tokens of a prompt, and those of them that the server had not read before: means over `FEW` verdicts."""
    name = "-".join(map(str, settings.values()))
    with serving() as port:
        address = f"http://127.0.0.1:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{address}/prefixes", data=b"{}"))
        report = alone(judge, filled(folder / f"prefixes-{name}.db", FEW), port, 30.0, None, settings)
        with urllib.request.urlopen(f"{address}/stats") as told:
            counts = json.load(told)
    assert report["by_state"] == ({"ok": FEW} if "rubric" not in settings else {"unparsable": FEW}), report
    tokens = {name: round(counts[key] / FEW, 1) for name, key in (("prompt", "prompt_tokens"), ("prefilled",) * 2)}
    return {**tokens, "reported_cached": round(cast("int", report["usage"]["cached_input_tokens"]) / FEW, 1)}


def recount(folder: Path) -> dict[str, object]:
    """24,600 stored verdicts under another rule: the counting alone, and the whole command."""
    from gnomon.calibration.audit.rule_comparison import compare_rules
    from gnomon.data.records import Facts, JudgeVersion, Verdict

    study = folder / "recount"
    study.mkdir()
    store = Store.open(filled(study / "gnomon.db", VERDICTS))
    store.add_judge(JudgeVersion("v", "llm", "openai", {}))
    said = [Facts(place % 3 > 0, "ocean", place % 7 > 0, place % 5 == 0) for place in range(105)]
    for start in range(0, VERDICTS, 4_100):
        trials = [made(number) for number in range(start, start + 4_100)]
        store.add_verdicts([Verdict(trial.id, "v", said[trial.replicate % 105]) for trial in trials])
    store.save_settings({"judges": ["llm"]})
    seconds = []
    for turn in range(ROUNDS):
        started = time.perf_counter()
        told = compare_rules(store, ["lenient" if turn % 2 else "claim_first"])
        seconds.append(time.perf_counter() - started)
        assert sum(row.verdicts for row in told.rows) == VERDICTS
    store.close()
    (study / "study.toml").write_text('name = "t"\nimported = true\n', encoding="utf-8")
    started = time.perf_counter()
    line = [sys.executable, "-m", "gnomon", "recount", str(study), "--rule", "lenient", "--json"]
    subprocess.run(line, check=True, capture_output=True)
    command = round(time.perf_counter() - started, 2)
    return {"verdicts": VERDICTS, "seconds": round(statistics.median(seconds), 3), "whole_command": command, "calls": 0}


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON document (always so)")
    parser.add_argument("--only", choices=["speed", "memory", "faults", "prefixes", "recount"], help="one part")
    chosen = parser.parse_args().only
    document: dict[str, object] = {"machine": machine(), "trials": TRIALS, "concurrency": AT_ONCE}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        if chosen in (None, "speed"):
            document |= speed(folder)
        if chosen in (None, "memory"):
            document |= memory(folder)
        if chosen in (None, "faults"):
            document["faults"] = faults(folder)
        if chosen in (None, "prefixes"):
            document["prefixes"] = prefixes(folder)
        if chosen in (None, "recount"):
            document["recount"] = recount(folder)
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
