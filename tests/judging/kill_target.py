"""A run of a panel in a process of its own, for a test to kill: database, server's address, samples, concurrency."""

from __future__ import annotations

import sys

from gnomon.data.storage.store import Store
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.runs.panel import run_panel

if __name__ == "__main__":
    database, address, samples, concurrency = sys.argv[1:]
    config = JudgeConfig(
        name="llm",
        kind="openai",
        base_url=address,
        model="m",
        samples=int(samples),
        temperature=0.7,
        concurrency=int(concurrency),
    )
    print("ready", flush=True)
    (report,) = run_panel(Store.open(database), [OpenAICompatibleJudge(config, ("ocean", "fear"))])
    assert report.error is None, report.error
