"""Fields that trials carry beside what every analysis reads: of the trial, of its subject, and of its protocol.

A protocol carries what is said of it by name: the table `fields` of a protocol file or of a column map (`language`, the
version of a prompt), and the plain values of its content (`temperature`, an imported `prompt_version`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import pandas as pd
from pydantic import JsonValue
from sqlalchemy import select

from gnomon.calibration.observations.frames import is_readable
from gnomon.data.errors import InputError
from gnomon.data.records import DECLARED_FIELDS, PLACES, SUBJECT_FIELDS, TRIAL_FIELDS
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import protocols, subjects, trials

_NOT_FIELDS = frozenset((*TRIAL_FIELDS, *SUBJECT_FIELDS, "name", "marker", DECLARED_FIELDS))
"""Keys of a protocol's content that are no fields of its trials: they have a name of their own, or are texts."""


def field_names(store: Store) -> tuple[str, ...]:
    """Names of the fields that trials of the design carry: those of every trial, then those of their protocols."""
    known = {name for fields in _fields_by_protocol(store).values() for name in fields}
    return (*TRIAL_FIELDS, *SUBJECT_FIELDS, *sorted(known))


def field_values(store: Store, name: str) -> pd.DataFrame:
    """The value of one field in each answered trial of the design.

    Parameters
    ----------
    store : Store
        Store of the study.
    name : str
        Name of the field.

    Returns
    -------
    pandas.DataFrame
        Columns trial and value (text); trials without the field have no row.

    Raises
    ------
    InputError
        If no trial has the field; the message lists those that exist.
    """
    column = trials.c
    if name in TRIAL_FIELDS:
        query = select(column.id.label("trial"), column[name].label("value"))
    elif name in SUBJECT_FIELDS:
        known = subjects.c
        query = select(column.id.label("trial"), known[name].label("value")).join(
            subjects, known.name == column.subject
        )
    else:
        query = select(column.id.label("trial"), column.protocol.label("value"))
    rows = store.read_frame(query.where(*is_readable(store)).order_by(column.id))
    if name not in (*TRIAL_FIELDS, *SUBJECT_FIELDS):
        carried = {hash_: fields[name] for hash_, fields in _fields_by_protocol(store).items() if name in fields}
        if not carried:
            there = ", ".join((*PLACES, *field_names(store)))
            raise InputError(f"field '{name}': no trial has it: choose from {there}")
        rows["value"] = rows["value"].map(carried)
    rows = rows.dropna(subset=["value"]).reset_index(drop=True)
    rows["value"] = [_written(value) for value in rows["value"].tolist()]
    return rows


def declared_fields(store: Store, of: Sequence[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Values of the fields that some protocols declare (`fields`), by name, sorted.

    Parameters
    ----------
    store : Store
        Store of the study.
    of : sequence of str, optional
        Hashes of the protocols; by default those of all trials of the design.
    """
    found: dict[str, set[str]] = {}
    wanted = _used_protocols(store) if of is None else set(of)
    for hash_, content in _protocol_contents(store).items():
        for name, value in _declared(content).items() if hash_ in wanted else ():
            found.setdefault(name, set()).add(value)
    return {name: tuple(sorted(values)) for name, values in sorted(found.items())}


def _fields_by_protocol(store: Store) -> dict[str, dict[str, str]]:
    """Fields of the protocols of the design, by the protocol's hash; what is declared goes before what is plain."""
    used = _used_protocols(store)
    contents = {hash_: content for hash_, content in _protocol_contents(store).items() if hash_ in used}
    plain = {
        hash_: {name: _written(value) for name, value in content.items() if _is_plain_field(name, value)}
        for hash_, content in contents.items()
    }
    return {hash_: {**plain[hash_], **_declared(content)} for hash_, content in contents.items()}


def _used_protocols(store: Store) -> set[str]:
    return set(store.read_frame(select(trials.c.protocol).where(*is_readable(store)).distinct())["protocol"])


def _protocol_contents(store: Store) -> dict[str, Mapping[str, JsonValue]]:
    rows = store.read_frame(select(protocols.c.hash, protocols.c.content))
    return dict(zip(rows["hash"], rows["content"], strict=True))


def _declared(content: Mapping[str, JsonValue]) -> dict[str, str]:
    declared = content.get(DECLARED_FIELDS)
    return {name: _written(value) for name, value in declared.items()} if isinstance(declared, Mapping) else {}


def _is_plain_field(name: str, value: JsonValue) -> bool:
    return name not in _NOT_FIELDS and isinstance(value, str | int | float) and bool(str(value).strip())


def _written(value: object) -> str:
    """A value as places are named: whole numbers without a fraction."""
    return f"{value:g}" if isinstance(value, float) else str(cast("JsonValue", value))
