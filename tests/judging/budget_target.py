"""A run of a judge with a price and a budget in a process of its own: database, server's address, budget."""

from __future__ import annotations

import sys

from gnomon.data.storage.store import Store
from gnomon.judging.config import JudgeConfig
from gnomon.judging.judges.openai_compatible import OpenAICompatibleJudge
from gnomon.judging.runs.panel import run_panel

if __name__ == "__main__":
    database, address, budget = sys.argv[1:]
    config = JudgeConfig.model_validate(
        {
            "name": "llm",
            "kind": "openai",
            "base_url": address,
            "model": "m",
            "concurrency": 8,
            "price": {"input": 1.0, "output": 1.0},
            "budget": float(budget),
        }
    )
    print("ready", flush=True)
    (report,) = run_panel(Store.open(database), [OpenAICompatibleJudge(config, ("ocean", "fear"))])
    print(report.error)
