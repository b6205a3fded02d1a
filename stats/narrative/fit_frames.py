"""The stored fits of a study as tidy frames: which fit provides an estimate, and why an estimate is withheld."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gnomon.data.storage.store import Store
from gnomon.stats.estimand_registry import is_corrected

FAILED, REFUSED = "failed", "refused"
EVERY_SUBJECT = "all subjects"
_COLUMNS = {
    "estimands": ("subject", "parameters", "variant", "estimand", "axis", "value", "mean", "low95", "high95"),
    "curve": ("estimand", "parameters", "mean"),
    "slope": ("estimand", "mean", "low95", "high95", "probability_positive"),
    "contrasts": ("estimand", "a", "b", "mean", "low95", "high95", "probability"),
}


@dataclass(frozen=True, slots=True)
class FitFrames:
    """One fit; a failed one has no estimates.

    In `estimands`, `by` is spread over `axis` (`concept`, `strength`, `arm` or "") and `value`.
    """

    view: str
    judge: str | None
    status: str
    reasons: tuple[str, ...]
    estimands: pd.DataFrame
    curve: pd.DataFrame
    slope: pd.DataFrame
    contrasts: pd.DataFrame
    refused: tuple[dict[str, Any], ...]
    design: str
    predictive: pd.DataFrame
    comparisons: Mapping[str, pd.DataFrame]
    diagnostics: Mapping[str, Any]
    created_at: str

    def comparison_entry(self, entry: str) -> pd.DataFrame:
        """An entry of the fit's comparisons (`gnomon.stats.estimands.comparisons`); empty if the fit has none."""
        return self.comparisons.get(entry, pd.DataFrame())

    @property
    def has_failed(self) -> bool:
        """Whether the fit failed its convergence checks, so that none of its estimates may be shown."""
        return self.status == FAILED

    def overall_estimates(self, name: str) -> pd.DataFrame:
        """An estimand of every subject over its whole design."""
        return self.estimates_by_axis(name, "")

    def estimates_by_axis(self, name: str, axis: str) -> pd.DataFrame:
        """Estimates of an estimand by the values of one axis.

        Parameters
        ----------
        name : str
            Name of the estimand.
        axis : str
            "concept", "strength", "arm", or "" for the whole design.
        """
        rows = self.estimands
        return rows[(rows["estimand"] == name) & (rows["axis"] == axis)].reset_index(drop=True)

    def why_not(self, name: str) -> list[str]:
        """The fit's reasons for withholding an estimand, deduplicated."""
        about = [entry for entry in self.refused if entry.get("estimand") in (name, "all")]
        return list(dict.fromkeys(_refusal_reason(entry) for entry in about))


def _refusal_reason(entry: Mapping[str, Any]) -> str:
    subject = entry.get("subject")
    return f"{subject}: {entry['reason']}" if subject and subject != EVERY_SUBJECT else str(entry["reason"])


def read_fit(row: Mapping[str, Any]) -> FitFrames:
    """A row of `tables.fits` as frames."""
    result = row["result"]
    failed = row["status"] == FAILED
    frames = {
        name: pd.DataFrame([] if failed else [_flat_entry(entry) for entry in result.get(name, [])]).reindex(
            columns=_all_columns(name, result)
        )
        for name in _COLUMNS
    }
    return FitFrames(
        view=str(row["view"]),
        judge=result.get("judge"),
        status=str(row["status"]),
        reasons=tuple(row["diagnostics"].get("reasons", ())),
        refused=tuple(result.get("refused", ())),
        design=str(result.get("design", "")),
        predictive=pd.DataFrame([] if failed else result.get("predictive", [])),
        comparisons={
            name: pd.DataFrame(rows) for name, rows in ({} if failed else result.get("comparisons", {})).items()
        },
        diagnostics=row["diagnostics"],
        created_at=str(row.get("created_at", "")),
        **frames,
    )


def _flat_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    if "by" not in entry:
        return dict(entry)
    axis, value = next(iter(entry["by"].items()), ("", ""))
    return {**{key: cell for key, cell in entry.items() if key != "by"}, "axis": axis, "value": value}


def _all_columns(name: str, result: Mapping[str, Any]) -> list[str]:
    there = [key for entry in result.get(name, []) for key in _flat_entry(entry)]
    return list(dict.fromkeys([*_COLUMNS[name], *there]))


def all_fitted(store: Store) -> dict[str, FitFrames]:
    """The newest fit of each view."""
    return {view: read_fit(row) for view, row in sorted(store.newest_fits().items())}


def fit_for(fits: Mapping[str, FitFrames], name: str, preferred: str | None = None) -> FitFrames | None:
    """The fit that provides an estimand: the corrected one for corrected estimands, otherwise published or judged.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view.
    name : str
        Name of the estimand.
    preferred : str, optional
        View to prefer if it is of the right kind.
    """
    kinds = ("corrected",) if is_corrected(name) else ("published", "judged")
    views = [view for view in fits if view.split(":")[0] in kinds]
    if preferred in views:
        return fits[str(preferred)]
    return fits[views[0]] if views else None


def frame_records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as dictionaries by column name."""
    return [{str(key): cell for key, cell in row.items()} for row in frame.to_dict("records")]
