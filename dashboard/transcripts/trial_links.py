"""The address of one trial's page: the only place that knows how it is written. Every page links a trial with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import streamlit as st

from gnomon.dashboard import study_picker

if TYPE_CHECKING:
    from streamlit.elements.lib.column_types import ColumnConfig

PARAMETER = "trial"
"""URL parameter of the Transcripts page, and of the Label page, that names one trial."""
TRIALS_PAGE = "transcripts"
LABEL_PAGE = "label"
SHORT_ID = 8
"""Characters of an id that a table shows."""


def trial_address(trial: str, study: str = "") -> str:
    """Address of a trial's page, relative to any page of the dashboard.

    Parameters
    ----------
    trial : str
        Trial id.
    study : str
        Name of the study, if the server shows several.

    Returns
    -------
    str
        `transcripts?trial=ID`, with `&study=NAME` if a study is named. It names no rater: a link may be sent to others.
    """
    parts = {PARAMETER: trial, **({"study": study} if study else {})}
    return f"{TRIALS_PAGE}?{urlencode(parts)}"


def linked_study() -> str:
    """The study's name as this session's links need it: empty if the server shows one study only."""
    return study_picker.current_study()[0].name if len(study_picker.all_places()) > 1 else ""


def trial_addresses(trials: Sequence[str]) -> list[str]:
    """Addresses of trials of this session's study, for a column of a table; see `link_column`."""
    study = linked_study()
    return [trial_address(trial, study) for trial in trials]


def link_column(label: str = "trial") -> ColumnConfig:
    """How a column of `trial_addresses` is shown by `st.dataframe`: the beginning of the id, as a link."""
    shown = rf"[?&]{PARAMETER}=([^&]{{1,{SHORT_ID}}})"
    return st.column_config.LinkColumn(label, display_text=shown, help="Opens the trial in a new tab", width=90)


def requested_trial() -> str | None:
    """The trial in this page's URL, or None."""
    return st.query_params.get(PARAMETER) or None


def go_to_labelling(trial: str) -> None:
    """Go to the Label page with one trial, which it offers if this rater may label it."""
    st.switch_page(st.session_state["pages"][LABEL_PAGE], query_params={PARAMETER: trial})
