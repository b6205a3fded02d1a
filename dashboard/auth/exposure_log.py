"""Records which rater has seen the verdicts of which transcript, so that a later label is not treated as blind."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import insert, select

from gnomon.data.records import Exposure, utc_timestamp
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

KIND = "transcript_seen"


def record_views(store: Store, rater: str, trials: Iterable[str]) -> None:
    """Record that a rater saw verdicts, arm and concept of some trials; known views are not recorded again.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    trials : iterable of str
        Trial ids.
    """
    known = seen_by(store, rater)
    rows = [
        {"kind": KIND, "detail": {"rater": rater, "trial": trial}, "created_at": utc_timestamp()}
        for trial in dict.fromkeys(trials)
        if trial not in known
    ]
    if rows:
        with store.write_transaction() as connection:
            connection.execute(insert(tables.events), rows)


def seen_by(store: Store, rater: str) -> set[str]:
    """Ids of the trials whose verdicts a rater has seen.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    """
    detail = tables.events.c.detail
    query = select(detail["trial"].as_string()).where(
        tables.events.c.kind == KIND, detail["rater"].as_string() == rater
    )
    with store.read_transaction() as connection:
        return set(connection.execute(query).scalars())


def rater_exposure(store: Store, rater: str, trial: str) -> Exposure:
    """Whether a label given now would be blind or given after the verdicts were seen.

    Parameters
    ----------
    store : Store
        The study's store.
    rater : str
        Name of the rater.
    trial : str
        Trial id.
    """
    return Exposure.AFTER_VERDICT if trial in seen_by(store, rater) else Exposure.BLIND
