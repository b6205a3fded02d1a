"""Coverage of 95 % intervals in simulation as tables: a grid of world by estimate, every kind of estimate, designs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.stats.narrative.formatting import count_noun, estimand_label, format_percent
from gnomon.stats.tables.estimate_table import Cell, EstimateTable, Interval, TableColumn

NOMINAL = 0.95
ENOUGH = 20
"""Intervals below which coverage that is not clearly too low says little."""
BELOW, ABOVE, NEAR, FEW, WITHHELD = "below 95 %", "above 95 %", "consistent with 95 %", "fewer than 20", "withheld"
"""What a cell of the grid says of its coverage."""
WORLDS_MEASURED = (
    "None of these studies is drawn from the statistical model. Trials, verdicts and labels are simulated one by one, "
    "with errors of judges and raters that the model may not expect, stored, labelled through the queue and fitted as "
    "any study. Coverage of 95 % intervals: 95 % is right, less means that intervals are too narrow or biased. "
    "Withheld estimates have no interval and are counted apart. Method, and which worlds were measured before labels "
    "could be wrong: bench/RESULTS.md in the source code."
)
DESIGNS_MEASURED = (
    "These studies are drawn from the statistical model itself: they show that its intervals are computed correctly, "
    "not that its assumptions hold. Judge errors differ by arm, and trials are labelled where judges disagree, as in "
    "the queue. One study has many estimates by strength or concept, and their errors are correlated."
)
NOT_MEASURED = (
    "The coverage of this version's intervals has not been simulated: "
    "run python -m bench.validity.interval_validity --ship and python -m bench.validity.hostile_worlds --ship"
)
MADE_OF = {
    "contrast ": "difference between models",
    "observed slope within ": "trend through these models, one variant",
    "observed slope all ": "trend through these models, every variant",
    "log odds ratio ": "log odds ratio per doubling of size",
}
NET = ("net_detection_corrected", "net_detection_raw")
GRID = (
    ("net_detection_corrected", "Net detection"),
    *((f"net_detection_corrected at strength {dose}", f"Net at strength {dose:g}") for dose in (1.0, 2.0, 4.0, 8.0)),
    ("net_detection_corrected, design-based", "Net, design-based"),
    ("identification", "Identification"),
    ("false_alarm", "False alarm"),
    ("refusal", "Refusal"),
    ("cell called best", "Best cell"),
)
"""Estimates of the grid with their headings; of a world without a correction, the raw ones stand in their place."""
GRID_CAPTION = (
    "Coverage of 95 % intervals by world: share of the intervals that held the truth, with a 95 % interval for that "
    "share (Wilson; intervals of one study count as independent). Below 95 %: that interval lies below; by chance so "
    "does about one cell in 40."
)


def world_grid(worlds: pd.DataFrame) -> pd.DataFrame:
    """One row per world and estimate of the grid: coverage with its interval, and what it says.

    Parameters
    ----------
    worlds : pandas.DataFrame
        `stats.charts.coverage_table.world_coverage`.

    Returns
    -------
    pandas.DataFrame
        world (in words), estimate, coverage, low, high, intervals, withheld, studies, finding.
    """
    rows = []
    for _, mine in worlds.groupby("world", sort=False):
        by_figure = {str(row["figure"]): row for _, row in mine.iterrows()}
        for name, heading in GRID:
            row = by_figure.get(name)
            row = by_figure.get(name.replace("_corrected", "_raw")) if row is None else row
            if row is not None:
                rows.append({"world": row["about"], "estimate": heading, **_grid_cell(row), "studies": row["studies"]})
    columns = ["world", "estimate", "coverage", "low", "high", "intervals", "withheld", "finding", "studies"]
    return pd.DataFrame(rows, columns=columns)


def _grid_cell(row: Any) -> dict[str, object]:
    n, withheld = int(str(row["intervals"])), int(str(row["withheld"]))
    found = _coverage_cell(row)
    if found is None:
        ends: dict[str, object] = {"coverage": None, "low": None, "high": None}
        return {**ends, "intervals": n, "withheld": withheld, "finding": WITHHELD}
    finding = BELOW if found.high < NOMINAL else FEW if n < ENOUGH else ABOVE if found.low > NOMINAL else NEAR
    shown = {"coverage": found.value, "low": found.low, "high": found.high}
    return {**shown, "intervals": n, "withheld": withheld, "finding": finding}


def _coverage_cell(row: Any) -> Interval | None:
    """Coverage with Wilson's 95 % interval."""
    n = int(str(row["intervals"]))
    if not n or pd.isna(row["coverage"]):
        return None
    found = wilson_interval(float(str(row["coverage"])) * n, n)
    return Interval(found.value, found.low, found.high)


def worlds_table(worlds: pd.DataFrame) -> EstimateTable:
    """One row per world, one column per main estimate, and the share of estimates withheld.

    Parameters
    ----------
    worlds : pandas.DataFrame
        `stats.charts.coverage_table.world_coverage`.
    """
    grid = world_grid(worlds)
    lost = worlds.groupby("about", sort=False)[["intervals", "withheld"]].sum()
    found: dict[str, dict[str, Cell]] = {}
    for row in grid.to_dict("records"):
        name = str(row["world"])
        shares: dict[str, Cell] = {"world": name, "studies": int(row["studies"])}
        cells = found.setdefault(name, {**shares, "withheld": _share_withheld(lost, name)})
        if row["finding"] != WITHHELD:
            cells[str(row["estimate"])] = Interval(float(row["coverage"]), float(row["low"]), float(row["high"]))
        if row["finding"] == BELOW:
            cells["below"] = f"{cells['below']}, {row['estimate']}" if "below" in cells else str(row["estimate"])
    columns = (
        TableColumn("world", "World"),
        TableColumn("studies", "Fitted studies", "count"),
        *(TableColumn(heading, heading, "rate", ("coverage",)) for _, heading in GRID),
        TableColumn("below", "Below 95 %"),
        TableColumn("withheld", "Withheld", "rate", ("withheld estimate",)),
    )
    return EstimateTable("coverage-by-world", GRID_CAPTION, columns, tuple(found.values())).filled()


