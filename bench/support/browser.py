"""A served dashboard and a Chromium to view it, for measurements and tests."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from gnomon.dashboard.auth.roles import SECRETS
from gnomon.dashboard.server import launch
from gnomon.dashboard.study_picker import VARIABLE, encode_studies

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
ANSWER = '.st-key-answer [data-testid="transcript"]'
READY = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def executable() -> str | None:
    """Path of the machine's own Chromium; None leaves the choice to Playwright."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def serving(
    studies: Mapping[str, str],
    log: Path,
    settings: Mapping[str, str] | None = None,
    secrets: Path = Path(SECRETS),
) -> Iterator[str]:
    """Context manager that runs a dashboard server exactly as `serve` does, and yields its address.

    Parameters
    ----------
    studies : mapping of str to str
        Database URL of each study, by name.
    log : Path
        File for the server's output.
    settings : mapping of str to str, optional
        Further environment variables.
    secrets : Path, default Path(SECRETS)
        File of the login settings.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, VARIABLE: encode_studies(list(studies.items())), **(settings or {})}
    with log.open("wb") as out:
        child = launch.start_server(launch.server_command("127.0.0.1", port, secrets), environment, out)
        try:
            launch.wait_until_up(f"http://127.0.0.1:{port}", child)
            yield f"http://127.0.0.1:{port}"
        finally:
            launch.end_server(child)
