"""Blurs a button after a mouse click so that keyboard shortcuts keep working."""

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
    """Blur buttons after a mouse click; keyboard navigation by Tab keeps its focus."""
    _component(key="keys", height=1)
