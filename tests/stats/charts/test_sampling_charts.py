"""Plots of draws: a chain that does not mix stands out in ranks, and effective draws are ArviZ's."""

from __future__ import annotations

from pathlib import Path

import dashboard_demo as demo
import numpy as np
import pandas as pd
import pytest

from gnomon.calibration.plotting.theme import save_chart
from gnomon.stats.charts import sampling_charts as charts
from gnomon.stats.inference.arviz_import import import_arviz


@pytest.fixture(scope="module")
def chains() -> np.ndarray:
    return np.random.default_rng(1).normal(0.3, 0.05, size=(4, 500))


def test_ranks_of_chains_that_mix_are_even_and_a_shifted_chain_is_not(chains: np.ndarray) -> None:
    even = charts.rank_frame(chains)
    assert even.groupby("chain")["draws"].sum().tolist() == [500] * 4
    assert even["draws"].between(5, 50).all(), "25 expected in each"
    shifted = charts.rank_frame(chains + np.array([[0.2], [0], [0], [0]]))
    first = shifted[shifted["chain"] == "1"].sort_values("rank")["draws"].to_numpy()
    assert first[:10].sum() == 0
    assert first[15:].sum() > 450


def test_effective_draws_end_at_those_of_the_whole_fit(chains: np.ndarray) -> None:
    frame = charts.effective_draws_frame(chains)
    last = frame[frame["draws"] == 2000].set_index("of")["effective"]
    assert last["bulk"] == pytest.approx(float(import_arviz().ess(chains, method="bulk")))
    assert last["tail"] == pytest.approx(float(import_arviz().ess(chains, method="tail")))


def test_a_trace_keeps_the_draws_and_their_order(chains: np.ndarray) -> None:
    trace = charts.trace_frame(chains)
    assert trace.groupby("chain").size().tolist() == [charts.TRACED] * 4
    one = trace[trace["chain"] == "2"]
    assert one["draw"].is_monotonic_increasing
    assert one["value"].tolist() == chains[1, one["draw"] - 1].tolist()


def test_every_plot_is_drawn_with_what_it_is_compared_with(chains: np.ndarray, tmp_path: Path) -> None:
    after = demo.estimand("toy", 1e9, "instruct", "refusal", 0.2, 0.02)
    before = {"subject": "toy", "estimand": "refusal", "low95": 0.0, "low50": 0.1, "median": 0.3, "high50": 0.5}
    prior, posterior = pd.DataFrame([{**before, "high95": 0.9}]), pd.DataFrame([{**after, "axis": ""}])
    for name, chart in {
        "Ranks by chain": charts.rank_chart(charts.rank_frame(chains)),
        "Effective draws": charts.effective_draws_chart(charts.effective_draws_frame(chains)),
        "Trace": charts.trace_chart(charts.trace_frame(chains)),
        "Prior and posterior": charts.prior_posterior_chart(prior, posterior, {"refusal": "Refusal"}),
    }.items():
        assert name in save_chart(chart, tmp_path / "chart.svg").read_text()
