"""Lee's bounds of every model of a study, from the counts behind a fit."""

from __future__ import annotations

from gnomon.data.storage.store import Store
from gnomon.stats.bounds.selection_bounds import ArmCounts, EffectBounds, bounds_with_interval
from gnomon.stats.cells.aggregation import judged_cells, published_cells
from gnomon.stats.estimand_registry import CONTROL, CORRECTED_VIEW, INJECTION


def lee_bounds_by_model(store: Store, view: str, judge: str | None) -> dict[str, EffectBounds]:
    """Lee's bounds on net detection among the always-engaged, by model, from the counts behind a fit.

    Parameters
    ----------
    store : Store
        The study's store.
    view : str
        View of the fit; a corrected view gives no bounds.
    judge : str, optional
        Name of the fit's judge; None for the study's first.

    Returns
    -------
    dict of str to EffectBounds
        A model that engaged with no trial of an arm is left out.
    """
    if view.startswith(CORRECTED_VIEW):
        return {}
    cells = published_cells(store) if view == "published" else judged_cells(store, judge)
    at = {name: place for place, name in enumerate(cells.classes)}
    found = {}
    for subject in cells.frame["subject"].unique():
        mine = (cells.frame["subject"] == subject).to_numpy()
        both = []
        for arm in (INJECTION, CONTROL):
            counts = cells.counts[mine & (cells.frame["arm"] == arm).to_numpy()].sum(axis=0)
            refused = counts[at["refused"]] if "refused" in at else 0
            events = int(counts[at["event"]]) if "event" in at else 0
            both.append(ArmCounts(engaged=int(counts.sum() - refused), n=int(counts.sum()), events=events))
        if all(arm.engaged > 0 for arm in both):
            found[str(subject)] = bounds_with_interval(*both)
    return found
