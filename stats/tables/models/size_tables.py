"""How estimates change with model size: trends through the models that were run, steps, odds ratios, pairs."""

from __future__ import annotations

import pandas as pd

from gnomon.stats.narrative.estimate_sentences import STAGE_PHRASES
from gnomon.stats.narrative.fit_frames import FitFrames, frame_rows
from gnomon.stats.results import ContrastRow, ObservedSlope, SizeLadderSpan, SizeLadderStep, SizeOddsRatio
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, TableColumn
from gnomon.stats.tables.headline_tables import estimate_cell

TREND_CAPTION = (
    "Least-squares trend through the models that were run, in points per doubling of size, with 95 % intervals. It "
    "describes these models only."
)
LEFT_OUT_CAPTION = "The trend through the models that were run, and its mean when one of them is left out."
STEP_CAPTION = (
    "Difference of each model to the next smaller one of the usual variant, in points, with 95 % intervals and the "
    "probability that the estimate is higher."
)
ODDS_CAPTION = (
    "Odds ratios per doubling of size for the population of models that these were drawn from. They rest on the number "
    "of models and on the prior; the last column says how much of each the prior decides."
)
PAIR_CAPTION = (
    "Differences between models, in points, with 95 % intervals. Own design: over each model's own trials. Same "
    "design: both with the mix of concepts, layers and strengths of all models together."
)
_INCREASE = TableColumn("probability", "P(increase)", "probability")


def trend_table(fit: FitFrames, name: str) -> EstimateTable:
    """Trends of an estimand through the models that were run, within the usual variant and over all of them.

    Parameters
    ----------
    fit : FitFrames
    name : str
        Name of the estimand.
    """
    rows = frame_rows(_of_estimand(fit.comparison_entry("slopes"), name), ObservedSlope)
    told: list[dict[str, Cell]] = []
    for row in rows:
        if row.variants == "all" and any(row.subjects == other.subjects for other in rows if other is not row):
            continue
        which = "usual variant" if row.variants == "within" and len(rows) > 1 else "all models"
        cells: dict[str, Cell] = {"models": which, "n": row.subjects or None, "trend": estimate_cell(row)}
        told.append(cells | {"probability": row.probability_positive})
    columns = (
        TableColumn("models", "Models"),
        TableColumn("n", "Number", "count"),
        TableColumn("trend", "Points per doubling", "points", ("trend",)),
        _INCREASE,
    )
    return EstimateTable(f"trend-{name}", TREND_CAPTION, columns, tuple(told))


def leave_one_out_table(fit: FitFrames, name: str) -> EstimateTable:
    """The trend when each model in turn is left out, within the usual variant and over all models.

    Parameters
    ----------
    fit : FitFrames
    name : str
        Name of the estimand.
    """
    told: dict[str, dict[str, Cell]] = {}
    for row in frame_rows(_of_estimand(fit.comparison_entry("slopes"), name), ObservedSlope):
        told.setdefault("none", {"without": "none"})[row.variants] = estimate_cell(row)
        for one in row.without:
            told.setdefault(one.subject, {"without": one.subject})[row.variants] = one.mean
    columns = (
        TableColumn("without", "Without"),
        TableColumn("within", "Usual variant, points per doubling", "points", ("trend",)),
        TableColumn("all", "All models, points per doubling", "points", ("trend",)),
    )
    rows = tuple(told.values()) if len(told) > 1 else ()
    return EstimateTable(f"leave-one-out-{name}", LEFT_OUT_CAPTION, columns, rows).filled()


def step_table(fit: FitFrames, name: str) -> EstimateTable:
    """Steps of an estimand from each size to the next, and the probability of an increase at all of them.

    Parameters
    ----------
    fit : FitFrames
    name : str
        Name of the estimand.
    """
    ladder = _of_estimand(fit.comparison_entry("ladder"), name)
    steps = ladder[ladder["mean"].notna()] if "mean" in ladder else ladder.head(0)
    spans = ladder[ladder["steps"].notna()] if "steps" in ladder else ladder.head(0)
    rows: list[dict[str, Cell]] = [
        {
            "from": row.from_subject,
            "to": row.to_subject,
            "difference": estimate_cell(row),
            "probability": row.probability,
        }
        for row in frame_rows(steps, SizeLadderStep)
    ]
    rows += [
        {"from": row.from_subject, "to": f"{row.to_subject}, at all {row.steps} steps", "probability": row.probability}
        for row in frame_rows(spans, SizeLadderSpan)
    ]
    columns = (
        TableColumn("from", "From"),
        TableColumn("to", "To"),
        TableColumn("difference", "Difference", "difference"),
        _INCREASE,
    )
    return EstimateTable(f"steps-{name}", STEP_CAPTION, columns, tuple(rows))


def odds_ratio_table(fit: FitFrames) -> EstimateTable:
    """Odds ratios per doubling of size over a population of models, and how much of each the prior decides."""
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "stage": STAGE_PHRASES.get(row.stage, row.stage),
            "effect": row.effect,
            "ratio": f"{row.median:.2f} ({row.low95:.2f} to {row.high95:.2f})",
            "models": row.subjects,
            "prior": row.prior_share,
        }
        for row in frame_rows(fit.comparison_entry("odds_ratios"), SizeOddsRatio)
    )
    columns = (
        TableColumn("stage", "Odds of"),
        TableColumn("effect", "Effect"),
        TableColumn("ratio", "Odds ratio per doubling", terms=("odds ratio per doubling",)),
        TableColumn("models", "Models", "count"),
        TableColumn("prior", "Decided by the prior", "rate"),
    )
    return EstimateTable("odds-ratios", ODDS_CAPTION, columns, rows)


def pair_table(fit: FitFrames, name: str) -> EstimateTable:
    """Every two models compared, on their own trials and on the same design.

    Parameters
    ----------
    fit : FitFrames
    name : str
        Name of the estimand.
    """
    same = {
        (row.a, row.b): row
        for row in frame_rows(_of_estimand(fit.comparison_entry("standard_contrasts"), name), ContrastRow)
    }
    rows = []
    for row in frame_rows(_of_estimand(fit.contrasts, name), ContrastRow):
        cells: dict[str, Cell] = {
            "a": row.a,
            "b": row.b,
            "own": estimate_cell(row),
            "probability": row.probability,
        }
        if (row.a, row.b) in same:
            cells["same"] = estimate_cell(same[row.a, row.b])
        rows.append(cells)
    columns = (
        TableColumn("a", "Model"),
        TableColumn("b", "Less"),
        TableColumn("own", "Difference, own design", "difference"),
        TableColumn("probability", "P(higher)", "probability"),
        TableColumn("same", "Difference, same design", "difference"),
    )
    return EstimateTable(f"pairs-{name}", PAIR_CAPTION, columns, tuple(rows)).filled()


def _of_estimand(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame[frame["estimand"] == name] if len(frame) else frame
