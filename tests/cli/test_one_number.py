"""One estimand, one number in fit, plan, report and each page; the audit's pooled figure has its own name."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from gnomon.api.study import open_study
from gnomon.report.document import write_report
from gnomon.stats.narrative.fit_frames import all_fitted, fit_for
from gnomon.stats.narrative.fit_sentences import interval_phrase
from gnomon.stats.narrative.method_sentences import headline_sentence
from gnomon.stats.results import PASSED, EstimateRow
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables.headline_tables import headline_table
from gnomon.stats.tables.method_table import method_table

NET = "net_detection_corrected"
FAR = 1.9
"""A width that every interval has: the plan then simulates nothing."""


@pytest.fixture(scope="module")
def study(demo) -> Iterator[Any]:
    with open_study(demo.folder) as opened:
        yield opened


@pytest.fixture(scope="module")
def shown(study) -> EstimateRow:
    """The corrected net detection of the demo's one model, as its fit stores it."""
    fit = newest_fits(study.store)["corrected"]
    assert fit.status == PASSED
    (row,) = [row for row in fit.result.overall_estimates if row.estimand == NET]
    return row


def keys_of(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, value in document.items():
            yield key
            yield from keys_of(value)
    elif isinstance(document, list):
        for value in document:
            yield from keys_of(value)


def test_fit_and_plan_give_the_number_that_is_stored(demo, study, shown: EstimateRow) -> None:
    (printed,) = [row for row in demo.document["estimates"] if row["estimand"] == NET]
    assert (printed["mean"], printed["low"], printed["high"]) == (shown.mean, shown.low95, shown.high95)
    plan = study.plan(width=FAR)
    assert plan.estimand == NET
    assert (plan.now.value, plan.now.low, plan.now.high) == (shown.mean, shown.low95, shown.high95)


def test_every_page_shows_that_number(study, shown: EstimateRow) -> None:
    fits = all_fitted(study.store)
    page = fit_for(fits, NET)
    assert page is not None
    (mean,) = page.overall_estimates(NET)["mean"]
    assert mean == shown.mean
    table = headline_table(fits).text_frame()
    (cell,) = table.loc[table["Fit"] == "corrected", "Raw net detection"]
    assert cell == interval_phrase(shown)


def test_the_method_that_is_called_the_headline_is_the_one_that_is_shown(study, shown: EstimateRow) -> None:
    page = fit_for(all_fitted(study.store), NET)
    assert page is not None
    assert page.headline is not None
    (chosen,) = [row for row in page.methods if row.headline and row.estimand == NET]
    assert (chosen.mean, chosen.low95, chosen.high95) == (shown.mean, shown.low95, shown.high95)
    table = method_table(page.methods).text_frame().set_index("Estimate")
    method = table.loc["corrected net detection", "Headline"]
    assert table.loc["corrected net detection", method[:1].upper() + method[1:]] == interval_phrase(shown)
    assert headline_sentence(page.headline).startswith(f"Headline: {method}")


@pytest.mark.simulation
def test_the_report_prints_it_and_no_other_under_that_name(study, shown: EstimateRow, tmp_path) -> None:
    page = html.unescape(write_report(study.opened, tmp_path / "a.html").read_text(encoding="utf-8"))
    text = " ".join(re.sub(r"<[^>]+>", " ", page).replace("\u00a0", " ").split())
    assert interval_phrase(shown) in text
    for said in re.findall(r"corrected net detection: (\S+ % \([^)]*\))", text):
        assert said == interval_phrase(shown)


def test_the_audit_calls_its_pooled_figure_by_another_name_and_its_rows_add_up(study) -> None:
    audit = json.loads(study.audit_views(()).model_dump_json(by_alias=True))
    assert NET not in set(keys_of(audit))
    for together in audit["together"].values():
        net = together["net_detection_audit"]["independent"]
        if net is not None:
            arms = {row["arm"]: row["independent"]["value"] for row in together["arms"]}
            rows = arms["injection"] - together["not_denied"]["independent"]["value"]
            assert net["value"] == pytest.approx(rows, abs=1e-9)
    for funnel in audit["funnel"].values():
        counts = [funnel[key] for key in ("events", "trials", "labelled", "measuring", "net_detection")]
        assert counts == sorted(counts, reverse=True)
        assert funnel["labelled"] == audit["labelled"][funnel["view"]]
