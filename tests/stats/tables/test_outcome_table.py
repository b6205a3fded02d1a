"""Outcomes by arm add up to the trials that count, and what a publication does not tell apart is not called denied."""

from __future__ import annotations

import dashboard_demo as demo
import pytest

from gnomon.data.storage.store import Store
from gnomon.stats.cells.outcome_counts import DENIED_OR_OTHER, study_outcomes
from gnomon.stats.tables.outcome_table import REST_NOTE, outcome_table


def test_outcomes_of_verdicts_are_all_there(store: Store) -> None:
    demo.fill(store, labels=False, fits=False)
    rows = study_outcomes(store)
    injection = {row.outcome: row.n for row in rows if row.arm == "injection"}
    assert set(injection) == {"identified", "claimed", "denied", "incoherent", "refused"}
    for arm in ("injection", "control", "random"):
        (of,) = {row.of for row in rows if row.arm == arm}
        assert sum(row.n for row in rows if row.arm == arm) == of
    table = outcome_table(rows, "by the verdicts of lexicon")
    by_arm = {row["arm"]: row for row in table.rows}
    assert by_arm["control"].get("identified") is None, "nothing was injected"
    assert by_arm["injection"]["n"] == sum(injection.values())
    assert not table.notes


def test_published_counts_keep_apart_only_what_the_publication_does(store: Store) -> None:
    demo.fill_published(store, fit=False)
    table = outcome_table(study_outcomes(store), "as published")
    one = next(row for row in table.rows if (row["model"], row["arm"]) == ("Qwen2.5-0.5B-Instruct", "injection"))
    assert one[DENIED_OR_OTHER] == pytest.approx((1600 - 193 - 344) / 1600)
    assert one.get("denied") is None
    assert one.get("claimed") is None
    control = next(row for row in table.rows if (row["model"], row["arm"]) == ("Qwen2.5-0.5B-Instruct", "control"))
    assert control["claimed"] == pytest.approx(460 / 1600)
    assert control["denied"] == pytest.approx(700 / 1600), "net detection counts these as denials"
    assert table.notes == (REST_NOTE,)
