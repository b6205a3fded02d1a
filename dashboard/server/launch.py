"""Starts the app's server as a child process, prints its address, and stops it with its parent."""

from __future__ import annotations

import errno
import json
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
from urllib.parse import urlsplit

from gnomon.dashboard.auth.roles import LOOPBACK, SECRETS, Access, check_address, read_login
from gnomon.dashboard.auth.roles import VARIABLE as ACCESS
from gnomon.dashboard.server.module_path import VARIABLE as MODULE_PATH
from gnomon.dashboard.server.module_path import absolute_path
from gnomon.dashboard.study_picker import STARTED_IN, VARIABLE, encode_studies
from gnomon.data.errors import GnomonError, InputError
from gnomon.data.storage.engines import absolute_url

APP = Path(__file__).with_name("guarded_app.py")
HOSTS = "GNOMON_HOSTS"
"""Environment variable: the names and addresses under which the server answers, a JSON list."""
PATIENCE = 60.0
GRACE = 5.0

# Blue and sky of the charts' palette; backgrounds as in gnomon.calibration.plotting.theme, so that charts
# have no frame.
_SETTINGS: dict[str, str] = {
    "server.headless": "true",
    "server.fileWatcherType": "none",
    "server.enableXsrfProtection": "true",
    "server.enableCORS": "true",
    "server.enableStaticServing": "false",
    "browser.gatherUsageStats": "false",
    "logger.hideWelcomeMessage": "true",
    "logger.level": "warning",
    "logger.enableRich": "false",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
    "client.showErrorLinks": "false",
    "theme.baseFontSize": "15",
    "theme.headingFontSizes": '["2rem", "1.3rem", "1.1rem", "1rem"]',
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
    """Every setting of the server that matters as a flag, so that no file in the user's home has any effect on it.

    Parameters
    ----------
    address : str
        Address to listen on.
    port : int
        Port to listen on.
    secrets : Path
        TOML file with the settings of a login; it need not exist.
    """
    settings = {
        **_SETTINGS,
        "server.address": address,
        "server.port": str(port),
        "secrets.files": str(secrets.absolute()),
    }
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
        "-P",  # no module of the current folder is imported
        "-m",
        "gnomon.dashboard.server.child_process",
        "run",
        str(APP),
        *server_flags(address, port, secrets),
    ]


def server_hosts(access: Access, address: str, secrets: Path, further: Sequence[str] = ()) -> list[str]:
    """Names and addresses under which the server answers: this machine's, and with a login its public one.

    Parameters
    ----------
    access : Access
        How the server identifies people.
    address : str
        Address to listen on.
    secrets : Path
        TOML file with the settings of a login; not read without one.
    further : sequence of str
        Names that the user adds.
    """
    public = [urlsplit(str(read_login(secrets)["redirect_uri"])).hostname or ""] if access.auth == "oidc" else []
    return [*dict.fromkeys(name for name in (*LOOPBACK, address, *public, *further) if name)]


def hosts_from_environment(text: str | None) -> list[str]:
    """The server's names and addresses; this machine's where the variable is not set.

    Raises
    ------
    InputError
        If it holds no list of names.
    """
    try:
        return list(LOOPBACK) if text is None else [str(name) for name in json.loads(text)]
    except (TypeError, ValueError) as error:
        raise InputError(f"{HOSTS}: not a JSON list of names: unset it, or fix it") from error


def start_server(command: Sequence[str], environment: Mapping[str, str], out: IO[Any]) -> subprocess.Popen[bytes]:
    """Start a server, which `end_server` stops; it stops by itself if this process is killed.

    The server has its own session: Ctrl-C reaches only the parent, which then stops the child in order. It runs in the
    app's own folder: the current one may be a study of somebody else's, and Streamlit and other libraries take
    settings and code from files that lie there.

    Parameters
    ----------
    command : sequence of str
        Command line, from `server_command`.
    environment : mapping of str to str
        Its whole environment.
    out : file
        Where standard output and standard error go.
    """
    elsewhere = {"PYTHONSAFEPATH": "1", STARTED_IN: str(Path.cwd())}
    if path := environment.get(MODULE_PATH):
        elsewhere[MODULE_PATH] = absolute_path(path)
    return subprocess.Popen(
        command,
        env={**environment, **elsewhere},
        cwd=APP.parent,
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=out,
        stderr=out,
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
    hosts: Sequence[str] = (),
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
    hosts : sequence of str
        Further names under which the server answers, such as that of a proxy before it.

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
    known = {VARIABLE: encode_studies([(name, absolute_url(url)) for name, url in studies])}
    known |= {ACCESS: access.to_environment(), HOSTS: json.dumps(server_hosts(access, address, secrets, hosts))}
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
