"""Tables in the order in which their rows can be written, key columns of each, and references between tables."""

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
COPIED = (*ORDER, tables.judge_runs)
"""Tables that a study takes along to another database: its facts, and what its judges have spent."""
KEYS: dict[str, tuple[str, ...]] = {
    "study": ("key",),
    "subjects": ("name",),
    "protocols": ("hash",),
    "vectors": ("hash",),
    "trials": ("id",),
    "judges": ("version",),
    "verdicts": ("trial", "judge", "sample"),
    "labels": ("trial", "rater", "revision"),
    "counts": ("source", "subject", "arm", "cell"),
    "fits": ("id",),
    "events": ("kind", "detail", "created_at"),
    "judge_runs": ("id",),
}
LINKS = {
    "trials": (("subject", "subjects"), ("protocol", "protocols")),
    "verdicts": (("trial", "trials"), ("judge", "judges")),
    "labels": (("trial", "trials"),),
    "counts": (("subject", "subjects"),),
}


def columns_of(table: Table) -> list[str]:
    """Columns that are copied between databases: all except serial numbers assigned by the database."""
    return [column.name for column in table.columns if not is_serial(column)]


def is_serial(column: Any) -> bool:
    """Whether a column is a serial number assigned by the database, which records nothing but the order of rows."""
    return bool(column.name == "id" and isinstance(column.type, Integer))
