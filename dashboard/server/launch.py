"""Starts the app's server as a child process, says where it answers, and ends it with its parent."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

from gnomon.dashboard.auth.roles import SECRETS, Access, check_address
from gnomon.dashboard.auth.roles import VARIABLE as ACCESS
from gnomon.dashboard.study_picker import VARIABLE, encode_studies
from gnomon.data.errors import GnomonError, InputError

APP = Path(__file__).parents[1] / "app.py"
PATIENCE = 60.0
GRACE = 5.0

# Blue and sky of the charts' palette; grounds equal to those of gnomon.calibration.plotting.theme, so that charts
# have no frame.
_SETTINGS: dict[str, str] = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "browser.gatherUsageStats": "false",
    "logger.hideWelcomeMessage": "true",
    "logger.level": "warning",
    "logger.enableRich": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "client.showErrorLinks": "false",
    "theme.baseFontSize": "15",
    "theme.headingFontSizes": '["2rem", "1.5rem", "1.3rem", "1.1rem"]',
    "theme.paddingTop": "1rem",
    "theme.paddingBottom": "4rem",
    "theme.metricValueFontSize": "1.7rem",
    "theme.light.primaryColor": "#005F99",
    "theme.light.backgroundColor": "#FFFFFF",
    "theme.light.secondaryBackgroundColor": "#F3F5F8",
    "theme.light.textColor": "#08090D",
    "theme.dark.primaryColor": "#1579BA",
    "theme.dark.backgroundColor": "#0E1117",
    "theme.dark.secondaryBackgroundColor": "#1B1F29",
    "theme.dark.textColor": "#F4F5F7",
}


def server_flags(address: str, port: int, secrets: Path = Path(SECRETS)) -> list[str]:
    """Every setting of the server as a flag, so that no file in the user's home decides anything."""
    settings = {**_SETTINGS, "server.address": address, "server.port": str(port), "secrets.files": str(secrets)}
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


def server_command(address: str, port: int, secrets: Path = Path(SECRETS)) -> list[str]:
    """The command line of the server, which runs until its standard input ends; `secrets` need not be there."""
    return [
        sys.executable,
        "-P",  # no module of the folder it is started in is imported
        "-m",
        "gnomon.dashboard.server.child_process",
        "run",
        str(APP),
        *server_flags(address, port, secrets),
    ]


def start_server(command: Sequence[str], environment: Mapping[str, str], out: IO[Any]) -> subprocess.Popen[bytes]:
    """Start a server, which `end` ends; it ends by itself where this process is killed.

    It has a session of its own: Ctrl-C reaches the parent alone, which then stops the child in order.
    """
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdin=subprocess.PIPE, stdout=out, stderr=out
    )


def check_port(address: str, port: int) -> None:
    """Raise `InputError` where the port cannot be listened on."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                problem = f"port {port} is in use: stop what listens there, or choose another with --port"
            else:
                problem = f"{address} port {port} cannot be listened on ({error.strerror}): choose another with --port"
            raise InputError(problem) from error


def serve_studies(
    studies: Sequence[tuple[str, str]],
    *,
    address: str = "127.0.0.1",
    port: int = 8501,
    open_browser: bool = False,
    access: Access | None = None,
    secrets: Path = Path(SECRETS),
) -> int:
    """Serve studies until stopped by Ctrl-C or a termination signal.

    Parameters
    ----------
    studies : sequence of (name, database URL)
        What the app shows; the first is shown first.
    address, port : str, int
        Where to listen. Anything but the loopback address lets others read and label.
    open_browser : bool
        Whether to open the user's browser once the server answers.
    access : Access, optional
        How the server knows people; without one it asks for a name, and listens on the loopback address alone.
    secrets : Path
        The file that holds what a login needs (`gnomon.dashboard.auth.roles`).

    Returns
    -------
    int
        0 after a clean stop.

    Raises
    ------
    InputError
        Where the port is in use, others could get in without a login, or a login lacks what it needs; nothing was
        started then.
    GnomonError
        Where the server ends or does not answer within a minute.
    """
    access = access or Access()
    check_address(access, address, secrets)
    check_port(address, port)
    known = {VARIABLE: encode_studies(studies), ACCESS: access.to_environment()}
    environment = {**os.environ, **known, "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false"}
    child = start_server(server_command(address, port, secrets), environment, sys.stderr)
    status = 0
    with _stop_with_child(child):
        url = f"http://{'[' + address + ']' if ':' in address else address}:{port}"
        wait_until_up(url, child)
        print(f"dashboard: {url} (Ctrl-C stops it)", flush=True)
        if open_browser:
            webbrowser.open(url)
        status = child.wait()
    if status:
        raise GnomonError(f"dashboard: the server ended with status {status}: see its last lines above")
    return 0


def wait_until_up(url: str, child: subprocess.Popen[bytes], patience: float = PATIENCE) -> None:
    """Return once the server answers; raises `GnomonError` where it ends or stays silent."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if (status := child.poll()) is not None:
            raise GnomonError(f"dashboard: the server ended with status {status} before it answered: see above")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):  # nosec B310: our own server
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise GnomonError(f"dashboard: no answer at {url} within {patience:.0f} s: try again, or another --port")


@contextmanager
def _stop_with_child(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """End the child however the block ends; Ctrl-C and a termination signal count as a clean stop."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print("\ndashboard: stopped", flush=True)
    finally:
        signal.signal(signal.SIGTERM, before)
        end_server(child)


def end_server(child: subprocess.Popen[bytes]) -> None:
    """Ask a server to stop, and make it where it does not."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdin is not None:
        child.stdin.close()
