"""Implements `gnomon doctor --study`: checks the integrity of a study's database and suggests repairs."""

from __future__ import annotations

from pathlib import Path

from gnomon.console import print_json, print_text
from gnomon.data.errors import StoreError
from gnomon.data.maintenance.integrity import DatabaseReport, examine_database
from gnomon.render.documents import DamageDocument, DatabaseCheckDocument
from gnomon.study_file import database_url, read_study


def check_database(folder: Path, json: bool) -> DatabaseCheckDocument:
    """Check a study's database and print the findings.

    Parameters
    ----------
    folder : Path
        The study's folder.
    json : bool
        Whether to print one JSON document.

    Raises
    ------
    StoreError
        If the database is damaged.
    """
    found = examine_database(database_url(folder, read_study(folder)))
    document = DatabaseCheckDocument(
        study=str(folder),
        database=found.database,
        database_schema=found.schema,
        rows=found.rows,
        damage=tuple(DamageDocument(what=one.what, fix=one.fix) for one in found.damage),
    )
    print_json(document) if json else _print_findings(found)
    if found.damage:
        first = found.damage[0]
        more = f" (and {len(found.damage) - 1} more, see above)" if len(found.damage) > 1 else ""
        raise StoreError(f"study {folder}: damaged: {first.what}{more}: {first.fix}")
    return document


def _print_findings(found: DatabaseReport) -> None:
    print_text(f"{'database':<18} {found.database}")
    print_text(f"{'schema':<18} {found.schema or 'none yet: no command has filled it'}")
    for table, count in found.rows.items():
        print_text(f"{table:<18} {count:,} rows")
    for damage in found.damage:
        print_text(f"{'damage':<18} {damage.what}")
        print_text(f"{'  to fix it':<18} {damage.fix}")
    if not found.damage:
        print_text(f"{'damage':<18} none")