def _share_withheld(lost: pd.DataFrame, world: str) -> float:
    row = lost.loc[world]
    return int(str(row["withheld"])) / max(int(str(row["intervals"])) + int(str(row["withheld"])), 1)


def world_estimates_table(worlds: pd.DataFrame) -> EstimateTable:
    """One row per world and kind of estimate: intervals, coverage, bias and width.

    Parameters
    ----------
    worlds : pandas.DataFrame
        `stats.charts.coverage_table.world_coverage`.
    """
    columns = (
        TableColumn("world", "World"),
        TableColumn("estimate", "Estimate"),
        TableColumn("intervals", "Intervals", "count"),
        TableColumn("withheld", "Withheld", "count"),
        TableColumn("coverage", "Coverage", "rate", ("coverage",)),
        TableColumn("bias", "Bias", "difference"),
        TableColumn("width", "Width", "rate"),
    )
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "world": str(row["about"]),
            "estimate": estimate_label(str(row["figure"])),
            "intervals": int(row["intervals"]),
            "withheld": int(row["withheld"]),
            "coverage": _coverage_cell(row),
            **{name: None if pd.isna(row[name]) else float(row[name]) for name in ("bias", "width")},
        }
        for row in worlds.to_dict("records")
    )
    return EstimateTable("coverage-of-every-estimate", WORLDS_MEASURED, columns, rows)


def designs_table(designs: pd.DataFrame) -> EstimateTable:
    """One row per design drawn from the statistical model and kind of estimate, the least coverage first.

    Parameters
    ----------
    designs : pandas.DataFrame
        `stats.charts.coverage_table.interval_coverage`.
    """
    columns = (
        TableColumn("design", "Design"),
        TableColumn("studies", "Studies", "count"),
        TableColumn("labels", "Labels", "count"),
        TableColumn("estimate", "Estimate"),
        TableColumn("intervals", "Intervals", "count"),
        TableColumn("coverage", "Coverage", "rate", ("coverage",)),
    )
    rows: tuple[dict[str, Cell], ...] = tuple(
        {
            "design": design_title(row),
            "studies": int(row["studies"]),
            "labels": float(row["labels"]),
            "estimate": estimate_label(str(row["figure"])),
            "intervals": int(row["intervals"]),
            "coverage": _coverage_cell(row),
        }
        for row in designs.sort_values("coverage", kind="stable").to_dict("records")
    )
    return EstimateTable("coverage-by-design", DESIGNS_MEASURED, columns, rows)


def range_sentence(rows: pd.DataFrame) -> str:
    """The least and greatest coverage of a design, with the estimates that have them.

    Rows are in the order of coverage.
    """
    (_, least), *_, (_, most) = rows.iterrows()
    ends = [f"{format_percent(end['coverage'], 1)} ({estimate_label(end['figure'])})" for end in (least, most)]
    return f"Coverage ranges from {ends[0]} to {ends[1]}."


def worlds_sentence(worlds: pd.DataFrame) -> str:
    """How many worlds and studies there are, and where coverage of net detection is least and greatest."""
    net = worlds[worlds["figure"].isin(NET) & worlds["coverage"].notna()].sort_values("coverage")
    each = worlds.drop_duplicates("world")
    fits, alone = int(each["studies"].sum()), int(each["studies_alone"].sum())
    said = f"{count_noun(len(each), 'world')}, {count_noun(fits, 'fitted study', 'fitted studies')}"
    said += f", {alone:,} more by the design-based method alone." if alone else "."
    if net.empty:
        return said
    ends = [f"{format_percent(net.iloc[place]['coverage'])} ({net.iloc[place]['about']})" for place in (0, -1)]
    typical = max(float(each["studies"].median()), 1.0)
    points = 100 * (0.95 * 0.05 / typical) ** 0.5
    error = f"With {typical:g} fits, a coverage of 95 % has a standard error of {points:.0f} points."
    return f"{said} Coverage of net detection ranges from {ends[0]} to {ends[1]}. {error}"


def design_title(row: Mapping[Hashable, object]) -> str:
    """A simulated design in words: models and trials."""
    n = int(str(row["subjects"]))
    models = str(row["world"]).format(models=count_noun(n, "model"), n=n)
    return f"{models}, {count_noun(int(str(row['trials'])), 'trial')}"


def estimate_label(figure: str) -> str:
    """The label of a kind of estimate in a coverage table."""
    for start, words in MADE_OF.items():
        if figure.startswith(start):
            return f"{words}: {estimand_label(figure.removeprefix(start))}"
    for joint in (" by ", " at "):
        estimand, *axis = figure.split(joint)
        if axis:
            return joint.join([estimand_label(estimand), *axis])
    return estimand_label(figure)
