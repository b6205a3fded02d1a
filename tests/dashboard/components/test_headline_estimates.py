"""The headline and what it depends on are on the page, and a study of counts keeps its warning."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dashboard_demo as demo
import pytest
from streamlit.testing.v1 import AppTest

from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.caveats import COUNTS_ONLY


@pytest.fixture
def shown(tmp_path: Path) -> Callable[[Callable[[Store], None]], AppTest]:
    """Runs the components on a study that is filled first."""

    def page(url: str) -> None:
        from gnomon.dashboard import study_picker
        from gnomon.dashboard.components import headline_estimates
        from gnomon.stats.estimand_registry import NET_RAW
        from gnomon.stats.narrative.fit_frames import all_fitted
        from gnomon.stats.tables.models import size_tables

        place = study_picker.StudyRef("study", url)
        store = study_picker.open_store(place)
        fits = all_fitted(store)
        headline_estimates.study_caveat_strip(fits)
        headline_estimates.show_headline(fits)
        fit = next(iter(fits.values()))
        left_out, odds = size_tables.leave_one_out_table(fit, NET_RAW), size_tables.odds_ratio_table(fit)
        headline_estimates.show_sensitivity(place, store, fits, left_out, odds)

    def run(fill: Callable[[Store], None]) -> AppTest:
        url = sqlite_url(tmp_path / "gnomon.db")
        store = Store.open(url)
        fill(store)
        store.close()
        app = AppTest.from_function(page, args=(url,), default_timeout=120).run()
        assert not app.exception
        return app

    return run


def test_a_study_shows_its_headline_its_outcome_rules_and_its_missing_verdicts(
    shown: Callable[..., AppTest],
) -> None:
    app = shown(demo.fill)
    headline, rules = (frame.value for frame in app.dataframe)
    assert headline.loc[0, "Identification"] == pytest.approx(0.35), "the value that the page sorts by"
    assert any("| SmolLM2-135M | as judged | 35 % (25 to 45) |" in code.value for code in app.code), "as Markdown"
    assert {"Detection", "Identification", "False alarm"} <= set(rules["Estimate"])
    assert [each.label for each in app.expander] == ["Outcome rules", "Missing verdicts"]
    assert not app.warning


def test_a_study_of_counts_keeps_its_warning(shown: Callable[..., AppTest]) -> None:
    app = shown(demo.fill_published)
    assert [each.value for each in app.warning] == [COUNTS_ONLY]
    assert "Outcome rules" not in [each.label for each in app.expander], "counts have no verdicts to count otherwise"
