"""Queries for trials that still lack a verdict, and for tokens already used. Knows nothing of servers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from gnomon.data.records import LabelKind, Trial
from gnomon.data.storage.design_scope import report_conditions
from gnomon.data.storage.store import Store, trial_of
from gnomon.data.storage.tables import judges, labels, trials, verdicts

PAGE = 64
"""Trials read at once. Few, since another command may judge those that follow meanwhile."""


Conditions = Sequence[ColumnElement[bool]]


def labelled_in(splits: Sequence[str]) -> Conditions:
    """Conditions on trials: of these splits, with a label."""
    labelled = select(labels.c.trial).where(labels.c.kind == str(LabelKind.LABEL))
    return trials.c.split.in_(list(splits)), trials.c.id.in_(labelled)


def mark_candidates(store: Store, versions: Sequence[str]) -> None:
    """Record which of these judge versions have no verdict yet, before they are asked about labelled trials only.

    Such trials are no sample of all: a candidate is compared with other versions, and no rate of the study rests on it
    until it is asked about all trials (`adopt_versions`).

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    """
    fresh = [version for version in versions if not count_given(store, version)]
    held = list(store.study_settings().get("candidates") or [])
    if set(fresh) - set(held):
        store.save_settings({"candidates": list(dict.fromkeys([*held, *fresh]))})


def adopt_versions(store: Store, versions: Sequence[str]) -> None:
    """These judge versions are asked about all trials: they are candidates no longer.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    """
    held = list(store.study_settings().get("candidates") or [])
    if set(held) & set(versions):
        store.save_settings({"candidates": [version for version in held if version not in versions]})


def pending_trials(
    store: Store,
    judge: str,
    *,
    samples: int = 1,
    limit: int | None = None,
    start: str = "",
    only: Conditions = (),
) -> Iterator[tuple[Trial, int]]:
    """Answered trials, with each sample for which this judge version has no verdict (of any state).

    Read page by page in the order of ids, so that memory does not grow with the study.

    Parameters
    ----------
    store : Store
        Store with trials and verdicts.
    judge : str
        Judge version.
    samples : int, default 1
        Verdicts wanted per trial.
    limit : int, optional
        Greatest number of trials.
    start : str, default ""
        Id after which to begin; the trials before it follow at the end. Not used with a limit.
    only : sequence of sqlalchemy.ColumnElement
        Further conditions on the trials, such as `labelled_in`.

    Yields
    ------
    (Trial, int)
        Trials and sample numbers, from 0.
    """
    planned = (*report_conditions(store), *only)
    last, left, end = ("" if limit is not None else start), limit, ""
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        query = _pending_query(planned, judge, samples).where(trials.c.id > last)
        with store.read_transaction() as connection:
            page = connection.execute((query.where(trials.c.id <= end) if end else query).limit(size)).all()
        if not page:
            if end or limit is not None or not start:
                return
            last, end = "", start
            continue
        held = _stored_samples(store, judge, [row.id for row in page]) if samples > 1 else {}
        for row in page:
            yield from ((trial_of(row), sample) for sample in range(samples) if sample not in held.get(row.id, ()))
        last, left = page[-1].id, None if left is None else left - len(page)


def count_missing(
    store: Store, judge: str, *, samples: int = 1, limit: int | None = None, only: Conditions = ()
) -> int:
    """Number of verdicts that `pending_trials` would request.

    Parameters
    ----------
    store : Store
        Store with trials and verdicts.
    judge : str
        Judge version.
    samples : int, default 1
        Verdicts wanted per trial.
    limit : int, optional
        Greatest number of trials.
    only : sequence of sqlalchemy.ColumnElement
        Further conditions on the trials.
    """
    wanting = _pending_query((*report_conditions(store), *only), judge, samples).limit(limit).subquery()
    given = select(func.count()).where(
        verdicts.c.judge == judge, verdicts.c.sample < samples, verdicts.c.trial.in_(select(wanting.c.id))
    )
    with store.read_transaction() as connection:
        asked = connection.execute(select(func.count()).select_from(wanting)).scalar_one()
        return int(samples * asked - (connection.execute(given).scalar_one() if samples > 1 else 0))


def count_given(store: Store, judge: str) -> int:
    """Number of stored verdicts of a judge version, all samples and states.

    Parameters
    ----------
    store : Store
        Store with verdicts.
    judge : str
        Judge version.
    """
    return count_verdicts(store, verdicts.c.judge == judge)


def count_verdicts(store: Store, condition: ColumnElement[bool]) -> int:
    """Number of stored verdicts that meet a condition.

    Parameters
    ----------
    store : Store
        Store with verdicts.
    condition : sqlalchemy.ColumnElement
        SQL condition on the verdicts table.
    """
    with store.read_transaction() as connection:
        return int(connection.execute(select(func.count()).select_from(verdicts).where(condition)).scalar_one())


def tokens_used(store: Store, name: str) -> tuple[int, int]:
    """Tokens sent and received by all stored verdicts of judges of this name, in any version.

    Parameters
    ----------
    store : Store
        Store with verdicts.
    name : str
        Name of the judge.

    Returns
    -------
    (int, int)
        Input tokens and output tokens.
    """
    both = select(
        func.coalesce(func.sum(verdicts.c.input_tokens), 0), func.coalesce(func.sum(verdicts.c.output_tokens), 0)
    )
    query = both.join(judges, judges.c.version == verdicts.c.judge).where(judges.c.name == name)
    with store.read_transaction() as connection:
        sent, received = connection.execute(query).one()
    return int(sent), int(received)


def _pending_query(planned: Sequence[ColumnElement[bool]], judge: str, samples: int) -> Select[Any]:
    """Answered trials that meet `planned` and have fewer verdicts than samples, by id."""
    own = (verdicts.c.trial == trials.c.id) & (verdicts.c.judge == judge) & (verdicts.c.sample < samples)
    given = select(func.count()).select_from(verdicts).where(own).correlate(trials).scalar_subquery()
    return select(trials).where(trials.c.error.is_(None), given < samples, *planned).order_by(trials.c.id)


def _stored_samples(store: Store, judge: str, ids: Sequence[str]) -> dict[str, set[int]]:
    query = select(verdicts.c.trial, verdicts.c.sample).where(verdicts.c.judge == judge, verdicts.c.trial.in_(ids))
    held: dict[str, set[int]] = defaultdict(set)
    with store.read_transaction() as connection:
        for row in connection.execute(query):
            held[row.trial].add(row.sample)
    return held
