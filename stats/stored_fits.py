"""Fits in the database as values: found by id, the newest of each view, and added."""

from __future__ import annotations

from gnomon.data.storage.store import FIT_ASKED_AGAIN, Store
from gnomon.stats.outdated_fits import outdated_fits
from gnomon.stats.results import StoredFit

COLUMNS = {"id", "view", "status", "data_hash", "seed", "priors", "diagnostics", "result", "draws_sha256"}
"""What a fit brings to its row; the store adds time and code version."""


def find_fit(store: Store, fit_id: str) -> StoredFit | None:
    """The fit of an id, None where the study has none.

    Parameters
    ----------
    store : Store
    fit_id : str
        Hash of all that the fit depends on.
    """
    row = store.find_fit(fit_id)
    return None if row is None else StoredFit.from_row(row)


def find_requested_fit(store: Store, fit_id: str) -> StoredFit | None:
    """The fit of an id as the one that readers of its view see from now on; None where the study has none.

    Parameters
    ----------
    store : Store
    fit_id : str
        Hash of all that the fit depends on.
    """
    found = find_fit(store, fit_id)
    if found is None:
        return None
    if newest_fits(store)[found.view].id != fit_id or found.view in outdated_fits(store):
        store.log_event(FIT_ASKED_AGAIN, {"view": found.view, "fit": fit_id})
    return found


def newest_fits(store: Store) -> dict[str, StoredFit]:
    """The fit of each view that was made last, or asked for again since, by the name of the view."""
    return {view: StoredFit.from_row(row) for view, row in store.newest_fits().items()}


def save_fit(store: Store, fit: StoredFit) -> StoredFit:
    """Add a fit and give it as it is stored, with its time; where its id is there already, nothing is added.

    Parameters
    ----------
    store : Store
    fit : StoredFit
        Its time and code version are filled in by the store.
    """
    store.add_fit(fit.model_dump(mode="json", include=COLUMNS))
    return find_fit(store, fit.id) or fit
