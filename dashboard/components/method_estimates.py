"""Corrected estimates by every method beside each other, and which of them the pages show."""

from __future__ import annotations

import streamlit as st

from gnomon.dashboard.components.table_panel import show_table
from gnomon.data.glossary import define_terms
from gnomon.stats.narrative.fit_frames import FitFrames
from gnomon.stats.narrative.formatting import non_breaking
from gnomon.stats.narrative.method_sentences import headline_sentence, method_sentences
from gnomon.stats.tables.method_table import method_table


def show_methods(fit: FitFrames) -> None:
    """The table of methods of a corrected fit, with the line on its headline; nothing for other fits."""
    if fit.headline is None or not fit.methods:
        return
    st.header(
        "Corrected estimates by method", help=define_terms("joint fit", "cut fit", "design-based estimate", "headline")
    )
    st.text(non_breaking(headline_sentence(fit.headline)))
    show_table(method_table(fit.methods))
    for line in method_sentences(fit.headline)[1:]:
        st.caption(non_breaking(line))
