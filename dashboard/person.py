"""Who sits before the screen: the rater's name, asked for once, kept in the session and in the page's address."""

from __future__ import annotations

import streamlit as st

from dashboard import looks, studies

LONGEST_NAME = 100


def rater_name() -> str | None:
    """The rater of this session, asked for once and kept in the page's address so that a reload does not ask again."""
    if "rater" not in st.session_state and st.query_params.get("rater"):
        set_name(st.query_params["rater"])
    name: str | None = st.session_state.get("rater")
    return name


def set_name(name: str) -> None:
    """Take a rater's name, and note under it what this session has looked at so far."""
    flat = " ".join("".join(mark if mark.isprintable() else " " for mark in name).split())[:LONGEST_NAME]
    if flat:
        st.session_state["rater"] = flat
        _, store = studies.current()
        looks.record(store, flat, st.session_state.get("looked_at", ()))
