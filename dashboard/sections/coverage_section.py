"""Coverage of intervals in simulation: worlds that the statistical model did not draw, and designs that it did."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from gnomon.data.glossary import define_terms
from gnomon.stats.charts.coverage_table import interval_coverage, world_coverage
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.narrative.formatting import count_noun, estimand_label, format_percent, non_breaking

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
ALONE = ", design-based alone"
OVERALL = {
    "identification": "identification",
    "false_alarm": "false alarm",
    "cell called best": "cell called best",
    f"net_detection_corrected{ALONE}": "net detection, design-based",
}
_SHARE = st.column_config.NumberColumn(format="%.1f")


def show_coverage() -> None:
    """Draw the section."""
    st.subheader("Interval coverage in simulation", help=define_terms("coverage"))
    worlds, designs = world_coverage(VERSION), interval_coverage(VERSION)
    if worlds.empty and designs.empty:
        st.text(NOT_MEASURED)
        return
    if not worlds.empty:
        st.markdown("**Studies that the statistical model did not draw**")
        st.caption(WORLDS_MEASURED)
        st.text(non_breaking(worlds_sentence(worlds)))
        st.dataframe(worlds_overview(worlds), hide_index=True)
        with st.expander("Every kind of estimate", type="compact"):
            st.dataframe(worlds_in_full(worlds), hide_index=True)
    if not designs.empty:
        st.markdown("**Studies drawn from the statistical model**")
        st.caption(DESIGNS_MEASURED)
        _show_designs(designs)


def _show_designs(found: pd.DataFrame) -> None:
    designs = found.groupby(["subjects", "trials", "world", "labels"], sort=True)
    for tab, (_, design) in zip(st.tabs([_design_title(design) for _, design in designs]), designs, strict=True):
        rows = design.sort_values("coverage")
        first = rows.iloc[0]
        made, labels = count_noun(int(first["studies"]), "study", "studies"), count_noun(int(first["labels"]), "label")
        tab.text(non_breaking(f"{made} simulated, {labels} each on average. {range_sentence(rows)}"))
        table = rows[["figure", "intervals"]].assign(
            figure=rows["figure"].map(estimate_label), coverage=100 * rows["coverage"]
        )
        named = table.rename(columns={"figure": "estimate", "coverage": "coverage, %"})
        tab.dataframe(named, hide_index=True, column_config={"coverage, %": _SHARE})


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


def worlds_overview(worlds: pd.DataFrame) -> pd.DataFrame:
    """One row per world: coverage of the main estimates with the number of intervals, and the estimates withheld."""
    rows = []
    for _, mine in worlds.groupby("world", sort=False):
        by_figure: dict[str, tuple[float, int]] = dict(
            zip(mine["figure"], zip(mine["coverage"].astype(float), mine["intervals"], strict=True), strict=True)
        )
        net = next((by_figure[name] for name in NET if name in by_figure), None)
        strengths = [
            cell for name, cell in by_figure.items() if " at strength" in name and name.split(" ")[0] in NET
            if not name.endswith(ALONE) and not pd.isna(cell[0])
        ]  # fmt: skip
        rows.append(
            {
                "world": mine["about"].iloc[0],
                "fits": int(mine["studies"].iloc[0]),
                "net detection": _share_of(net),
                "least at a strength": _share_of(min(strengths, default=None)),
                **{words: _share_of(by_figure.get(name)) for name, words in OVERALL.items()},
                "withheld": format_percent(mine["withheld"].sum() / (mine["intervals"] + mine["withheld"]).sum()),
            }
        )
    return pd.DataFrame(rows)


def worlds_in_full(worlds: pd.DataFrame) -> pd.DataFrame:
    """One row per world and kind of estimate, in percent and points."""
    return pd.DataFrame(
        {
            "world": worlds["about"],
            "estimate": worlds["figure"].map(estimate_label),
            "intervals": worlds["intervals"],
            "withheld": worlds["withheld"],
            "coverage, %": (100 * worlds["coverage"]).round(1),
            "bias, points": (100 * worlds["bias"]).round(1),
            "width, points": (100 * worlds["width"]).round(1),
        }
    )


def _share_of(cell: tuple[float, int] | None) -> str:
    """Coverage and the number of intervals that it is of; an en dash if there are none."""
    if cell is None or pd.isna(cell[0]):
        return "–"
    return f"{format_percent(cell[0])} of {cell[1]}"


def _design_title(rows: pd.DataFrame) -> str:
    first = rows.iloc[0]
    models = str(first["world"]).format(models=count_noun(int(first["subjects"]), "model"), n=int(first["subjects"]))
    return f"{models}, {count_noun(int(first['trials']), 'trial')}"


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
