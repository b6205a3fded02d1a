"""Gives the keys back to the page after a click by mouse: a clicked button would keep Enter to itself."""

from __future__ import annotations

import streamlit as st

_JS = """
export default function () {
  if (window.gnomonKeys) return;
  window.gnomonKeys = true;
  const release = () => document.activeElement?.closest("button")?.blur();
  document.addEventListener("pointerup", () => setTimeout(release), true);
}
"""

_component = st.components.v2.component("gnomon_keys", html="<span></span>", js=_JS)


def release_focus() -> None:
    """Let go of a button once it was clicked by mouse; who walks by Tab keeps their place."""
    _component(key="keys", height=1)
