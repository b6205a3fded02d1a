"""open-introspection: labels become a history, whatever the order of the files, and nothing is told twice."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import pytest
from sqlalchemy import select

from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

FORMAT = "open-introspection"
TIME = "2026-02-02T20:47:55.633Z"


def said(answer="pass", detected=None, coherent=True, refused=False, **more):
    return {"answer": answer, "coherent": coherent, "detected_concept": detected, "refused": refused, **more}


def row(id_="t1", injected=True, label=None, verdict=None, model="Qwen/Qwen2.5-7B-Instruct", concept="ocean", **more):
    config = {"model": model, "layer": 20, "strength": 3, "magnitude": 90.5, "prompt_version": "v2"}
    made = {"id": id_, "concept": concept, "was_injected": injected, "response": "I notice water.", "config": config}
    labelled = None if label is None else {"labeler": "ann", "timestamp": TIME, **label}
    return {**made, "label": labelled, **({"judge_result": verdict} if verdict else {}), **more}


@pytest.fixture
def write(tmp_path):
    def make(name, *rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(each) + "\n" for each in rows))
        return path

    return make


def bring(store, *paths, **options):
    parsed = parse_files(FORMAT, list(paths), ImportOptions(**options))
    return parsed.ingest_into(store), parsed.report


def labels(store):
    column = tables.labels.c
    return [
        dict(each._mapping) for each in store._fetch_all(select(tables.labels).order_by(column.trial, column.revision))
    ]


def facts(each):
    return each["claims"], each["concept"], each["passed"]


@pytest.mark.parametrize(
    ("injected", "label", "expected"),
    [
        (True, said("pass", "ocean"), (True, "ocean", True)),
        (True, said("pass", "ocean", refused=True), (True, "ocean", True)),
        (True, said("fail", None), (False, "none", False)),
        (True, said("fail", "ocean"), (False, "none", False)),
        (True, said("fail", "fear"), (True, "fear", False)),
        (True, said("fail", "unease"), (True, "other", False)),
        (False, said("pass"), (False, "none", True)),
        (False, said("fail"), (True, "other", False)),
        (False, said("fail", refused=True), (False, "none", False)),
        (False, said("fail", coherent=False), (False, "none", False)),
    ],
)
def test_pass_and_fail_are_kept_and_the_facts_behind_them_are_read(store, write, injected, label, expected):
    bring(store, write("dev.jsonl", row(injected=injected, label=label), row("t2", concept="fear")))
    (found,) = labels(store)
    assert facts(found) == expected
    assert found["exposure"] == "unknown"


def test_a_changed_label_is_a_revision_after_the_verdict_in_any_order_of_files(store, write, tmp_path):
    plain = write("dev.jsonl", row(label=said("pass", "ocean")))
    judged = write("dev_calibration.jsonl", row(label=said("fail", "ocean"), verdict=said("pass", "ocean")))
    other = Store.open(sqlite_url(tmp_path / "other.db"))
    for where, paths in ((store, (plain, judged)), (other, (judged, plain))):
        landed, report = bring(where, *paths)
        assert (landed.new, landed.revisions, report.problems) == ({"trials": 1, "verdicts": 1, "labels": 2}, 1, [])
    assert [(each["exposure"], facts(each)) for each in labels(store)] == [
        ("unknown", (False, "none", False)),
        ("after_verdict", (True, "ocean", True)),
    ]
    assert [list(each.values())[1:] for each in labels(store)] == [list(each.values())[1:] for each in labels(other)]
    other.close()


@pytest.mark.parametrize(
    "change", [{"answer": "fail"}, {"coherent": False}, {"refused": True}, {"detected_concept": "x"}]
)
def test_any_part_of_the_label_that_changes_is_a_revision(store, write, change):
    first = said("fail", "ocean") if "answer" not in change else said("pass", "ocean")
    landed, _ = bring(
        store,
        write("a_calibration.jsonl", row(label=first, verdict=said())),
        write("a.jsonl", row(label={**first, **change})),
    )
    assert landed.revisions == 1


def test_a_revised_label_sorts_after_the_first_though_the_source_repeats_its_time(store, write):
    bring(
        store,
        write("a_calibration.jsonl", row(label=said("fail"), verdict=said())),
        write("a.jsonl", row(label=said())),
    )
    first, second = labels(store)
    assert first["created_at"] == "2026-02-02T20:47:55.633000+00:00"
    assert second["created_at"] > first["created_at"]


def test_importing_again_in_any_order_adds_nothing(store, write):
    plain = write("dev.jsonl", row(label=said("pass", "ocean")), row("t2", False, label=said("fail", "unease")))
    judged = write("dev_calibration.jsonl", row(label=said("fail", "ocean"), verdict=said("pass", "ocean")))
    bring(store, plain, judged)
    before = labels(store)
    for paths in itertools.chain(itertools.permutations((plain, judged)), [(plain,), (judged,)]):
        landed, report = bring(store, *paths)
        assert (sum(landed.new.values()), report.problems) == (0, [])
        assert landed.repeated == landed.accepted
    assert labels(store) == before


def test_a_concept_learnt_later_does_not_make_a_revision_of_an_old_label(store, write):
    plain = write("dev.jsonl", row(label=said("fail", "unease")))
    bring(store, plain)
    bring(store, write("more.jsonl", row("t2", concept="unease")))
    assert bring(store, plain)[0].new["labels"] == 0


def test_a_label_from_before_a_verdict_is_not_put_after_a_stored_one(store, write):
    bring(store, write("dev.jsonl", row(label=said("pass", "ocean"))))
    judged = write("dev_calibration.jsonl", row(label=said("fail", "ocean"), verdict=said()))
    landed, report = bring(store, judged)
    assert landed.new == {"trials": 0, "verdicts": 1, "labels": 0}
    assert "dev_calibration.jsonl line 1: the label of 'ann'" in str(report.problems[0])
    assert "import the calibration file first" in str(report.problems[0])


def test_two_labels_of_one_rater_at_one_instant_in_one_file_are_told_and_the_first_kept(store, write):
    path = write("dev.jsonl", row(label=said("pass", "ocean")), row(label=said("fail")))
    for new in (1, 0):
        landed, report = bring(store, path)
        assert landed.new["labels"] == new
        assert "dev.jsonl line 2: rater 'ann' has two labels" in str(report.problems[0])
    assert facts(labels(store)[0])[2] is True


def test_equal_ids_of_different_models_are_different_trials(store, write):
    landed, report = bring(store, write("dev.jsonl", row(model="a/Toy-1B"), row(model="b/Toy-1B")))
    assert (landed.new["trials"], report.problems) == (2, [])


def test_a_trial_has_one_id_whatever_file_and_line_it_stands_in(store, write, tmp_path):
    rows = [row(f"t{number}") for number in range(5)]
    bring(store, write("a.jsonl", *rows))
    other = Store.open(sqlite_url(tmp_path / "other.db"))
    for number, each in enumerate(reversed(rows)):
        bring(other, write(f"b{number}.jsonl", row("filler"), each))
    assert store.trial_ids() < other.trial_ids()
    other.close()


def test_a_trial_with_another_answer_is_a_conflict_and_nothing_is_overwritten(store, write):
    path = write("dev.jsonl", row(), row(response="Something else.", label=said()), row())
    landed, report = bring(store, path)
    assert (landed.new["trials"], landed.new["labels"], landed.repeated) == (1, 0, 1)
    assert "dev.jsonl line 2: trial" in str(report.problems[0])
    assert store.load_trials()[0].answer == "I notice water."


@pytest.mark.parametrize(
    ("label", "count"),
    [(json.dumps(said("pass", "ocean", labeler="bob")), 1), (None, 0), ("null", 0), ("", 0), ({"answer": None}, 0)],
)
def test_a_label_may_be_text_or_absent(store, write, label, count):
    landed, report = bring(store, write("dev.jsonl", {**row(), "label": label}))
    assert (landed.new["trials"], landed.new["labels"], report.problems) == (1, count, [])


def test_the_judge_is_named_by_the_source_or_by_the_person_and_never_guessed(store, write):
    bring(store, write("a.jsonl", row("t1", verdict=said()), row("t2", verdict=said(judge_model="gpt-5-mini"))))
    bring(store, write("b.jsonl", row("t3", verdict=said(), response="Other.")), judge="mine")
    names = {row.name: row.kind for row in store._fetch_all(select(tables.judges))}
    assert names == dict.fromkeys(("open-introspection-judge", "gpt-5-mini", "mine"), "imported")


def test_a_verdict_that_says_neither_pass_nor_fail_is_missing_with_its_text_kept(store, write):
    bring(store, write("a.jsonl", row(verdict={"answer": "maybe", "reasoning": "hm"})))
    (found,) = store._fetch_all(select(tables.verdicts))
    assert (found.state, found.claims, json.loads(found.raw)["answer"]) == ("unparsable", None, "maybe")


def test_another_verdict_of_one_judge_is_a_conflict_until_the_judge_has_another_name(store, write):
    bring(store, write("a.jsonl", row(verdict=said("pass"))))
    second = write("b.jsonl", row(verdict=said("fail")))
    landed, report = bring(store, second)
    assert landed.new["verdicts"] == 0
    assert "--judge" in str(report.problems[0])
    assert bring(store, second, judge="second run")[0].new["verdicts"] == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"id": None}, "'id' is null"),
        ({"response": 3}, "'response' is '3', not text"),
        ({"was_injected": "maybe"}, "'was_injected' is 'maybe'"),
        ({"concept": None}, "'concept' is missing"),
        ({"config": {"layer": 2}}, "'config.model' is missing"),
        ({"config": {"model": "m", "layer": 2.5}}, "'layer' is '2.5'"),
        ({"config": {"model": "m", "strength": "lots"}}, "'strength' is 'lots'"),
        ({"config": {"model": "m", "inject_style": "odd"}}, "'inject_style' is 'odd'"),
        ({"label": {"answer": "perhaps"}}, "'answer' is 'perhaps'"),
        ({"label": {"answer": "pass", "timestamp": "noon"}}, "'timestamp' is 'noon'"),
        ({"label": [1]}, "'label' is '[1]'"),
        ({"label": "pass"}, "'label' is text that is broken JSON or cut off"),
        ({"label": "[" * 100_000}, "'label' is text that is nested too deeply"),
        ({"label": '{"answer": "pass", "labeler": "\\ud83d"}'}, "'label' is text that holds an escaped NUL or half"),
    ],
)
def test_a_row_that_does_not_fit_is_told_by_line_and_the_others_go_in(store, write, change, problem):
    landed, report = bring(store, write("dev.jsonl", row("good"), {**row(), **change}, row("fine")))
    assert landed.new["trials"] == 2
    (found,) = report.problems
    assert str(found).startswith("dev.jsonl line 2: ")
    assert problem in str(found)


def test_a_failure_in_the_middle_leaves_nothing_behind(store, write, monkeypatch):
    real = Store.bulk_insert

    def fail(self, connection, table, rows):
        if table is tables.labels:
            raise KeyboardInterrupt
        return real(self, connection, table, rows)

    monkeypatch.setattr(Store, "bulk_insert", fail)
    with pytest.raises(KeyboardInterrupt):
        bring(store, write("dev.jsonl", row(label=said(), verdict=said())))
    assert [store.count_rows(table) for table in tables.metadata.sorted_tables] == [0] * len(tables.metadata.tables)


FILES = ("dev.jsonl", "dev_calibration.jsonl", "train.jsonl")


@pytest.mark.parametrize("names", [FILES[:2], FILES[1::-1], FILES, FILES[::-1]])
def test_the_real_dev_labels_give_the_counts_of_the_study(store, shared, names):
    _, report = bring(store, *(shared / "data" / "open-introspection" / name for name in names))
    assert report.problems == []
    verdict = {each.trial: each.passed for each in store._fetch_all(select(tables.verdicts))}
    history: dict[str, list] = {}
    for each in labels(store):
        history.setdefault(each["trial"], []).append(each)
    revised = [events for events in history.values() if len(events) > 1]
    assert [event["exposure"] for event in revised[0]] == ["unknown", "after_verdict"]
    assert len(revised) == 1
    for place, expected in ((0, (26, 3, 0, 20)), (-1, (27, 2, 0, 20))):
        pairs = Counter(
            (events[place]["passed"], verdict[trial]) for trial, events in history.items() if trial in verdict
        )
        counted = pairs[True, True], pairs[False, True], pairs[True, False], pairs[False, False]
        assert counted == expected


def test_a_change_without_any_verdict_is_a_revision_of_unknown_exposure(store, write):
    landed, _ = bring(
        store, write("a.jsonl", row(label=said("fail"))), write("b.jsonl", row(label=said("pass", "ocean")))
    )
    assert landed.revisions == 1
    assert [each["exposure"] for each in labels(store)] == ["unknown", "unknown"]


def test_a_label_is_blind_only_where_the_source_says_so(store, write):
    bring(store, write("a.jsonl", row(label=said("fail", exposure="blind"))))
    assert [each["exposure"] for each in labels(store)] == ["blind"]


def test_a_labeler_called_judge_gives_a_verdict_and_no_label(store, write):
    label = said("pass", "ocean", labeler="judge:gemini-2", reasoning="It names water.")
    landed, report = bring(store, write("a.jsonl", row(label=label), row("t2", label=said("fail"))))
    assert (landed.new, report.problems) == ({"trials": 2, "verdicts": 1, "labels": 1}, [])
    (verdict,) = store._fetch_all(select(tables.verdicts))
    (judge,) = store._fetch_all(select(tables.judges))
    assert (judge.name, verdict.claims, verdict.concept, verdict.quote) == (
        "gemini-2",
        True,
        "ocean",
        "It names water.",
    )
    assert [(each["rater"], each["rater_kind"]) for each in labels(store)] == [("ann", "person")]
