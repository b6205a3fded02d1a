"""Comparisons, panels and guidelines as text: what a reader of the terminal sees."""

from __future__ import annotations

import dashboard_demo
import pytest
from sqlalchemy import select

from gnomon.calibration.comparison.label_policies import policy_document
from gnomon.calibration.comparison.rubric_comparison import compare_rubrics
from gnomon.calibration.panel_worth.panel_worth import panel_document
from gnomon.data.records import Facts, Label, LabelPolicy
from gnomon.data.storage import tables
from gnomon.render.comparison import print_comparison, print_panel, print_policies

DENIES = Facts(claims=False, concept="none", coherent=True, refused=False)
CLAIMS = Facts(claims=True, concept="ocean", coherent=True, refused=False)


@pytest.fixture
def demo_store(store):
    dashboard_demo.fill(store, fits=False, times=2)
    return store


def test_a_comparison_names_both_judges_the_base_rate_and_the_test(demo_store, capsys):
    first, second = demo_store.read_frame(select(tables.judges.c.name))["name"].unique()[:2]
    found = compare_rubrics(demo_store, first, second, view="current")
    print_comparison(found)
    shown = capsys.readouterr().out
    assert first in shown
    assert second in shown
    assert "% events" in shown
    assert "McNemar" in shown
    assert "Youden's J" in shown


def test_a_panel_shows_base_rates_numbers_and_members(demo_store, capsys):
    print_panel(panel_document(demo_store, "current"))
    shown = capsys.readouterr().out
    assert "A panel of" in shown
    assert "base rate" in shown
    assert "effective number" in shown


def test_guidelines_are_shown_with_their_labels_and_judges(demo_store, capsys):
    guideline = LabelPolicy("guideline.md", "A concept must be named.")
    demo_store.add_label_policies([guideline])
    trials = demo_store.read_frame(tables.trials)["id"].tolist()[:40]
    facts = [CLAIMS if place % 2 else DENIES for place in range(len(trials))]
    rows = zip(trials, facts, strict=True)
    demo_store.add_labels([Label(trial, "zoe", said, policy=guideline.hash) for trial, said in rows])
    print_policies(policy_document(demo_store, "current"))
    shown = capsys.readouterr().out
    assert "guideline.md" in shown
    assert "no guideline recorded" in shown
