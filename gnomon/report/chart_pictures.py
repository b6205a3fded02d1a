"""Charts of a report as SVG, in light and in dark."""

from __future__ import annotations

import base64
from typing import Any

from gnomon.calibration.plotting.theme import chart_bytes


def draw_svg(chart: Any, *, dark: bool = False) -> bytes:
    """A chart in the common theme as an SVG file.

    Parameters
    ----------
    chart : Chart
        Altair chart without a theme.
    dark : bool, default False
        On the dark background.
    """
    return chart_bytes(chart, "svg", dark=dark)


def picture_address(chart: Any, *, dark: bool = False) -> str:
    """A chart as a data URL; scripts in it are never run.

    Parameters
    ----------
    chart : Chart
        Altair chart without a theme.
    dark : bool, default False
        On the dark background.
    """
    return f"data:image/svg+xml;base64,{base64.b64encode(draw_svg(chart, dark=dark)).decode()}"
