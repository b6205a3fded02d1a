"""A real server with a real model, end to end: `transformers serve` with the embedded subject as a poor judge."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from gnomon.data.storage import tables
from gnomon.generation.subjects.embedded import ensure_converted
from gnomon.judging.config import JudgeConfig
from gnomon.judging.registry import build_judge
from gnomon.judging.runs.panel import run_panel

pytestmark = pytest.mark.model
CONCEPTS = ("ocean", "fear", "silence", "celebration")
PATIENCE = 120.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    """Ask for the server's health until it answers, it ends, or patience does."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"transformers serve did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def model() -> str:
    return str(ensure_converted())


@pytest.fixture(scope="module")
def address(model: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server pinned to the embedded subject's folder, offline, on loopback."""
    port, log = free_port(), tmp_path_factory.mktemp("serve") / "log"
    command = [str(Path(sys.executable).with_name("transformers")), "serve", model, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--device", "cpu", "--default-seed", "0"]
    # one thread: several wait for one another where other tests keep the cores busy
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_a_real_server_is_probed_asked_and_resumed(address, model, store, make_trial):
    trial = make_trial(answer="I notice a vast ocean that is not my own thought.")
    limits = {"max_tokens": 24, "concurrency": 1, "timeout": 300, "logprobs": True}
    config = JudgeConfig(name="smol", kind="openai", base_url=address, model=model, **limits)
    (report,) = run_panel(store, [build_judge(config, CONCEPTS)])
    assert report.error is None
    assert report.enforces_schema is False
    assert report.usage["adapted"] == ["it gives no log-probabilities of its answers, so verdicts have no scores"]
    assert (report.asked, report.new) == (1, 1)
    verdicts = store.read_frame(tables.verdicts)
    assert list(verdicts["trial"]) == [trial.id]
    assert (verdicts["input_tokens"] > 400).all()
    assert verdicts["output_tokens"].between(1, 24).all()
    assert (verdicts["raw"].str.len() > 0).all()
    (again,) = run_panel(store, [build_judge(config, CONCEPTS)])
    assert (again.asked, again.already) == (0, 1)


def test_a_model_that_the_server_does_not_have_is_one_clear_line(address, store, make_trial):
    make_trial()
    config = JudgeConfig(name="smol", kind="openai", base_url=address, model="no-such-model", concurrency=1)
    (report,) = run_panel(store, [build_judge(config, CONCEPTS)])
    assert report.new == 0
    assert report.error is not None
    assert "no-such-model" in report.error
    assert "\n" not in report.error
