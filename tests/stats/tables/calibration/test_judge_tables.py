"""The audit as tables: the numbers of the audit, every heading explained, who the raters are."""

from __future__ import annotations

from collections.abc import Iterator

import dashboard_demo
import pandas as pd
import pytest

from gnomon.calibration.audit import audit_frames
from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.results.audit import ViewAudit
from gnomon.data.glossary import define_terms
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.results import YoudenRow
from gnomon.stats.tables.calibration import judge_tables
from gnomon.stats.tables.estimate_table import EstimateTable, TableColumn
from gnomon.stats.tables.frame_tables import table_of_intervals


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store.open(sqlite_url(tmp_path_factory.mktemp("study") / "gnomon.db"))
    dashboard_demo.fill(store, fits=False)
    yield store
    store.close()


@pytest.fixture(scope="module")
def audit(study: Store) -> ViewAudit:
    return audit_study(study, view="blind")


def all_tables(audit: ViewAudit, study: Store) -> list[EstimateTable]:
    return [
        judge_tables.error_rate_table(audit),
        judge_tables.error_rate_table(audit, "as_pass"),
        judge_tables.evidence_table(audit),
        judge_tables.confusion_table(audit, "lexicon"),
        judge_tables.agreement_table(audit),
        judge_tables.correction_table(audit, "lexicon"),
        judge_tables.panel_table(audit),
        judge_tables.inconsistency_table(audit),
        judge_tables.rater_table(study),
        judge_tables.drift_table(audit, "lexicon"),
    ]


def test_every_table_has_rows_texts_and_headings_that_the_glossary_explains(audit: ViewAudit, study: Store) -> None:
    found = all_tables(audit, study)
    assert len({table.name for table in found}) == len(found)
    for table in found:
        assert table, table.name
        assert next(table.texts()), table.name
        for column in table.columns:
            define_terms(*column.terms)


def test_the_numbers_are_those_of_the_audit(audit: ViewAudit) -> None:
    table = judge_tables.error_rate_table(audit)
    rates = audit_frames.rate_frame(audit).set_index(["judge", "arm", "measure"])
    row = next(row for row in table.rows if row["judge"] == "embedding" and row["arm"] == "control")
    for name, measure in audit_frames.MEASURES.items():
        cell, rate = row[name], rates.loc[("embedding", "control", measure)]
        assert (cell.value, cell.low, cell.high) == (rate["value"], rate["low"], rate["high"])  # type: ignore[union-attr]
    cells = judge_tables.confusion_table(audit, "lexicon").data_frame()
    assert cells["n"].sum() == cells.drop_duplicates(["arm", "truth"])["of"].sum()


def test_net_detection_stands_beside_the_two_rates_that_it_is_the_difference_of(audit: ViewAudit) -> None:
    table = judge_tables.panel_table(audit)
    kinds = {column.name: column.kind for column in table.columns}
    assert kinds[audit_frames.PANEL_NET] == "difference"
    for row in table.rows:
        minuend, part, net = (
            row[name] for name in ("injection, identified", "control, not denied", "net detection, audit estimate")
        )
        assert net.value == pytest.approx(minuend.value - part.value, abs=0.02)  # type: ignore[union-attr]


def test_raters_are_told_by_their_kind(study: Store) -> None:
    rows = judge_tables.rater_table(study).rows
    assert {row["rater"]: row["kind"] for row in rows} == {"first-reader": "person", "second-reader": "person"}


def test_a_frame_without_an_interval_has_an_absent_cell_and_no_column_it_lacks() -> None:
    frame = pd.DataFrame({"arm": ["control", "random"], "value": [0.5, None], "low": [0.4, None], "high": [0.6, None]})
    columns = (TableColumn("arm", "Arm"), TableColumn("estimate", "Rate", "rate"), TableColumn("n", "n", "count"))
    table = table_of_intervals("t", "", frame, columns)
    assert list(table.texts()) == [["control", "50 % (40 to 60)"], ["random", "–"]]


def test_the_posterior_of_youden_has_a_column_for_each_arm_and_a_row_for_each_judge() -> None:
    ends = {"question": "event", "probability": 1.0, "mean": 0.5, "low95": 0.4, "high95": 0.6}
    rows = [YoudenRow(judge="a", arm="control", **ends), YoudenRow(judge="b", arm="injection", **ends)]
    table = judge_tables.posterior_youden_table(rows)
    assert list(table.texts()) == [["a", "0.50 (0.40 to 0.60)", "–"], ["b", "–", "0.50 (0.40 to 0.60)"]]


def test_a_method_that_gives_no_estimate_says_why(audit: ViewAudit) -> None:
    refused = [row for row in audit.comparison if row.judge == "embedding" and row.estimate is None]
    rows = [row for row in judge_tables.correction_table(audit, "embedding").rows if row["estimate"] is None]
    assert refused
    assert [row["why"] for row in rows] == [each.reason for each in refused]
