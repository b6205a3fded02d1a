"""Coverage of intervals in simulation: worlds that the statistical model did not draw, and designs that it did."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache

import pandas as pd
import streamlit as st

from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.table_panel import show_table
from gnomon.data.glossary import define_terms
from gnomon.stats.charts.coverage_chart import coverage_grid_chart
from gnomon.stats.charts.coverage_table import interval_coverage, world_coverage
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.narrative.formatting import non_breaking
from gnomon.stats.tables.diagnostics import coverage_tables as told
from gnomon.stats.tables.estimate_table import EstimateTable


@dataclass(frozen=True, slots=True)
class CoverageFound:
    """What the section shows: in words, as the grid of worlds, and as tables; empty where nothing was measured.

    Attributes
    ----------
    worlds, designs : str
        The sentences; "" where none was measured.
    grid : pandas.DataFrame
        `coverage_tables.world_grid`.
    by_world, by_estimate, by_design : EstimateTable, optional
        The tables.
    """

    worlds: str = ""
    designs: str = ""
    grid: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_world: EstimateTable | None = None
    by_estimate: EstimateTable | None = None
    by_design: EstimateTable | None = None


@cache
def coverage_found(version: str) -> CoverageFound:
    """The measurements that come with Gnomon, of one version of the model: worked out once, since no study is in them.

    Parameters
    ----------
    version : str
        Version of the statistical model.
    """
    worlds, designs = world_coverage(version), interval_coverage(version)
    found = CoverageFound()
    if not worlds.empty:
        found = replace(
            found,
            worlds=told.worlds_sentence(worlds),
            grid=told.world_grid(worlds),
            by_world=told.worlds_table(worlds),
            by_estimate=told.world_estimates_table(worlds),
        )
    if not designs.empty:
        sentence = told.range_sentence(designs.sort_values("coverage"))
        found = replace(found, designs=sentence, by_design=told.designs_table(designs))
    return found


def show_coverage() -> None:
    """Draw the section."""
    st.header("Interval coverage in simulation", help=define_terms("coverage"))
    found = coverage_found(VERSION)
    if found.by_world is None and found.by_design is None:
        st.text(told.NOT_MEASURED)
        return
    if found.by_world is not None and found.by_estimate is not None:
        st.markdown("**Studies that the statistical model did not draw**")
        st.text(non_breaking(found.worlds))
        show_chart(coverage_grid_chart(found.grid), "coverage-grid", found.grid, words=found.worlds)
        st.caption(told.WORLDS_MEASURED)
        with st.expander("Worlds as a table"):
            show_table(found.by_world)
        with st.expander("Every kind of estimate"):
            show_table(found.by_estimate)
    if found.by_design is not None:
        st.markdown("**Studies drawn from the statistical model**")
        st.text(non_breaking(found.designs))
        with st.expander("Every design and estimate"):
            show_table(found.by_design)
        st.caption(told.DESIGNS_MEASURED)
