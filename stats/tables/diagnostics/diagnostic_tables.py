"""What the diagnostics of a fit say, as tables: predictive checks, prior and posterior, all fits, sampling."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gnomon.stats.estimand_registry import ESTIMANDS, corrected_name, is_corrected, listed_estimands
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.narrative.fit_frames import FitFrames, TidyEstimate, frame_rows
from gnomon.stats.narrative.fit_sentences import CHECKS, PRIOR_DECIDES, check_table
from gnomon.stats.narrative.formatting import estimand_label
from gnomon.stats.results import PriorPredictiveRow
from gnomon.stats.tables.design_tables import MODEL
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, Interval, TableColumn
from gnomon.stats.tables.headline_tables import estimate_phrase, fit_title, in_reading_order

SMALL_STUDY = 50_000
"""Trials up to which kept draws are read without being asked for: the statistical model is built of all verdicts again.
"""
JOINT_NOTE = "Draws are those of the joint fit, also where another method gives the headline estimates."
ESTIMATE = TableColumn("estimate", "Estimate")
ALL_FITS_CAPTION = "Every estimate in every fit, posterior means with 95 % intervals; what a fit withholds has none."
SAMPLING_CAPTION = (
    "Convergence of each headline estimate from the kept draws: R-hat (rank-normalised, split), effective draws of the "
    "bulk and of the tails, and the Monte Carlo standard error of the mean."
)


def predictive_table(fit: FitFrames) -> EstimateTable:
    """All posterior predictive checks of a fit, the smallest p first."""
    columns = (
        TableColumn("data", "Data"),
        MODEL,
        TableColumn("arm", "Arm", terms=("arm",)),
        TableColumn("class", "Outcome", terms=("outcome",)),
        TableColumn("axis", "Axis"),
        TableColumn("value", "Value"),
        TableColumn("observed", "Observed", "count"),
        TableColumn("n", "Trials", "count", ("trial",)),
        TableColumn("expected", "Expected (95 %)", "count", ("posterior predictive check",)),
        TableColumn("p", "p", "p"),
        TableColumn("p corrected", "p, corrected", "p"),
    )
    rows: list[dict[str, Cell]] = []
    for row in check_table(fit.predictive).to_dict("records"):
        ends = Interval(float(row["expected"]), float(row["low95"]), float(row["high95"]))
        plain = {name: str(row[name]) or None for name in ("data", "model", "arm", "class", "axis", "value")}
        numbers = {name: None if pd.isna(row[name]) else float(row[name]) for name in ("p", "p corrected")}
        counts = {name: int(row[name]) for name in ("observed", "n")}
        rows.append({**plain, **counts, "expected": ends, **numbers})
    return EstimateTable(f"predictive-checks-{fit.view}".replace(":", "-"), CHECKS, columns, tuple(rows)).filled()


def prior_posterior_table(fit: FitFrames) -> EstimateTable:
    """Intervals of each estimate under the priors alone and after the data, and the ratio of their widths."""
    after = {
        (row.subject, row.estimand): row for row in frame_rows(fit.estimands[fit.estimands["axis"] == ""], TidyEstimate)
    }
    rows: list[dict[str, Cell]] = []
    for prior in frame_rows(fit.prior, PriorPredictiveRow) if len(fit.prior) else ():
        row = after.get((prior.subject, prior.estimand))
        if row is None:
            continue
        kind = "difference" if ESTIMANDS[prior.estimand].is_difference else "rate"
        rows.append(
            {
                "model": prior.subject,
                "estimate": estimand_label(prior.estimand),
                f"prior_{kind}": Interval(prior.median, prior.low95, prior.high95),
                f"posterior_{kind}": Interval(row.mean, row.low95, row.high95),
                "width": (row.high95 - row.low95) / (prior.high95 - prior.low95),
            }
        )
    columns = (
        MODEL,
        ESTIMATE,
        TableColumn("prior_rate", "Prior, rate", "rate", ("prior",)),
        TableColumn("posterior_rate", "Posterior, rate", "rate", ("posterior",)),
        TableColumn("prior_difference", "Prior, difference", "difference", ("prior",)),
        TableColumn("posterior_difference", "Posterior, difference", "difference", ("posterior",)),
        TableColumn("width", "Posterior width / prior width", "rate"),
    )
    return EstimateTable(
        f"prior-and-posterior-{fit.view}".replace(":", "-"), PRIOR_DECIDES, columns, tuple(rows)
    ).filled()


def all_fits_table(fits: Mapping[str, FitFrames]) -> EstimateTable:
    """One row per model and estimate, one column per fit; a corrected estimate stands beside the one that it corrects.

    Parameters
    ----------
    fits : mapping of str to FitFrames
        Fits by view.
    """
    found: dict[tuple[str, str], dict[str, Cell]] = {}
    plain = [name for name in listed_estimands() if not is_corrected(name)]
    ordered = in_reading_order(fits)
    for name in plain:
        for view, fit in ordered:
            for each in dict.fromkeys((name, corrected_name(name))):
                for row in frame_rows(fit.overall_estimates(each), TidyEstimate):
                    cells = found.setdefault(
                        (row.subject, name), {"model": row.subject, "estimate": estimand_label(name)}
                    )
                    cells[view] = estimate_phrase(each, row)
    columns = (MODEL, ESTIMATE, *(TableColumn(view, fit_title(view)) for view, _ in ordered))
    models = list(dict.fromkeys(model for model, _ in found))
    rows = tuple(found[key] for key in sorted(found, key=lambda key: (models.index(key[0]), plain.index(key[1]))))
    return EstimateTable("all-fits", ALL_FITS_CAPTION, columns, rows).filled()


def sampling_table(chains: Mapping[tuple[str, str], np.ndarray], view: str) -> EstimateTable:
    """Convergence of each headline estimate.

    Parameters
    ----------
    chains : mapping of (str, str) to ndarray, shape (chains, draws)
        Draws by model and estimand (`stats.fitted_posterior.estimate_chains`).
    view : str
        View of the fit.
    """
    arviz = import_arviz()
    rows: list[dict[str, Cell]] = []
    for (subject, name), draws in chains.items():
        cells: dict[str, Cell] = {"model": subject, "estimate": estimand_label(name)}
        if np.ptp(draws) > 0:
            cells |= {
                "rhat": float(arviz.rhat(draws)),
                "bulk": float(arviz.ess(draws, method="bulk")),
                "tail": float(arviz.ess(draws, method="tail")),
                "error": 100 * float(np.ravel(arviz.mcse(draws))[0]),
            }
        rows.append(cells)
    columns = (
        MODEL,
        ESTIMATE,
        TableColumn("rhat", "R-hat", "number", ("R-hat",)),
        TableColumn("bulk", "Bulk ESS", "count", ("effective sample size",)),
        TableColumn("tail", "Tail ESS", "count", ("effective sample size",)),
        TableColumn("error", "MCSE, points", "number"),
    )
    return EstimateTable(f"sampling-{view}".replace(":", "-"), SAMPLING_CAPTION, columns, tuple(rows))
