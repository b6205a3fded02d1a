"""Sections of the report on cards and on compared versions hold what the pages hold."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from simulated_study import FACTS, GOOD, fill_study

from gnomon.calibration.audit.document import audit_study
from gnomon.data.records import JudgeVersion, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.report.report_blocks import ReportFigure, ReportTable
from gnomon.report.sections.judges.card_section import card_section
from gnomon.report.sections.judges.panel_section import panel_section


@pytest.fixture(scope="module")
def material(tmp_path_factory) -> Iterator[Any]:
    """What these sections read of a study whose judge has a newer version that errs on one trial in nine."""
    store = Store.open(sqlite_url(tmp_path_factory.mktemp("report") / "gnomon.db"))
    study = fill_study(store, GOOD, n=120, labelled=0.9)
    store.add_judge(JudgeVersion("careful-2", "careful", "simulated", {"edition": 2}))
    trials = store.read_frame(tables.trials)["id"].tolist()
    said = [study.truth[trial] if place % 9 else "incoherent" for place, trial in enumerate(trials)]
    store.add_verdicts([Verdict(trial, "careful-2", FACTS[what]) for trial, what in zip(trials, said, strict=True)])
    yield SimpleNamespace(store=store, audit=audit_study(store, view="blind"), settings=load_settings(store))
    store.close()


def test_the_newest_version_stands_against_the_one_before_with_the_changed_trials(material):
    (made,) = panel_section(material)
    shown = {block.title: block.table for block in made.blocks if isinstance(block, ReportTable)}
    compared, changed = shown["Two versions of careful"], shown["Trials on which two versions of careful differ"]
    assert {"difference", "p", "corrected", "given"} <= {column.name for column in compared.columns}
    assert {row["arm"] for row in compared.rows} == {"all", "injection", "control"}
    assert changed.rows
    assert any(isinstance(block, str) and "McNemar" in block for block in made.blocks)


def test_a_card_has_its_tables_and_its_errors_by_date(material):
    (made,) = card_section(material)
    titles = [block.title for block in made.blocks if isinstance(block, ReportTable)]
    for title in (
        "Rates of careful and what gates rely on",
        "Agreement with careful",
        "Labels behind the card of careful",
    ):
        assert title in titles
    assert "Running error rates of careful" in titles
    assert any(isinstance(block, str) and block.startswith(("Passes: ", "Low: ", "Stale: ")) for block in made.blocks)
    drawn = [block.name for block in made.blocks if isinstance(block, ReportFigure)]
    assert "running-careful-control" not in drawn, "labels of one minute are no chart by date"
