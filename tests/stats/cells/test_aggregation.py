"""Counts from the store are what was said, by the rule of the study, of trials that count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from sqlalchemy import event

from gnomon.calibration.error_rates.confusion import collect_evidence
from gnomon.data.errors import InputError, NotEnoughDataError, UnknownNameError
from gnomon.data.label_selection import LabelSelection
from gnomon.data.outcomes import RULES, Outcome
from gnomon.data.records import (
    IMPORTED,
    Arm,
    CountRow,
    Facts,
    JudgeVersion,
    Label,
    RaterRole,
    Subject,
    Trial,
    Verdict,
    VerdictState,
)
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import MISSING, VerdictPatternCells, judged_cells, pattern_cells, published_cells
from gnomon.stats.cells.outcome_classes import EVENT, INCOHERENT, MISNAMED, REFUSED, REST, outcome_class

Add = Callable[..., list[Trial]]


def totals(cells: object) -> dict[str, int]:
    counts = cells.counts.sum(axis=0).tolist()
    return dict(zip(cells.classes, counts, strict=True))


def rows(patterns: VerdictPatternCells) -> dict[tuple[object, ...], int]:
    """Count by (arm, verdict classes, label class)."""
    name = lambda k: None if k == MISSING else patterns.classes[k]  # noqa: E731
    arms = patterns.frame["arm"].to_numpy()[patterns.cell]
    said = [tuple(name(k) for k in row) for row in patterns.verdict]
    keys = zip(arms, said, [name(k) for k in patterns.label], strict=True)
    return dict(zip(keys, patterns.count.tolist(), strict=True))


@pytest.mark.parametrize(
    ("outcome", "arm", "expected"),
    [
        (Outcome.REFUSED, Arm.INJECTION, REFUSED),
        (Outcome.IDENTIFIED, Arm.INJECTION, EVENT),
        (Outcome.CLAIMED, Arm.INJECTION, MISNAMED),
        (Outcome.CLAIMED, Arm.CONTROL, EVENT),
        (Outcome.CLAIMED, Arm.RANDOM, EVENT),
        (Outcome.INCOHERENT, Arm.CONTROL, INCOHERENT),
        (Outcome.DENIED, Arm.INJECTION, REST),
        (Outcome.DENIED, Arm.CONTROL, REST),
    ],
)
def test_a_class_is_what_the_arm_counts(outcome: Outcome, arm: Arm, expected: str) -> None:
    assert outcome_class(outcome, arm) == expected


def test_cells_count_classes_by_condition(store: Store, add: Add) -> None:
    add(3, "injection", concept="ocean", verdicts={"first-1": EVENT})
    add(2, "injection", concept="fear", verdicts={"first-1": REST})
    add(4, "control", verdicts={"first-1": REFUSED})
    cells = judged_cells(store)
    assert cells.classes == (REFUSED, EVENT, REST)
    seen = {
        (row.arm, row.concept): counts.tolist()
        for row, counts in zip(cells.frame.itertuples(), cells.counts, strict=True)
    }
    assert seen == {
        ("injection", "ocean"): [0, 3, 0],
        ("injection", "fear"): [0, 0, 2],
        ("control", None): [4, 0, 0],
    }


def test_incoherence_is_a_class_only_where_somebody_reports_it(store: Store, add: Add) -> None:
    add(1, "control", verdicts={"first-1": REST})
    assert INCOHERENT not in judged_cells(store).classes
    add(1, "control", verdicts={"first-1": INCOHERENT})
    assert totals(judged_cells(store)) == {REFUSED: 0, EVENT: 0, INCOHERENT: 1, REST: 1}


def test_only_verdicts_that_count_are_counted(store: Store, add: Add) -> None:
    good, failed, again, broken = add(4, "control")
    rest, event = Facts(False, "none", True, False), Facts(True, "other", True, False)
    store.add_trials([replace(broken, id="e" * 32, error="NaN in logits")])
    store.add_verdicts(
        [
            Verdict(good.id, "first-1", rest),
            Verdict(failed.id, "first-1", None, VerdictState.UNPARSABLE),
            Verdict(again.id, "first-1", event, sample=1),
            Verdict("e" * 32, "first-1", event),
        ]
    )
    assert totals(judged_cells(store)) == {REFUSED: 0, EVENT: 0, REST: 1}


def test_the_newest_version_of_a_judge_speaks_for_it(store: Store, add: Add) -> None:
    (trial,) = add(1, "control", verdicts={"first-1": REST})
    store.add_judge(JudgeVersion("first-2", "first", "local", {}))
    store.add_verdicts([Verdict(trial.id, "first-2", Facts(True, "other", True, False))])
    assert totals(judged_cells(store))[EVENT] == 1


def test_a_changed_rule_recounts_everything(store: Store, add: Add) -> None:
    (trial,) = add(1, "control")
    store.add_verdicts([Verdict(trial.id, "first-1", Facts(True, "other", False, False))])
    assert totals(judged_cells(store))[INCOHERENT] == 1
    store.save_settings({"rule": "lenient"})
    assert totals(judged_cells(store)) == {REFUSED: 0, EVENT: 1, REST: 0}


def test_patterns_keep_judges_and_labels_together(store: Store, add: Add) -> None:
    add(5, "control", verdicts={"first-1": REST, "second-1": EVENT})
    add(2, "control", verdicts={"first-1": REST, "second-1": EVENT}, label=EVENT, split="test")
    add(1, "control", verdicts={"second-1": REST})
    add(1, "control")
    assert rows(pattern_cells(store)) == {
        ("control", (REST, EVENT), None): 5,
        ("control", (REST, EVENT), EVENT): 2,
        ("control", (None, REST), None): 1,
    }


def test_only_a_judge_that_learned_from_labels_is_not_measured_on_them(store: Store, add: Add) -> None:
    store.add_judge(JudgeVersion("taught-1", "taught", "learned", {}))
    store.save_settings({"judges": ["first", "taught"]})
    add(3, "control", verdicts={"first-1": REST, "taught-1": REST}, label=REST, split="train")
    add(2, "control", verdicts={"first-1": REST, "taught-1": REST}, split="train")
    assert rows(pattern_cells(store)) == {
        ("control", (REST, None), REST): 3,
        ("control", (REST, REST), None): 2,
    }
    assert pattern_cells(store).trial_counts.tolist() == [5.0]


def test_labels_of_every_split_count_for_an_imported_judge_in_fit_and_audit_alike(store: Store, add: Add) -> None:
    store.add_judge(JudgeVersion("brought-1", "brought", IMPORTED, {}))
    store.save_settings({"judges": ["brought"]})
    for split in ("train", "dev", "test"):
        add(2, "control", verdicts={"brought-1": REST}, label=REST, split=split)
    assert rows(pattern_cells(store)) == {("control", (REST,), REST): 6}
    (evidence,) = collect_evidence(store, ["brought-1"], "blind")
    assert len(evidence.pairs) == 6


def test_every_rater_is_kept_and_an_adjudicated_label_is_exact(store: Store, add: Add) -> None:
    add(1, "control", verdicts={"first-1": REST}, label=REST)
    (twice,) = add(1, "control", verdicts={"first-1": REST}, label=EVENT)
    event = Facts(True, "other", True, False)
    rest = Facts(False, "none", True, False)
    store.add_labels([Label(twice.id, "bob", rest), Label(twice.id, "cy", rest, role=RaterRole.ADJUDICATOR)])
    (bob,) = add(1, "control", verdicts={"first-1": REST})
    store.add_labels([Label(bob.id, "bob", event)])
    patterns = pattern_cells(store)
    assert patterns.raters == ("ann", "bob")
    kind = {None: MISSING, EVENT: patterns.classes.index(EVENT), REST: patterns.classes.index(REST)}
    told = [
        (int(label), *map(int, ratings), bool(exact))
        for label, ratings, exact in zip(patterns.label, patterns.ratings, patterns.exact, strict=True)
    ]
    assert sorted(told) == sorted(
        [
            (kind[REST], kind[REST], MISSING, False),
            (kind[REST], kind[EVENT], kind[REST], True),
            (kind[EVENT], MISSING, kind[EVENT], False),
        ]
    )
    assert patterns.repeated_labels == 1
    assert replace(patterns, raters=()).exact.all(), "labels without a rater are taken as they are"


def test_an_older_version_and_a_judge_left_out_that_chose_labels_are_in_the_fit(store: Store, add: Add) -> None:
    trials = add(3, "control", verdicts={"first-1": REST, "second-1": EVENT})
    rest = Facts(False, "none", True, False)
    chose = LabelSelection(("first-1", "second-1"), "disputed", 3, 1)
    store.add_labels([Label(trials[0].id, "ann", rest, stratum="disputed", selection=chose)])
    store.add_judge(JudgeVersion("first-2", "first", "local", {}))
    store.add_verdicts([Verdict(trial.id, "first-2", rest) for trial in trials])
    assert pattern_cells(store, ["first"]).judges == ("first", "first (older version)", "second")
    store.save_settings({"judges": ["first"]})
    patterns = pattern_cells(store)
    assert patterns.judges == ("first", "first (older version)", "second")
    assert rows(patterns) == {("control", (REST, REST, EVENT), None): 2, ("control", (REST, REST, EVENT), REST): 1}
    assert patterns.unrecorded == 0
    store.add_labels([Label(trials[1].id, "ann", rest, stratum="disputed")])
    assert pattern_cells(store).unrecorded == 1, "chosen by verdicts, and nobody knows of which judges"


def test_a_judge_that_chose_labels_and_has_no_room_or_no_verdict_is_named(store: Store, add: Add) -> None:
    (trial,) = add(1, "control", verdicts={"first-1": REST, "second-1": EVENT})
    rest = Facts(False, "none", True, False)
    for name in ("a", "b", "c"):
        store.add_judge(JudgeVersion(f"{name}-1", name, "local", {}))
        store.add_verdicts([Verdict(trial.id, f"{name}-1", rest)])
    chose = LabelSelection(("first-1", "second-1"), "disputed", 1, 1)
    store.add_labels([Label(trial.id, "ann", rest, stratum="disputed", selection=chose)])
    with pytest.raises(InputError, match=r"judge 'second' \(second-1\) chose 1 label, .* 5 judges: name at most 3"):
        pattern_cells(store, ["first", "a", "b", "c"])
    store.save_settings({"judges": ["a", "b", "c", "first"]})
    assert set(pattern_cells(store).judges) == {"a", "b", "first", "second"}, "nobody asked for c"
    lost = LabelSelection(("gone-7",), "disputed", 1, 1)
    store.add_labels([Label(trial.id, "ann", rest, revision=1, stratum="disputed", selection=lost)])
    with pytest.raises(InputError, match="judge 'gone-7' chose 1 of the labels, and this study holds no verdict of it"):
        pattern_cells(store)


def test_labels_are_counted_by_arm(store: Store, add: Add) -> None:
    add(2, "control", verdicts={"first-1": REST}, label=REST)
    add(3, "injection", concept="ocean", verdicts={"first-1": REST})
    assert pattern_cells(store).labelled_by_arm().to_dict() == {"control": 2}


def test_the_hash_follows_the_counts_and_nothing_else(store: Store, add: Add) -> None:
    add(2, "control", verdicts={"first-1": REST})
    before = judged_cells(store).content_hash(), pattern_cells(store).content_hash()
    assert before == (judged_cells(store).content_hash(), pattern_cells(store).content_hash())
    store.log_event("anything", {})
    assert before[0] == judged_cells(store).content_hash()
    add(1, "control", verdicts={"first-1": REST})
    assert before[0] != judged_cells(store).content_hash()
    assert before[1] != pattern_cells(store).content_hash()


def test_published_counts_are_cells_with_incoherence_unknown(store: Store) -> None:
    store.add_subjects([Subject("m", 5e8, "toy", "coder")])
    store.add_counts([CountRow("paper", "m", Arm.CONTROL, 10, 3, 2)])
    cells = published_cells(store)
    assert cells.classes == (REFUSED, EVENT, REST)
    assert cells.counts.tolist() == [[3, 2, 5]]
    assert cells.frame.loc[0, ["subject", "parameters", "variant", "arm"]].tolist() == ["m", 5e8, "coder", "control"]
    assert cells.frame.loc[0, "concept"] is None
    assert np.isnan(cells.frame.loc[0, "layer"])


def test_nothing_to_count_is_one_plain_line(store: Store, add: Add) -> None:
    with pytest.raises(NotEnoughDataError, match="no published counts"):
        published_cells(store)
    add(1, "control")
    with pytest.raises(NotEnoughDataError, match="no verdicts yet"):
        judged_cells(store)
    add(1, "control", verdicts={"first-1": REST})
    with pytest.raises(UnknownNameError, match="nobody"):
        judged_cells(store, "nobody")
    with pytest.raises(InputError, match="5 judges in one correction: name at most 4"):
        pattern_cells(store, [f"judge {number}" for number in range(5)])


def test_counting_reads_two_indexes_and_sorts_nothing(store: Store, add: Add) -> None:
    """A million trials are counted in seconds only while no row of text is read and no trial is sorted."""
    add(2, "injection", concept="ocean", verdicts={"first-1": EVENT, "second-1": REST})
    asked: list[str] = []
    event.listen(store.engine, "before_cursor_execute", lambda *about: asked.append(str(about[2])))
    pattern_cells(store)
    every, failed = [_plan(store, statement) for statement in tuple(asked) if " AS v1 " in statement]
    assert "SCAN trials USING COVERING INDEX ix_trials_cells" in every
    assert "USING INDEX ix_trials_failed" in failed[0]
    for plan in (every, failed):
        assert sum("USING COVERING INDEX ix_verdicts_heard" in step for step in plan) == 2
        assert not any("TEMP B-TREE" in step for step in plan)


def _plan(store: Store, statement: str) -> list[str]:
    with store.read_transaction() as connection:
        asked = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", (1,) * statement.count("?"))
        return [row[3] for row in asked]


def test_rules_ask_of_a_named_concept_only_whether_it_is_the_injected_one() -> None:
    """`_heard` keeps no more of it."""
    for rule, arm, (claims, coherent, refused) in product(RULES.values(), Arm, product((True, False), repeat=3)):
        for target in ("ocean", None):
            told = {rule(Facts(claims, name, coherent, refused), arm, target) for name in ("none", "other", "fear")}
            assert len(told) == 1
