"""Coverage of intervals in simulation: worlds that the statistical model did not draw, and designs that it did."""

from __future__ import annotations

import streamlit as st

from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.table_panel import show_table
from gnomon.data.glossary import define_terms
from gnomon.stats.charts.coverage_chart import coverage_grid_chart
from gnomon.stats.charts.coverage_table import interval_coverage, world_coverage
from gnomon.stats.inference.hierarchical import VERSION
from gnomon.stats.narrative.formatting import non_breaking
from gnomon.stats.tables.diagnostics import coverage_tables as told


def show_coverage() -> None:
    """Draw the section."""
    st.subheader("Interval coverage in simulation", help=define_terms("coverage"))
    worlds, designs = world_coverage(VERSION), interval_coverage(VERSION)
    if worlds.empty and designs.empty:
        st.text(told.NOT_MEASURED)
        return
    if not worlds.empty:
        st.markdown("**Studies that the statistical model did not draw**")
        st.text(non_breaking(told.worlds_sentence(worlds)))
        grid = told.world_grid(worlds)
        show_chart(coverage_grid_chart(grid), "coverage-grid", grid, words=told.worlds_sentence(worlds))
        st.caption(told.WORLDS_MEASURED)
        with st.expander("Worlds as a table"):
            show_table(told.worlds_table(worlds))
        with st.expander("Every kind of estimate"):
            show_table(told.world_estimates_table(worlds))
    if not designs.empty:
        st.markdown("**Studies drawn from the statistical model**")
        st.text(non_breaking(told.range_sentence(designs.sort_values("coverage"))))
        with st.expander("Every design and estimate"):
            show_table(told.designs_table(designs))
        st.caption(told.DESIGNS_MEASURED)
