"""Where the parts of a chart lie, measured in what Vega draws of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import vl_convert


def legends_beside_plots(chart: Mapping[str, Any]) -> list[str]:
    """One line for each legend that does not lie wholly under every plot of its chart.

    Parameters
    ----------
    chart : mapping
        Specification in Vega-Lite with its data.
    """
    drawn = vl_convert.vegalite_to_scenegraph(json.dumps(chart, default=str))["scenegraph"]
    parts = list(_placed_parts(drawn, 0.0))
    bottom = max((end for role, _, end in parts if role == "plot"), default=0.0)
    return [
        f"legend at {top:.0f}, plots down to {bottom:.0f}"
        for role, top, _ in parts
        if role == "legend" and top < bottom
    ]


def squeezed_plots(chart: Mapping[str, Any]) -> list[str]:
    """One line for a chart of one plot whose height would have to hold its title and legend too.

    Parameters
    ----------
    chart : mapping
        Specification in Vega-Lite, as a page shows it.
    """
    is_single = "mark" in chart or "layer" in chart
    if not is_single or not isinstance(chart.get("width"), int | float):
        return []
    kind = chart.get("autosize", {}).get("type")
    return [] if kind == "fit-x" else [f"fitted to its height ({kind}): {chart.get('title')}"]


def _placed_parts(mark: Mapping[str, Any], above: float) -> Iterator[tuple[str, float, float]]:
    """Plots and legends with their upper and lower ends in pixels."""
    role = {"frame": "plot", "scope": "plot", "legend": "legend"}.get(mark.get("role", ""), "")
    for item in mark.get("items", []):
        top = above + item.get("y", 0.0)
        if role:
            yield role, top, top + item.get("height", 0.0)
        for inner in item.get("items", []) if mark.get("marktype") == "group" and role != "legend" else []:
            yield from _placed_parts(inner, top)
