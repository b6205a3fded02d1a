"""Starts the app's server as a child process, prints its address, and stops it with its parent."""

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

# Blue and sky of the charts' palette; backgrounds as in gnomon.calibration.plotting.theme, so that charts
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
    """Every setting of the server as a flag, so that no file in the user's home has any effect.

    Parameters
    ----------
    address : str
        Address to listen on.
    port : int
        Port to listen on.
    secrets : Path
        TOML file with the settings of a login; it need not exist.
    """
    settings = {**_SETTINGS, "server.address": address, "server.port": str(port), "secrets.files": str(secrets)}
    return [part for name, value in settings.items() for part in (f"--{name}", value)]


def server_command(address: str, port: int, secrets: Path = Path(SECRETS)) -> list[str]:
    """The command line of the server, which runs until its standard input ends.

    Parameters
    ----------
    address : str
        Address to listen on.
    port : int
        Port to listen on.
    secrets : Path
        TOML file with the settings of a login; it need not exist.
    """
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
    """Start a server, which `end_server` stops; it stops by itself if this process is killed.

    The server has its own session: Ctrl-C reaches only the parent, which then stops the child in order.

    Parameters
    ----------
    command : sequence of str
        Command line, from `server_command`.
    environment : mapping of str to str
        Its whole environment.
    out : file
        Where standard output and standard error go.
    """
    return subprocess.Popen(
        command, env=environment, start_new_session=True, stdin=subprocess.PIPE, stdout=out, stderr=out
    )


def check_port(address: str, port: int) -> None:
    """Check that the port is free.

    Parameters
    ----------
    address : str
        Address to listen on.
    port : int
        Port to listen on.

    Raises
    ------
    InputError
        If it is not possible to listen on the port.
    """
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
    studies : sequence of (str, str)
        Names and database URLs of the studies; the first is shown first.
    address, port : str, int
        Where to listen. Any address other than the loopback address lets others read and label.
    open_browser : bool
        Whether to open the user's browser once the server answers.
    access : Access, optional
        How the server identifies people; by default it asks for a name and listens on the loopback address only.
    secrets : Path
        TOML file with the settings of a login (`gnomon.dashboard.auth.roles`).

    Returns
    -------
    int
        0 after a clean stop.

    Raises
    ------
    InputError
        If the port is in use, others could get in without a login, or a login lacks a setting; nothing was started
        then.
    GnomonError
        If the server ends or does not answer within a minute.
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
    """Return once the server answers.

    Parameters
    ----------
    url : str
        URL of the server.
    child : Popen
        Its process.
    patience : float
        Seconds to wait.

    Raises
    ------
    GnomonError
        If the server ends, or does not answer in time.
    """
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
    """Stop the child when the block ends, also on an error; Ctrl-C and a termination signal count as a clean stop."""

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
    """Terminate a server, and kill it if it does not stop."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    if child.stdin is not None:
        child.stdin.close()
