"""Tables in the order in which their rows can be written, the columns that identify a row, and what rows refer to."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, Table

from gnomon.data.storage import tables

ORDER = (
    tables.study,
    tables.subjects,
    tables.protocols,
    tables.vectors,
    tables.trials,
    tables.judges,
    tables.verdicts,
    tables.labels,
    tables.counts,
    tables.fits,
    tables.events,
)
KEYS: dict[str, tuple[str, ...]] = {
    "study": ("key",),
    "subjects": ("name",),
    "protocols": ("hash",),
    "vectors": ("hash",),
    "trials": ("id",),
    "judges": ("version",),
    "verdicts": ("trial", "judge", "sample"),
    "labels": ("trial", "rater", "revision"),
    "counts": ("source", "subject", "arm"),
    "fits": ("id",),
    "events": ("kind", "detail", "created_at"),
}
LINKS = {
    "trials": (("subject", "subjects"), ("protocol", "protocols")),
    "verdicts": (("trial", "trials"), ("judge", "judges")),
    "labels": (("trial", "trials"),),
    "counts": (("subject", "subjects"),),
}


def columns_of(table: Table) -> list[str]:
    """The columns that travel: all but numbers that the database gives out."""
    return [column.name for column in table.columns if not is_serial(column)]


def is_serial(column: Any) -> bool:
    """Whether a column is a number that the database gives out: it says nothing but the order of rows."""
    return bool(column.name == "id" and isinstance(column.type, Integer))
