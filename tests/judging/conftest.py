"""A scripted server for each test, and the config of a judge that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from judging_server import Server

from gnomon.judging.config import JudgeConfig


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def config(server: Server) -> Callable[..., JudgeConfig]:
    """A judge at the scripted server."""

    def make(**more: Any) -> JudgeConfig:
        return JudgeConfig(**{"name": "llm", "kind": "openai", "base_url": server.url, "model": "m", **more})

    return make
