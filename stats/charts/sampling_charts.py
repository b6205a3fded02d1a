"""How one estimate was sampled: ranks by chain, effective draws as draws grow, and the chains; prior and posterior.

Ranks by chain are the rank plots of Vehtari, Gelman, Simpson, Carpenter and Buerkner (2021, Bayesian Analysis 16(2)):
where chains mix, every chain has the same share of each interval of ranks. Effective draws are ArviZ's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from gnomon.calibration.plotting.theme import INK
from gnomon.stats.charts.estimate_charts import (
    PAGE_WIDTH,
    ROW_HEIGHT,
    chart_title,
    interval_layers,
    percent_axis,
    tooltip_fields,
)
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.sampler import MIN_ESS

BINS = 20
STEPS = 10
TRACED = 200
"""Draws of a chain that a trace shows, evenly spaced."""
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3])
"""Dash of each chain; further chains begin again."""
PANEL_HEIGHT = 300
"""Height in pixels; on a page title and legend are within it."""


def rank_frame(chains: np.ndarray) -> pd.DataFrame:
    """Of each chain the number of its draws by interval of their ranks among all draws: chain, rank, draws.

    Parameters
    ----------
    chains : ndarray, shape (chains, draws)
        Draws of one estimate.
    """
    from scipy.stats import rankdata

    many, each = chains.shape
    ranks = rankdata(chains, method="average").reshape(many, each)
    edges = np.linspace(0.5, many * each + 0.5, BINS + 1)
    rows = [
        {"chain": f"{number + 1}", "rank": float(100 * (place + 0.5) / BINS), "draws": int(count)}
        for number, one in enumerate(ranks)
        for place, count in enumerate(np.histogram(one, edges)[0])
    ]
    return pd.DataFrame(rows)


def effective_draws_frame(chains: np.ndarray) -> pd.DataFrame:
    """Effective draws of the bulk and the tails after a growing part of each chain: draws, of, effective.

    Parameters
    ----------
    chains : ndarray, shape (chains, draws)
        Draws of one estimate.
    """
    arviz = import_arviz()
    many, each = chains.shape
    rows = []
    for part in np.linspace(each / STEPS, each, STEPS).astype(int):
        for kind in ("bulk", "tail"):
            worth = float(arviz.ess(chains[:, :part], method=kind)) if np.ptp(chains[:, :part]) > 0 else np.nan
            rows.append({"draws": int(part) * many, "of": kind, "effective": worth})
    return pd.DataFrame(rows)


def trace_frame(chains: np.ndarray) -> pd.DataFrame:
    """Some draws of each chain in their order: chain, draw, value.

    Parameters
    ----------
    chains : ndarray, shape (chains, draws)
        Draws of one estimate.
    """
    places = np.unique(np.linspace(0, chains.shape[1] - 1, TRACED).astype(int))
    rows = [
        {"chain": f"{number + 1}", "draw": int(place) + 1, "value": float(one[place])}
        for number, one in enumerate(chains)
        for place in places
    ]
    return pd.DataFrame(rows)


def rank_chart(ranks: pd.DataFrame) -> Any:
    """Ranks by chain as steps around what chains that mix would have.

    Parameters
    ----------
    ranks : pandas.DataFrame
        `rank_frame`.
    """
    even = float(ranks["draws"].sum() / ranks["chain"].nunique() / BINS)
    line = alt.Chart(ranks).mark_line(interpolate="step", color=INK).encode(
        x=alt.X("rank:Q", title="Rank among all draws, %", axis=alt.Axis(grid=False)),
        y=alt.Y("draws:Q", title="Draws of the chain", scale=alt.Scale(zero=True)),
        strokeDash=_chain_dash(ranks),
        tooltip=["chain:N", alt.Tooltip("rank:Q", format=".0f"), alt.Tooltip("draws:Q", format=",d")],
    )  # fmt: skip
    rule = alt.Chart(pd.DataFrame({"even": [even]})).mark_rule(color=INK, opacity=0.5).encode(y=alt.Y("even:Q"))
    under = ["Chains that mix have the same number of draws at every rank (horizontal line)."]
    return alt.layer(rule, line).properties(
        width=PAGE_WIDTH, height=PANEL_HEIGHT, title=chart_title("Ranks by chain", under)
    )


def effective_draws_chart(effective: pd.DataFrame) -> Any:
    """Effective draws of bulk and tails as draws grow, and how many a fit needs.

    Parameters
    ----------
    effective : pandas.DataFrame
        `effective_draws_frame`.
    """
    line = alt.Chart(effective).mark_line(color=INK, point=alt.OverlayMarkDef(color=INK)).encode(
        x=alt.X("draws:Q", title="Draws of all chains", axis=alt.Axis(grid=False)),
        y=alt.Y("effective:Q", title="Effective draws", scale=alt.Scale(zero=True)),
        strokeDash=alt.StrokeDash("of:N", legend=alt.Legend(title="Of the")),
        tooltip=[alt.Tooltip("of:N"), alt.Tooltip("draws:Q", format=",d"), alt.Tooltip("effective:Q", format=".0f")],
    )  # fmt: skip
    rule = alt.Chart(pd.DataFrame({"needed": [MIN_ESS]})).mark_rule(color=INK, opacity=0.5).encode(y=alt.Y("needed:Q"))
    under = [f"They grow in proportion where sampling is sound; a fit needs {MIN_ESS:.0f} (horizontal line)."]
    return alt.layer(rule, line).properties(
        width=PAGE_WIDTH, height=PANEL_HEIGHT, title=chart_title("Effective draws", under)
    )


def trace_chart(trace: pd.DataFrame) -> Any:
    """The chains in their order.

    Parameters
    ----------
    trace : pandas.DataFrame
        `trace_frame`.
    """
    line = alt.Chart(trace).mark_line(color=INK, strokeWidth=1, opacity=0.8).encode(
        x=alt.X("draw:Q", title="Draw", axis=alt.Axis(grid=False)),
        y=alt.Y("value:Q", title=None, axis=percent_axis(5), scale=alt.Scale(zero=False)),
        strokeDash=_chain_dash(trace),
        tooltip=["chain:N", alt.Tooltip("draw:Q", format=",d"), alt.Tooltip("value:Q", format=".1%")],
    )  # fmt: skip
    under = [f"Up to {TRACED} draws of each chain. Chains that mix cross each other all the time."]
    return line.properties(width=PAGE_WIDTH, height=PANEL_HEIGHT, title=chart_title("Trace", under))


def prior_posterior_chart(prior: pd.DataFrame, posterior: pd.DataFrame, labels: Mapping[str, str]) -> Any:
    """Intervals of one model's estimates under the priors alone (dashed) and after the data (solid).

    Parameters
    ----------
    prior : pandas.DataFrame
        Prior rows of one model (`stats.results.PriorPredictiveRow`).
    posterior : pandas.DataFrame
        Its estimates over the whole design: estimand, mean, low50, high50, low95, high95.
    labels : mapping of str to str
        What each estimand is called.
    """
    after = posterior[posterior["estimand"].isin(prior["estimand"])]
    before = prior[prior["estimand"].isin(after["estimand"])].rename(columns={"median": "mean"})
    order = [labels[name] for name in labels if name in set(after["estimand"])]
    frames = {"prior": before, "posterior": after}
    shown = {name: one.assign(label=one["estimand"].map(labels), what=name) for name, one in frames.items()}
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=260))
    offset = alt.YOffset("what:N", sort=["prior", "posterior"])
    x = alt.X("mean:Q", title=None, axis=percent_axis(7))
    told = tooltip_fields(("label", "Estimate"), ("what", "What"))
    wide = alt.Chart(shown["prior"]).mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=1.5)
    before_layer = wide.encode(
        y=y, yOffset=offset, x=alt.X("low95:Q", title=None, axis=percent_axis(7)), x2=alt.X2("high95:Q"), tooltip=told
    )
    tick = alt.Chart(shown["prior"]).mark_tick(color=INK, height=10, thickness=2).encode(y=y, yOffset=offset, x=x)
    base = alt.Chart(shown["posterior"]).encode(y=y, yOffset=offset, x=x, color=alt.ColorValue(INK), tooltip=told)
    under = ["Dashed: 95 % prior interval with its median. Solid: posterior mean with 50 % and 95 % intervals."]
    return alt.layer(before_layer, tick, *interval_layers(base, "x")).properties(
        width=PAGE_WIDTH, height=alt.Step(ROW_HEIGHT // 2), title=chart_title("Prior and posterior", under)
    )


def _chain_dash(frame: pd.DataFrame) -> alt.StrokeDash:
    names = list(frame["chain"].drop_duplicates())
    dashes = [DASHES[place % len(DASHES)] for place in range(len(names))]
    return alt.StrokeDash("chain:N", scale=alt.Scale(domain=names, range=dashes), legend=alt.Legend(title="Chain"))
