"""The common theme of every chart: colour-blind-safe colours, type sizes, light and dark background, saving."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import altair as alt

from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError

# Okabe and Ito (2008): eight colours that stay distinct under the common colour-vision deficiencies.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
YELLOW = "#F0E442"
GREY = "#8A8A8A"
PALETTE = (BLUE, ORANGE, GREEN, VERMILION, PURPLE, SKY, YELLOW, GREY)

INK = "#6C7A93"
"""Estimates, intervals and bounds that belong to no arm; told apart by shape and dash. Legible on light and dark."""

OUTCOME_COLOURS = {
    "identified": "#5E3C99",
    "claimed": "#B2ABD2",
    "denied": "#DCDCDC",
    "denied or other": "#C3CAD3",
    "incoherent": "#CDB68F",
    "refused": "#7A4B21",
}
"""The colour of each outcome in every chart, after ColorBrewer's PuOr, which no arm has: from a named concept over a
denial to a refusal. Order is that of stacked bars."""

# Lightness decreases throughout and fastest near 0.55, so that dark text is legible below that and white text above.
SEQUENTIAL = {0.0: "#F1F5FA", 0.5: "#A5C8E6", 0.6: "#2F72B0", 1.0: "#0B3C73"}
WHITE_TEXT_FROM = 0.56

# Names are quoted: one that ends in a digit, unquoted, makes vl-convert drop all text.
FONT = "'Source Sans Pro', Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"
LABEL_SIZE = 12
TITLE_SIZE = 13
HEADING_SIZE = 16
NOTE_SIZE = 12
SCALE = 2.0
PERCENT_LABEL = "format(100 * datum.value, '.3~f') + ' %'"
"""Expression of an axis label: a share as a percentage, with a space."""

_LIGHT = {"text": "#262730", "soft": "#5A5E6B", "grid": "#E4E6EB", "ground": "#FFFFFF"}
_DARK = {"text": "#F4F5F7", "soft": "#B3B7C2", "grid": "#31343F", "ground": "#0E1117"}


def arm_scale() -> alt.Scale:
    """Colour scale in which an arm has the same colour in every chart."""
    colours = arm_colours()
    return alt.Scale(domain=list(colours), range=list(colours.values()))


def arm_colours() -> dict[str, str]:
    """The colour of each arm that is judged: its own, or else one of the palette that no other arm has."""
    shown = {name: spec.colour for name, spec in ARMS.items() if spec.is_judged}
    free = [colour for colour in PALETTE if colour not in shown.values()]
    further = iter(free * len(shown) or PALETTE * len(shown))
    return {name: colour or next(further) for name, colour in shown.items()}


def share_scale() -> alt.Scale:
    """Colour scale of shares and coefficients from 0 to 1: light at 0, dark at 1."""
    return alt.Scale(domain=list(SEQUENTIAL), range=list(SEQUENTIAL.values()), clamp=True)


def theme_config(*, dark: bool = False) -> dict[str, Any]:
    """Vega-Lite `config` of the common theme on a light or a dark background."""
    ink = _DARK if dark else _LIGHT
    axis = {
        "labelFontSize": LABEL_SIZE,
        "titleFontSize": TITLE_SIZE,
        "labelColor": ink["soft"],
        "titleColor": ink["text"],
    }
    lines = {"gridColor": ink["grid"], "domainColor": ink["grid"], "tickColor": ink["grid"]}
    title = {"fontSize": HEADING_SIZE, "color": ink["text"], "anchor": "start", "offset": 12, "fontWeight": 600}
    return {
        "background": ink["ground"],
        "font": FONT,
        "view": {"stroke": None},
        "axis": {**axis, **lines, "labelLimit": 260, "titleFontWeight": 400, "titlePadding": 8},
        "header": {**axis, "titleFontWeight": 400, "labelLimit": 260},
        "legend": {**axis, "titleFontWeight": 400, "symbolSize": 90, "orient": "bottom", "gradientLength": 240},
        "title": {**title, "subtitleFontSize": NOTE_SIZE, "subtitleColor": ink["soft"], "subtitlePadding": 6},
        "text": {"fontSize": LABEL_SIZE, "color": ink["text"]},
        "rule": {"color": ink["soft"]},
        "range": {"category": list(PALETTE)},
    }


def apply_theme(chart: alt.TopLevelMixin, *, dark: bool = False) -> Any:
    """A copy of a chart in the common theme. Charts are built without it, so that the page can choose light or dark.

    Parameters
    ----------
    chart : alt.TopLevelMixin
        An Altair chart.
    dark : bool, default False
        Use the dark background.
    """
    dressed: Any = chart.copy(deep=False)  # type: ignore[attr-defined]
    dressed.config = alt.Config(**theme_config(dark=dark))
    return dressed


def save_chart(chart: alt.TopLevelMixin, path: str | Path, *, dark: bool = False) -> Path:
    """Write a chart in the common theme; returns the path.

    Parameters
    ----------
    chart : alt.TopLevelMixin
        An Altair chart.
    path : str or Path
        File that ends in .png, .svg or .json; missing folders are created.
    dark : bool, default False
        Use the dark background.

    Raises
    ------
    InputError
        If the file has another extension.
    """
    target = Path(path)
    kind = target.suffix.lower().lstrip(".")
    if kind not in {"png", "svg", "json"}:
        raise InputError(f"chart file '{target.name}': name it .png, .svg or .json")
    target.parent.mkdir(parents=True, exist_ok=True)
    _bring_fonts()
    apply_theme(chart, dark=dark).save(str(target), format=kind, **({"scale_factor": SCALE} if kind == "png" else {}))
    return target


def chart_bytes(chart: alt.TopLevelMixin, ending: str, *, dark: bool = False) -> bytes:
    """A chart in the common theme as the bytes of a file (`save_chart`).

    Parameters
    ----------
    chart : alt.TopLevelMixin
        An Altair chart.
    ending : {"png", "svg", "json"}
        Kind of file.
    dark : bool, default False
        Use the dark background.
    """
    with TemporaryDirectory() as folder:
        return save_chart(chart, Path(folder) / f"chart.{ending}", dark=dark).read_bytes()


@cache
def _bring_fonts() -> None:
    import vl_convert

    # Minimal machines have no fonts, and text then vanishes without an error; matplotlib (through ArviZ) ships some.
    found = find_spec("matplotlib")
    for folder in found.submodule_search_locations or [] if found else []:
        vl_convert.register_font_directory(str(Path(folder) / "mpl-data" / "fonts" / "ttf"))
