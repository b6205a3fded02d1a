"""The studies of this server: passed in the environment, each opened once, one of them selected."""

from __future__ import annotations

import json
import os
import shlex
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from sqlalchemy import func, select

from gnomon.data.errors import InputError
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_file
from gnomon.data.storage.store import DRAWS_SAMPLED_AGAIN, FIT_ASKED_AGAIN, SETTINGS_CHANGED, Store

VARIABLE = "GNOMON_STUDIES"
STARTED_IN = "GNOMON_STARTED_IN"
"""Environment variable: the folder in which the command was run that started the server."""
STUDY_FILE = "study.toml"


@dataclass(frozen=True, slots=True)
class StudyRef:
    """A study: its display name and the URL of its database."""

    name: str
    url: str

    @property
    def study_folder(self) -> str:
        """The study's folder as a command takes it, quoted for a shell; `DIR` if it does not follow from the URL."""
        file = sqlite_file(self.url)
        if file is None:
            return "DIR"
        folder = file.resolve().parent
        if not (folder / STUDY_FILE).is_file():
            return "DIR"
        here = Path(os.environ.get(STARTED_IN) or Path.cwd())
        return shlex.quote(str(folder.relative_to(here) if folder.is_relative_to(here) else folder))

    def shell_command(self, step: str, options: Sequence[str] = ()) -> str:
        """The command line of one step on this study, with its options."""
        return shlex.join(["gnomon", step]) + " ".join(["", self.study_folder, *map(shlex.quote, options)])


def encode_studies(studies: Sequence[tuple[str, str]]) -> str:
    """Names and URLs for the environment, so that a database's password does not appear in the list of processes."""
    return json.dumps([{"name": name, "url": url} for name, url in studies])


def configured_studies(environment: Mapping[str, str], arguments: Sequence[str]) -> list[StudyRef]:
    """Studies from the environment, then from `--study NAME=URL` arguments; equal names get a number.

    Parameters
    ----------
    environment : mapping of str to str
        Environment variables; `GNOMON_STUDIES` is read.
    arguments : sequence of str
        Command-line arguments; unknown ones are ignored.

    Returns
    -------
    list of StudyRef
        At least one study.

    Raises
    ------
    InputError
        If neither names a study, or an entry cannot be parsed.
    """
    parser = ArgumentParser(prog="dashboard/app.py", exit_on_error=False)
    parser.add_argument("--study", action="append", default=[], metavar="NAME=URL")
    pairs = [_from_argument(text) for text in parser.parse_known_args(list(arguments))[0].study]
    pairs = [*_from_environment(environment.get(VARIABLE, "[]")), *pairs]
    if not pairs:
        raise InputError("no study given: start the dashboard with 'gnomon dashboard DIR'")
    places: list[StudyRef] = []
    for name, url in pairs:
        same = sum(place.name == name or place.name.startswith(f"{name} (") for place in places)
        places.append(StudyRef(f"{name} ({same + 1})" if same else name, url))
    return places


def _from_argument(text: str) -> tuple[str, str]:
    name, found, url = text.partition("=")
    if not (name and found and url):
        raise InputError(f"--study {text}: write it as NAME=URL")
    return name, url


def _from_environment(text: str) -> list[tuple[str, str]]:
    try:
        return [(str(entry["name"]), str(entry["url"])) for entry in json.loads(text)]
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise InputError(f'{VARIABLE}: not a JSON list of {{"name", "url"}}: unset it, or fix it') from error


def all_places() -> list[StudyRef]:
    """The studies of this server, from its environment and command line."""
    import sys

    return configured_studies(os.environ, sys.argv[1:])


@st.cache_resource(show_spinner=False)
def _open_store(url: str) -> Store:
    return Store.open(url)


def pick_study() -> StudyRef:
    """The study of this session; a selector in the sidebar if there are several."""
    places = all_places()
    names = [place.name for place in places]
    if len(places) == 1:
        st.sidebar.caption("Study")
        st.sidebar.text(names[0])
        chosen = names[0]
    else:
        chosen = st.sidebar.selectbox("Study", names, key="study", bind="query-params")
    place = places[names.index(chosen)]
    st.session_state["place"] = place
    return place


def current_study() -> tuple[StudyRef, Store]:
    """The study of this session and its store.

    Raises
    ------
    UserError
        If its database cannot be opened.
    """
    place: StudyRef = st.session_state["place"]
    return place, _open_store(place.url)


def open_store(place: StudyRef) -> Store:
    """The store of one of the server's studies."""
    return _open_store(place.url)


def change_token(store: Store) -> tuple[int, ...]:
    """A value that changes whenever a fact is added or settings change; part of the key of cached results."""
    newest = [select(func.coalesce(func.max(table.c.id), 0)) for table in (tables.verdicts, tables.labels)]
    counted = [select(func.count()).select_from(table) for table in (tables.fits, tables.counts)]
    event = tables.events.c
    kinds = (FIT_ASKED_AGAIN, SETTINGS_CHANGED, DRAWS_SAMPLED_AGAIN)
    again = select(func.count()).select_from(tables.events).where(event.kind.in_(kinds))
    with store.read_transaction() as connection:
        found = [int(connection.execute(query).scalar_one()) for query in (*newest, *counted, again)]
    return (*found[:2], store.additions_mark(tables.trials), *found[2:])


def verdict_token(store: Store) -> tuple[int, ...]:
    """As `change_token`, but labels and fits leave it as it is; for what rests on trials, verdicts and counts alone."""
    verdicts, _labels, trials, _fits, *others = change_token(store)
    return (verdicts, trials, *others)
