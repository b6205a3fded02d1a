"""Fits in the database as values: found by id, the newest of each view, and added."""

from __future__ import annotations

from gnomon.data.storage.store import Store
from gnomon.stats.results import StoredFit

COLUMNS = {"id", "view", "status", "data_hash", "seed", "priors", "diagnostics", "result"}
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


def newest_fits(store: Store) -> dict[str, StoredFit]:
    """The newest fit of each view, by the name of the view."""
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
