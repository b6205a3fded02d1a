"""Fits that are older than what they are of: trials, verdicts, labels, counts, or settings that decide which count.

Trials of tasks of the battery are of no fit.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from gnomon.calibration.labels.views import reference_raters
from gnomon.data.records import Exposure, LabelKind
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import report_trials
from gnomon.data.storage.store import IMPORTED, SETTINGS_CHANGED, Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.estimand_registry import CORRECTED_VIEW

PUBLISHED = "published"
JUDGED = "judged"
COUNTS, TRIALS, VERDICTS, LABELS = "counts", "trials", "verdicts", "labels"
FACTS = (TRIALS, VERDICTS, LABELS, COUNTS)
_LABEL_SETTINGS = {
    "label_view": "[labels] view",
    "truth": "[labels] truth",
    "rater_kinds": "[labels] kinds",
    "admitted_raters": "[labels] admit",
    "fit_judges": "[fit] judges",
    "fit_graded": "[fit] graded",
}
_SETTINGS = {"rule": "rule", "scope": "[design]", **_LABEL_SETTINGS, "judges": "first judge"}
"""Settings that decide what a fit is of, as the study file calls them."""


def outdated_fits(store: Store) -> dict[str, tuple[str, ...]]:
    """What has changed since the newest fit of each view was made, or asked for again; views without change are left
    out.

    A fact that is imported counts from its import on, whatever time it says.

    Parameters
    ----------
    store : Store
        Store of the study.

    Returns
    -------
    dict of str to tuple of str
        By view: `trials`, `verdicts`, `labels`, `counts`, and settings as the study file calls them.
    """
    made = store.newest_fit_times()
    if not made:
        return {}
    changes = [*_newest_rows(store, tuple(made)), *_events(store)]
    found = {
        view: tuple(dict.fromkeys(what for what, of, at in changes if at > time and _concerns(view, what, of)))
        for view, time in made.items()
    }
    return {view: what for view, what in found.items() if what}


def _concerns(view: str, what: str, of: str | None) -> bool:
    """Whether a change matters to a view; `of` names the one view that it is about, if there is one."""
    kind, _, which = view.partition(":")
    if of is not None:
        return view == of
    if kind == PUBLISHED:
        return what == COUNTS
    if kind == CORRECTED_VIEW:
        return what not in (COUNTS, _SETTINGS["judges"]) and not (which and what == _SETTINGS["label_view"])
    return what in (TRIALS, VERDICTS, _SETTINGS["rule"], _SETTINGS["scope"]) or (
        not which and what == _SETTINGS["judges"]
    )


def _newest_rows(store: Store, views: tuple[str, ...]) -> Iterator[tuple[str, str | None, str]]:
    """The newest trial that fits are of, the newest verdict, and the newest label of each corrected view: what, of
    which view, and when."""
    with store.read_transaction() as connection:
        for what, table, scope in ((TRIALS, tables.trials, report_trials()), (VERDICTS, tables.verdicts, ())):
            times = select(table.c.created_at).where(*scope).order_by(table.c.created_at.desc()).limit(1)
            yield what, None, str(connection.execute(times).scalar() or "")
    usual, raters = load_settings(store).label_view, reference_raters(store)
    label = tables.labels.c
    for view in views:
        kind, _, which = view.partition(":")
        if kind == CORRECTED_VIEW:
            query = select(label.created_at).where(label.kind != str(LabelKind.FLAG), label.rater.in_(raters))
            if (which or usual) == str(Exposure.BLIND):
                query = query.where(label.exposure == str(Exposure.BLIND))
            with store.read_transaction() as connection:
                newest = connection.execute(query.order_by(label.created_at.desc()).limit(1)).scalar()
            yield LABELS, view, str(newest or "")


def _events(store: Store) -> Iterator[tuple[str, str | None, str]]:
    """What imports brought and which settings changed, and when."""
    event = tables.events.c
    query = select(event.kind, event.detail, event.created_at).where(event.kind.in_((IMPORTED, SETTINGS_CHANGED)))
    with store.read_transaction() as connection:
        rows = connection.execute(query.order_by(event.id)).all()
    for row in rows:
        if row.kind == SETTINGS_CHANGED:
            for name in row.detail.get("changed") or ():
                if name in _SETTINGS:
                    yield _SETTINGS[name], None, str(row.created_at)
            continue
        brought = row.detail.get("new") or {}
        for what in FACTS:
            if brought.get(what):
                yield what, None, str(row.created_at)
