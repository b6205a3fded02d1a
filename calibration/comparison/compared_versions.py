"""Judge versions as a comparison needs them: found by name, version or its beginning, with what they learnt from."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from sqlalchemy import exists, select

from gnomon.calibration.comparison.comparison_results import ComparedJudge
from gnomon.calibration.observations.measured_splits import learns_from_labels
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.storage.tables import verdicts as verdict_table

FEWEST_LETTERS = 6
"""Shortest beginning of a version that names it."""


def versions_with_verdicts(store: Store) -> pd.DataFrame:
    """Judge versions that have verdicts, newest first: version, name, kind, config."""
    column = judge_table.c
    spoken = exists().where(verdict_table.c.judge == column.version)
    query = select(column.version, column.name, column.kind, column.config).where(spoken)
    return store.read_frame(query.order_by(column.created_at.desc(), column.version))


def find_version(known: pd.DataFrame, wanted: str) -> ComparedJudge:
    """The judge version that a name (its newest), a version or the beginning of one means.

    Parameters
    ----------
    known : pandas.DataFrame
        Frame of `versions_with_verdicts`.
    wanted : str
        What the user wrote.

    Raises
    ------
    UnknownNameError
        If no verdict of it is stored.
    InputError
        If several versions begin so.
    """
    begins = known["version"].str.startswith(wanted) & (len(wanted) >= FEWEST_LETTERS)
    for found in (known[known["name"] == wanted].head(1), known[known["version"] == wanted], known[begins]):
        if len(found) > 1:
            raise InputError(f"judge '{wanted}': {len(found)} versions begin so: write more of the version")
        if len(found):
            row = found.iloc[0]
            return compared_judge(str(row["name"]), str(row["version"]), str(row["kind"]), row["config"])
    there = ", ".join(f"{row['name']} ({row['version'][:12]})" for row in known.to_dict("records")) or "none"
    raise UnknownNameError(f"judge '{wanted}': no verdict of it is stored: versions with verdicts: {there}")


def compared_judge(name: str, version: str, kind: str, config: Mapping[str, object]) -> ComparedJudge:
    """What is stored of a judge version.

    Parameters
    ----------
    name, version, kind : str
        As in the table of judges.
    config : mapping of str to JSON value
        Everything else that determines its verdicts.
    """
    rubric, model, edition = config.get("rubric"), config.get("model"), config.get("edition")
    described = rubric if isinstance(rubric, Mapping) else {}
    return ComparedJudge(
        judge=name,
        version=version,
        kind=kind,
        model=model if isinstance(model, str) else None,
        rubric=str(described["name"]) if "name" in described else None,
        rubric_hash=str(described["hash"]) if "hash" in described else None,
        edition=edition if isinstance(edition, int) else (1 if described else None),
        learns_from_labels=learns_from_labels(kind, config),
    )


def newest_pairs(known: pd.DataFrame) -> list[tuple[ComparedJudge, ComparedJudge]]:
    """Each judge with several versions: its version before the newest, and the newest.

    Parameters
    ----------
    known : pandas.DataFrame
        Frame of `versions_with_verdicts`.
    """
    pairs = []
    for _, rows in known.groupby("name", sort=True):
        if len(rows) > 1:
            newest, before = (
                compared_judge(row["name"], row["version"], row["kind"], row["config"])
                for row in rows.head(2).to_dict("records")
            )
            pairs.append((before, newest))
    return pairs


def related_versions(known: pd.DataFrame, a: ComparedJudge, b: ComparedJudge) -> list[ComparedJudge]:
    """Other versions of two judges, and of judges with one of their models: what may have been tried for the same aim.

    Parameters
    ----------
    known : pandas.DataFrame
        Frame of `versions_with_verdicts`.
    a, b : ComparedJudge
        The judges.
    """
    rows = known.to_dict("records")
    every = [compared_judge(row["name"], row["version"], row["kind"], row["config"]) for row in rows]
    models = {(judge.kind, judge.model) for judge in (a, b) if judge.model is not None}
    return [
        judge
        for judge in every
        if judge.version not in (a.version, b.version)
        and (judge.judge in (a.judge, b.judge) or (judge.kind, judge.model) in models)
    ]
