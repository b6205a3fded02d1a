"""The reader's window: its width, which charts of several panels need, and its colours, which all charts need.

Vega-Lite can fit neither to the page: charts are drawn anew when one of them changes.
"""

from __future__ import annotations

import streamlit as st

KEY, WIDTH = "browser window", "window width"
"""Keys of the component and of the width that it told last, which outlives a change of page."""
STEP, USUAL = 100, 1400
"""Pixels in which the width is told, so that a page is not drawn anew with every pixel, and what is taken before."""
TIMES, PATIENCE = 3, 5_000
"""How often a width or a theme that the page was not drawn in is told, and milliseconds before it is told again, which
double."""
SIDEBAR, WIDE_EDGES, NARROW_EDGES, NARROW = 284, 150, 64, 1200
"""Pixels beside the page: the sidebar, and both edges above and below the width at which columns stack."""

# The theme is told where it changes only: a page that opens runs once more by itself when its theme is known. What was
# told may be lost where a page was being left: it is told again, a few times.
_JS = """
export default function ({ data, setStateValue }) {
  const app = document.querySelector('[data-testid="stApp"]');
  const width = () => Math.floor(window.innerWidth / data.step) * data.step;
  const scheme = () => getComputedStyle(app).colorScheme;
  const isDrawn = () => width() === data.width && scheme() === data.scheme;
  window.gnomonWindow = { isDrawn };
  let wait;
  const tell = () => {
    // A run that was asked for, perhaps of another page, is left to end: telling would ask for this page again.
    if (app.dataset.testScriptState !== "notRunning") { wait = setTimeout(tell, 100); return; }
    const times = isDrawn() ? 0 : (window.gnomonTold ?? 0) + 1;
    if (times <= data.times) window.gnomonTold = times;
    if (times === 0 || times > data.times) return;
    setStateValue("window", { width: width(), scheme: scheme(), at: performance.now() });
    wait = setTimeout(tell, data.patience * 2 ** times);
  };
  const changed = () => { window.gnomonTold = 0; clearTimeout(wait); wait = setTimeout(tell, 300); };
  if (width() !== data.width || isDrawn()) tell(); else wait = setTimeout(tell, data.patience);
  window.addEventListener("resize", changed);
  const themes = new MutationObserver(changed);
  themes.observe(app, { attributes: true, attributeFilter: ["class"] });
  return () => {
    clearTimeout(wait);
    window.removeEventListener("resize", changed);
    themes.disconnect();
    delete window.gnomonWindow;
  };
}
"""

_component = st.components.v2.component("gnomon_browser_window", html="<span></span>", js=_JS)


def watch_window() -> None:
    """Draw the page anew when the width of the window or its theme turns out to be another than was taken."""
    _component(
        key=KEY,
        data={
            "step": STEP,
            "times": TIMES,
            "patience": PATIENCE,
            "width": _window_width(),
            "scheme": "dark" if is_dark() else "light",
        },
        on_window_change=_keep_width,
        height=1,
    )


def _keep_width() -> None:
    told = (st.session_state.get(KEY) or {}).get("window") or {}
    st.session_state[WIDTH] = int(told.get("width") or USUAL)


def is_dark() -> bool:
    """Whether this session's page uses the dark theme."""
    return st.context.theme.type == "dark"


def page_room() -> int:
    """Pixels that a page has for what it holds."""
    width = _window_width()
    return width - SIDEBAR - (NARROW_EDGES if width < NARROW else WIDE_EDGES)


def _window_width() -> int:
    return int(st.session_state.get(WIDTH) or USUAL)
