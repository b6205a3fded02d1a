"""The headline estimates of all fits as one table: detection, identification, false alarm and nets side by side."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gnomon.stats.estimand_registry import ESTIMANDS, headline_estimands, is_corrected, view_name
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, frame_rows
from gnomon.stats.narrative.fit_sentences import interval_phrase

FIT_TITLES = {"published": "as published", "judged": "as judged", "corrected": "corrected"}
NOT_ESTIMATED = "–"


def fit_title(view: str) -> str:
    """A fit as a table names it: "as judged", "corrected (exposed)"."""
    kind, _, which = view.partition(":")
    title = FIT_TITLES.get(kind, kind)
    return f"{title} ({which})" if which else title


def headline_table(fits: Mapping[str, FitFrames]) -> pd.DataFrame:
    """One row per fit and model, one column per headline estimand; each cell is an estimate with its 95 % interval.

    Corrected estimands stand in the column of the estimand that they correct. Columns without an estimate are left out.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view; failed ones are left out.
    """
    names = [name for name in headline_estimands() if not is_corrected(name)]
    rows: list[dict[str, str]] = []
    for view, fit in fits.items():
        if fit.has_failed:
            continue
        found: dict[tuple[float, str], dict[str, str]] = {}
        for name in names:
            estimates = fit.overall_estimates(view_name(name, view.split(":")[0]))
            for row in frame_rows(estimates, TidyEstimate):
                found.setdefault((row.parameters, row.subject), {})[name] = interval_phrase(row)
        rows += [{"model": subject, "fit": fit_title(view), **found[size, subject]} for size, subject in sorted(found)]
    table = pd.DataFrame(rows)
    kept = [name for name in names if name in table]
    return (
        table.reindex(columns=["model", "fit", *kept])
        .fillna(NOT_ESTIMATED)
        .rename(columns={name: column_label(name) for name in kept})
    )


def column_label(name: str) -> str:
    """An estimand as the heading of a column."""
    label = ESTIMANDS[name].label
    return label[:1].upper() + label[1:]
