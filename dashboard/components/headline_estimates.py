"""The headline estimates of all fits side by side, and the warning that belongs to all estimates of a study."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from gnomon.data.glossary import define_terms
from gnomon.stats.narrative.caveats import study_caveats
from gnomon.stats.narrative.fit_frames import FitFrames
from gnomon.stats.narrative.headline_table import headline_table

TITLE = "Estimates"
CAPTION = "Posterior means with 95 % intervals, over each model's own trials."


def study_caveat_strip(fits: Mapping[str, FitFrames]) -> None:
    """A warning that stays on every page which shows estimates; nothing for most studies."""
    for text in study_caveats(fits):
        st.warning(text, icon=":material/warning:")


def show_headline(fits: Mapping[str, FitFrames]) -> None:
    """One row per fit and model: detection, identification, false alarm and their nets. Nothing without an estimate."""
    table = headline_table(fits)
    if table.empty:
        return
    st.subheader(TITLE, help=define_terms("detection", "identification", "false alarm", "net detection"))
    st.dataframe(table, hide_index=True)
    st.caption(CAPTION)
