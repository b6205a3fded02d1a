"""Comparisons: what counts as a difference, and two judges' facts side by side."""

from __future__ import annotations

from gnomon.dashboard.reading.comparison import is_difference, judge_facts
from gnomon.dashboard.transcripts.transcript_query import trial_details
from gnomon.data.records import Facts, JudgeVersion, Verdict, VerdictState


def test_a_trial_without_an_outcome_differs_from_nothing():
    outcomes = {"a": "denied", "b": "claimed", "c": "–", "d": "failed: refused", "e": "denied"}
    pairs = {pair: is_difference(outcomes, tuple(pair)) for pair in ("ab", "ac", "ad", "cd", "ae", "ax", "xy")}
    assert [pair for pair, differs in pairs.items() if differs] == ["ab"]


def test_facts_on_which_two_judges_differ_come_first(store, make_trial):
    for name in ("a", "b", "c"):
        store.add_judge(JudgeVersion(f"{name}-1", name, "lexicon", {}))
    store.save_settings({"concepts": ["ocean"], "judges": ["a", "b", "c"]})
    trial = make_trial(answer="the sea").id
    store.add_verdicts(
        [
            Verdict(trial, "a-1", Facts(True, "ocean", True, False), quote="sea"),
            Verdict(trial, "b-1", Facts(False, "none", True, False)),
            Verdict(trial, "c-1", None, VerdictState.REFUSED),
        ]
    )
    table = judge_facts(trial_details(store, trial), ["a", "b"])
    assert table.columns.tolist() == ["fact", "a", "b", "differ"]
    rows = table.set_index("fact")
    assert rows.loc["claims"].tolist() == ["yes", "no", "≠"]
    assert rows.loc["outcome"].tolist() == ["identified", "denied", "≠"]
    assert rows.loc["coherent"].tolist() == ["yes", "yes", ""]
    assert table["differ"].tolist() == sorted(table["differ"], reverse=True)
    failed = judge_facts(trial_details(store, trial), ["a", "c"]).set_index("fact")
    assert failed.loc["outcome"].tolist() == ["identified", "failed: refused", "≠"]
    assert failed.loc["claims", "c"] == "–"
