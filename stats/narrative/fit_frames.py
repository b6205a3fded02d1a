"""The stored fits of a study as tidy frames: which fit provides an estimate, and why an estimate is withheld."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from gnomon.data.storage.store import Store
from gnomon.stats.estimand_registry import (
    NET_RAW,
    headline_estimands,
    is_corrected,
    listed_estimands,
    main_estimand,
    view_name,
)
from gnomon.stats.outdated_fits import outdated_fits
from gnomon.stats.results import (
    FAILED,
    REFUSED,
    Diagnostics,
    EstimandRow,
    EstimateRow,
    HeadlineChoice,
    IntervalRow,
    MethodEstimate,
    ResultModel,
    StoredFit,
    WithheldEstimate,
    YoudenRow,
    rows_frame,
)
from gnomon.stats.stored_fits import newest_fits

__all__ = ["FAILED", "REFUSED"]
EVERY_SUBJECT = "all subjects"
_COLUMNS = {
    "estimands": ("subject", "parameters", "variant", "estimand", "axis", "value", "mean", "low95", "high95"),
    "curve": ("estimand", "parameters", "mean"),
    "contrasts": ("estimand", "a", "b", "mean", "low95", "high95", "probability"),
}


Row = TypeVar("Row", bound=ResultModel)


class TidyEstimate(EstimandRow, IntervalRow):
    """A row of `FitFrames.estimands`: `value` is that of its `axis`, both are "" over the whole design."""

    subject: str
    parameters: float
    variant: str
    axis: str
    value: str | float
    n: int | None = None


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
    contrasts: pd.DataFrame
    refused: tuple[WithheldEstimate, ...]
    design: str
    predictive: pd.DataFrame
    prior: pd.DataFrame
    comparisons: Mapping[str, pd.DataFrame]
    diagnostics: Diagnostics
    created_at: str
    methods: tuple[MethodEstimate, ...] = ()
    headline: HeadlineChoice | None = None
    outdated: tuple[str, ...] = ()
    arm_rates: tuple[EstimateRow, ...] = ()
    judges: tuple[YoudenRow, ...] = ()

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
        about = [entry for entry in self.refused if entry.estimand in (name, "all")]
        return list(dict.fromkeys(_refusal_reason(entry) for entry in about))


def _refusal_reason(entry: WithheldEstimate) -> str:
    named = entry.subject and entry.subject != EVERY_SUBJECT and not entry.by
    return f"{entry.subject}: {entry.reason}" if named else entry.reason


def read_fit(fit: StoredFit, outdated: Sequence[str] = ()) -> FitFrames:
    """A stored fit as frames.

    Parameters
    ----------
    fit : StoredFit
        The fit.
    outdated : sequence of str, default ()
        What has changed since it was made (`gnomon.stats.outdated_fits`).
    """
    result, failed = fit.result, fit.has_failed
    tables = {
        "estimands": result.estimates_frame(),
        "curve": rows_frame(result.curve),
        "contrasts": rows_frame(result.contrasts),
    }
    frames = {
        name: (table.head(0) if failed else table).reindex(columns=_all_columns(name, table))
        for name, table in tables.items()
    }
    return FitFrames(
        view=fit.view,
        judge=result.judge,
        status=fit.status,
        reasons=fit.diagnostics.reasons,
        refused=result.refused,
        design=result.design,
        predictive=pd.DataFrame() if failed else rows_frame(result.predictive),
        prior=pd.DataFrame() if failed else rows_frame(result.prior),
        comparisons={} if failed else result.comparisons.frames(),
        diagnostics=fit.diagnostics,
        created_at=fit.created_at,
        methods=() if failed else result.methods,
        headline=None if failed else result.headline,
        outdated=tuple(outdated),
        arm_rates=() if failed else tuple(result.arm_event_rates),
        judges=() if failed else result.judges,
        **frames,
    )


def _all_columns(name: str, table: pd.DataFrame) -> list[str]:
    return list(dict.fromkeys([*_COLUMNS[name], *table.columns]))


def all_fitted(store: Store) -> dict[str, FitFrames]:
    """The newest fit of each view."""
    outdated = outdated_fits(store)
    return {view: read_fit(fit, outdated.get(view, ())) for view, fit in sorted(newest_fits(store).items())}


def opening_estimand(fit: FitFrames) -> str:
    """The estimand that a report of a fit opens with: net detection, or the first headline estimand that it has."""
    main = main_estimand(fit.view.split(":")[0])
    names = [view_name(name, fit.view.split(":")[0]) for name in headline_estimands() if not is_corrected(name)]
    return next((name for name in (main, *names) if len(fit.overall_estimates(name))), main)


def default_figure(fits: Mapping[str, FitFrames]) -> str:
    """The estimate that a page of several fits shows first: raw net detection, or the first that one of them has."""
    found = (
        name
        for name in (NET_RAW, *listed_estimands())
        if (fit := fit_for(fits, name)) is not None and len(fit.overall_estimates(name))
    )
    return next(found, NET_RAW)


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


def frame_rows(frame: pd.DataFrame, kind: type[Row]) -> list[Row]:
    """Rows of a frame as values, in their order.

    Parameters
    ----------
    frame : DataFrame
        Has a column for each key of `kind`; further columns are left out.
    kind : type of ResultModel
    """
    known = frame.astype(object).where(frame.notna(), None)
    return [kind.model_validate({str(key): cell for key, cell in row.items()}) for row in known.to_dict("records")]
