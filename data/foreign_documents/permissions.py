"""What the user of this machine allows studies of others to name outside of their folder: never decided by a study."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from gnomon.data.errors import InputError

PLACES = "GNOMON_PLACES"
"""Environment variable: folders, and URLs of databases, that any study file may name."""
KEY_HOSTS = "GNOMON_KEY_HOSTS"
"""Environment variable: servers that an environment variable may be sent to, as `VARIABLE@HOST`."""
TRUSTED_CODE = "GNOMON_TRUSTED_CODE"
"""Environment variable: models whose own code may run and whose pickles may be opened, if a study file says so."""
PROVIDERS = {
    "ANTHROPIC_API_KEY": ("api.anthropic.com",),
    "CEREBRAS_API_KEY": ("api.cerebras.ai",),
    "DEEPINFRA_API_KEY": ("api.deepinfra.com",),
    "DEEPSEEK_API_KEY": ("api.deepseek.com",),
    "FIREWORKS_API_KEY": ("api.fireworks.ai",),
    "GEMINI_API_KEY": ("generativelanguage.googleapis.com",),
    "GOOGLE_API_KEY": ("generativelanguage.googleapis.com",),
    "GROQ_API_KEY": ("api.groq.com",),
    "MISTRAL_API_KEY": ("api.mistral.ai",),
    "OPENAI_API_KEY": ("api.openai.com", "eu.api.openai.com", "us.api.openai.com"),
    "OPENROUTER_API_KEY": ("openrouter.ai",),
    "TOGETHER_API_KEY": ("api.together.ai", "api.together.xyz"),
    "XAI_API_KEY": ("api.x.ai",),
}
"""Providers' own variables, each with the hosts that its key is for."""
_PORTS = {"http": 80, "https": 443}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SECRET_QUERY = ("password", "sslpassword")


def permission_hint(setting: str, entry: str) -> str:
    """What the user sets to allow one thing more, as a line of a shell.

    Parameters
    ----------
    setting : str
        Name of the environment variable.
    entry : str
        What is to be allowed.
    """
    return f"export {setting}={shlex.quote(json.dumps([*_allowed(setting), entry], ensure_ascii=False))}"


def is_allowed_path(path: Path, folder: Path) -> bool:
    """Whether a study may name a path: it is inside the study's folder, wherever links lead, or in an allowed place.

    Parameters
    ----------
    path : Path
        The path.
    folder : Path
        The study's folder.
    """
    real = path.resolve()
    return real.is_relative_to(folder.resolve()) or _is_in_place(real)


def is_allowed_database(url: URL) -> bool:
    """Whether a study may name a database that is no plain file.

    Its URL must be allowed in so many words, except its password; one that names no database allows all databases of
    its server.
    """
    wanted = _without_password(url)
    for entry in _allowed(PLACES):
        if "://" in entry:
            try:
                given = _without_password(make_url(entry))
            except (ArgumentError, ValueError) as error:
                raise InputError(f"{PLACES}: '{entry[:80]}' is no URL of a database: correct it") from error
            whole = given if given.database else given.set(database=wanted.database)
            if wanted == (whole if given.username else whole.set(username=wanted.username)):
                return True
    return False


def database_entry(url: URL) -> str:
    """A database's URL as it is listed under `PLACES`, without its password."""
    return _without_password(url).render_as_string(hide_password=False)


def is_allowed_server(variable: str, base_url: str) -> bool:
    """Whether the value of an environment variable may be sent to a server.

    It may on this machine, to the provider that the variable is named after, over TLS, and where the user allows it.

    Parameters
    ----------
    variable : str
        Name of the environment variable.
    base_url : str
        Address of the server.
    """
    origin = _origin(base_url)
    if origin[1] in _LOOPBACK or origin in [("https", host, 443) for host in PROVIDERS.get(variable, ())]:
        return True
    for entry in _allowed(KEY_HOSTS):
        name, at, host = entry.partition("@")
        if not (name and at and host):
            raise InputError(f"{KEY_HOSTS}: '{entry[:80]}' is no VARIABLE@HOST: correct it")
        if name == variable and origin == _origin(host if "://" in host else f"https://{host}"):
            return True
    return False


def server_entry(variable: str, base_url: str) -> str:
    """A variable and a server as they are listed under `KEY_HOSTS`.

    Parameters
    ----------
    variable : str
        Name of the environment variable.
    base_url : str
        Address of the server.
    """
    scheme, host, port = _origin(base_url)
    shown = f"[{host}]" if ":" in host else host
    place = shown if port == _PORTS.get(scheme) else f"{shown}:{port}"
    return f"{variable}@{place}" if scheme == "https" else f"{variable}@{scheme}://{place}"


def is_trusted_model(model: str) -> bool:
    """Whether code and pickles of a model may be used: it is listed by its hub name, or in a listed folder."""
    entries = _allowed(TRUSTED_CODE)
    return model_entry(model) in entries or (
        _is_local(model) and any(_is_below(Path(model).expanduser().resolve(), entry) for entry in entries)
    )


def model_entry(model: str) -> str:
    """A model as it is listed under `TRUSTED_CODE`: its hub name, or the whole path of its folder."""
    return str(Path(model).expanduser().resolve()) if _is_local(model) else model


def _is_local(model: str) -> bool:
    return Path(model).expanduser().exists()


def _allowed(setting: str) -> list[str]:
    """The entries of an environment variable.

    Raises
    ------
    InputError
        If it holds no JSON list of texts.
    """
    text = os.environ.get(setting)
    if not text:
        return []
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError):
        entries = None
    if not isinstance(entries, list) or not all(isinstance(entry, str) and entry for entry in entries):
        raise InputError(f'{setting}: is no JSON list of texts, such as ["..."]: correct it')
    return entries


def _is_in_place(real: Path) -> bool:
    return any(_is_below(real, entry) for entry in _allowed(PLACES) if "://" not in entry)


def _is_below(real: Path, entry: str) -> bool:
    place = Path(entry).expanduser()
    return place.is_absolute() and real.is_relative_to(place.resolve())


def _without_password(url: URL) -> URL:
    bare = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
    return bare.difference_update_query(_SECRET_QUERY)  # `set` with None would keep the password


def _origin(address: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
        return parts.scheme, host, parts.port or _PORTS.get(parts.scheme)
    except ValueError as error:
        raise InputError(f"'{address[:80]}': {error}: write https://HOST or https://HOST:PORT") from error
