"""The app behind its guard, as the server runs it: `streamlit run` finds the application by its assignment here."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

from gnomon.dashboard.server.chunk_preload import ChunkPreload, chunks_of
from gnomon.dashboard.server.launch import HOSTS, hosts_from_environment
from gnomon.dashboard.server.page_preload import pages_preloaded
from gnomon.dashboard.server.request_guard import RequestGuard

SCRIPT = Path(__file__).parents[1] / "app.py"

application = App(
    SCRIPT,
    lifespan=pages_preloaded,
    middleware=[
        Middleware(RequestGuard, hosts=hosts_from_environment(os.environ.get(HOSTS))),
        Middleware(ChunkPreload, chunks=chunks_of()),
    ],
)
