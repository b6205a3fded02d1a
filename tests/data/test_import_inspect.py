"""Inspect logs: what a scorer's values mean, which samples count, who said what, and which options decide it."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace

import database
import pytest
from sqlalchemy import select

from gnomon.commands import transfer
from gnomon.data.errors import InputError
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.formats.inspect_log.samples import read_files
from gnomon.data.importers.formats.inspect_log.score_readings import Threshold, parse_threshold
from gnomon.data.importers.ingest import store_rows
from gnomon.data.storage import tables


@pytest.fixture
def store_url(request, tmp_path):
    """SQLite alone: what is tested here is done before the database is asked."""
    return database.place(request, tmp_path, "sqlite")


def rows(store, table):
    return [row._mapping for row in store._fetch_all(select(table))]


def bring(store, *paths, **options):
    parsed = parse_files("inspect", list(paths), ImportOptions(**options))
    return parsed.ingest_into(store), parsed.report


def read(*paths, **options):
    """By judge, of the rows alone: how many verdicts passed, failed, and cannot be used."""
    counts: dict[str, list[int]] = {}
    for row in parse_files("inspect", list(paths), ImportOptions(**options)).iter_rows():
        for heard in row.verdicts:
            passed = None if heard.facts is None else heard.facts.passed
            assert (heard.facts is None) == bool(heard.reason)
            counts.setdefault(heard.judge.name, [0, 0, 0])[{True: 0, False: 1, None: 2}[passed]] += 1
    return counts


def passes(store):
    """By judge: how many passed, failed, and cannot be used."""
    names = {judge["version"]: judge["name"] for judge in rows(store, tables.judges)}
    counts: dict[str, list[int]] = {}
    for verdict in rows(store, tables.verdicts):
        place = {True: 0, False: 1, None: 2}[verdict["passed"]]
        counts.setdefault(names[verdict["judge"]], [0, 0, 0])[place] += 1
    return counts


@pytest.fixture
def log(tmp_path):
    """Writes a log; `values` are samples with one score each, or whole samples."""

    def write(name, values, status="success", samples=True, **eval_):
        head = {"eval_id": name, "run_id": name, "task_id": f"task {name}", "task": "t", "model": "m-7b"}
        made = [
            each if isinstance(each, dict) and "id" in each else sample(number, each)
            for number, each in enumerate(values, start=1)
        ]
        body = {"version": 2, "status": status, "eval": {**head, "created": "2026-01-02T03:04:05Z", **eval_}}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({**body, "samples": made} if samples else body))
        return path

    return write


def sample(id_, value="C", scorer="grader", answer=None, **more):
    score = value if isinstance(value, dict) and "history" in value else {"value": value, "explanation": "so"}
    scores = {scorer: score} if isinstance(scorer, str) else {name: {"value": each} for name, each in scorer}
    about = {"metadata": {}, "scores": scores, **more}
    return {"id": id_, "epoch": 1, "input": "q", "output": {"completion": answer or f"answer {id_}"}, **about}


GRADES = [10, 10, 10, 10, 10, 10, 7, 7, 1, 0]


@pytest.mark.parametrize(
    "values",
    [
        GRADES,
        [str(grade) for grade in GRADES],
        [1, 2, 3],
        [0, 0.5, 1],
        [0, 100],
        [-1, 1],
        ["A", "B", "C"],
        ["C", "F"],
        ["C", "I", "maybe"],
        ["good", "bad"],
        ["C", 7],
        [[1], [0]],
        [True, "strongly agree"],
    ],
)
def test_values_whose_meaning_cannot_be_known_are_refused_and_the_option_is_named(log, values):
    with pytest.raises(InputError, match=r"scorer 'grader' .*--(threshold|score).*nothing was stored"):
        read(log("a", values))


def test_the_range_is_that_of_all_logs_together(log):
    with pytest.raises(InputError, match="gives 0, 1, 5"):
        read(log("a", [0, 1]), log("b", [1, 5]))


@pytest.mark.parametrize(
    ("values", "right"),
    [
        (["C", "I", "N", "C"], [2, 2, 0]),
        (["c", "incorrect", 1, 0.0], [2, 2, 0]),
        (["y", "N"], [1, 1, 0]),
        (["T", "f"], [1, 1, 0]),
        (["Pass", "FAIL"], [1, 1, 0]),
        ([True, False, "true"], [2, 1, 0]),
        (["C", "P", "I"], [1, 1, 1]),
        (["C", None, float("nan"), "n/a", "ERROR: rate limit", "I"], [1, 1, 4]),
    ],
)
def test_pass_and_fail_are_read_in_the_words_of_one_vocabulary(log, values, right):
    assert read(log("a", values)) == {"grader": right}


def test_a_header_of_an_archive_may_hold_inspects_nan(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.eval", "w") as archive:
        metrics = {"scores": [{"name": "j", "metrics": {"accuracy": {"value": float("nan")}}}]}
        head = {"eval": {"task": "t", "model": "m", "task_id": "T"}, "status": "success", "results": metrics}
        archive.writestr("header.json", json.dumps(head))
        archive.writestr("samples/1_epoch_1.json", json.dumps(sample(1, float("nan"))))
        archive.writestr("samples/2_epoch_1.json", json.dumps(sample(2)))
    assert read(tmp_path / "a.eval") == {"grader": [1, 0, 1]}


def test_the_command_counts_every_verdict_that_cannot_be_used(log, tmp_path, capsys):
    values = ["C", None, float("nan"), "P", "I"]
    document = transfer.import_files("inspect", [log("a", values)], tmp_path / "study", ImportOptions(), json=False)
    said = capsys.readouterr().err
    assert "judge 'grader': 3 verdicts cannot be used (2: not scored, 1: partial score 'P'" in said
    assert "added 5 trials, 5 verdicts (3 not usable), 0 labels" in said
    assert sum(each.verdicts for each in document.unusable) == 3


@pytest.mark.parametrize(
    ("threshold", "values", "right"),
    [
        (">= 7", GRADES, [8, 2, 0]),
        ("> 7", [str(grade) for grade in GRADES], [6, 4, 0]),
        ("<= 1", [*GRADES, float("nan"), "error"], [2, 8, 2]),
        (">=0.5", ["C", "P", "I", "N"], [2, 2, 0]),
        (">= 7", [1, 0, 1], [0, 3, 0]),
        ("== A, B", ["A", "b", "C", "F"], [2, 2, 0]),
        ("= 3", [1, 2, 3], [1, 2, 0]),
        (">= 7", [7, "bad", 3], [1, 1, 1]),
    ],
)
def test_a_threshold_decides(log, threshold, values, right):
    assert read(log("a", values), threshold=threshold) == {"grader": right}


@pytest.mark.parametrize("text", ["", ">=", ">= A", ">= 1, 2", "== ", "=> 3", ">= nan", "at least 3"])
def test_a_threshold_that_is_no_comparison_is_refused(text):
    with pytest.raises(InputError, match=r"no comparison|several numbers"):
        parse_threshold(text)


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["C", "I", 7, 3], r"words \(c, i\) and grades"),
        (["C", "I"], "which are 0 to 1 in Inspect"),
    ],
)
def test_words_are_not_compared_on_a_scale_that_is_not_theirs(log, values, problem):
    with pytest.raises(InputError, match=problem):
        read(log("a", values), threshold=">= 7")


def test_a_number_alone_is_the_least_that_passes():
    assert str(parse_threshold("7")) == ">= 7"


def test_a_threshold_is_written_as_it_is_typed():
    assert str(parse_threshold(" ≥7.50 ")) == ">= 7.5"
    assert parse_threshold("= a , B") == Threshold("==", ("a", "b"))


def test_words_are_not_compared_with_a_number(log):
    with pytest.raises(InputError, match="cannot be compared by --threshold '>= 7'"):
        read(log("a", ["good", "bad"]), threshold=">= 7")


def test_a_judge_with_another_threshold_is_another_version(log):
    path, versions = log("a", GRADES), set()
    for threshold in (">= 7", ">= 7.0", "> 7"):
        (row, *_) = parse_files("inspect", [path], ImportOptions(threshold=threshold)).iter_rows()
        versions.add(row.verdicts[0].judge.version)
    assert len(versions) == 2


# -- several scorers, several values --------------------------------------------------------------------------


def test_several_scorers_are_several_judges_and_one_that_cannot_be_read_is_left_out_and_told(store, log):
    made = [sample(n, scorer=[("match", "CI"[n % 2]), ("judge", n % 3 == 0), ("grade", n)]) for n in range(6)]
    path = log("a", made)
    landed, report = bring(store, path)
    assert passes(store) == {"match": [3, 3, 0], "judge": [2, 4, 0]}
    assert landed.new["verdicts"] == 12
    assert "scorer 'grade' gives 0, 1, 2, 3, 4, 5" in report.notes[0]
    assert "left out" in report.notes[0]
    again, _ = bring(store, path, score="grade", threshold=">= 4")
    assert (again.new["trials"], again.new["verdicts"], passes(store)["grade"]) == (0, 6, [2, 4, 0])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"threshold": ">= 4"}, "the logs have the scorers match, judge: name the one"),
        ({"judge": "mine"}, r"--judge 'mine': the logs have several scorers \(match, judge\)"),
        ({"score": "other"}, "no such score: choose from match, judge"),
    ],
)
def test_an_option_that_fits_several_scorers_or_none_is_refused(log, options, problem):
    with pytest.raises(InputError, match=problem):
        read(log("a", [sample(1, scorer=[("match", "C"), ("judge", True)])]), **options)


@pytest.mark.parametrize("name", ["right", "grader.right", "grader/right"])
def test_a_part_of_a_score_is_named(log, name):
    path = log("a", [{"right": n < 6, "steps": 2} for n in range(10)])
    with pytest.raises(InputError, match=r"gives several values \(right, steps\): name the one to read with --score"):
        read(path)
    assert read(path, score=name) == {"grader.right": [6, 4, 0]}


@pytest.mark.parametrize("name", ["exact", "match.exact", "grader.match.exact"])
def test_a_part_within_a_part_is_named(log, name):
    path = log("a", [{"match": {"exact": n % 2, "near": 0.5}, "note": "x"} for n in range(10)])
    assert read(path, score=name) == {"grader.match.exact": [5, 5, 0]}


def test_a_part_that_is_graded_needs_a_threshold_as_a_score_does(log):
    path = log("a", [{"right": 1, "steps": n} for n in range(10)])
    with pytest.raises(InputError, match=r"scorer 'grader\.steps' gives 0 to 9"):
        read(path, score="steps")
    assert read(path, score="steps", threshold="< 3", judge="short") == {"short": [3, 7, 0]}


def test_facts_that_a_score_reports_need_no_reading(log):
    facts = {"claims": True, "concept": "none", "coherent": True, "refused": False}
    path = log("a", [sample(1, facts), sample(2, {**facts, "claims": False})])
    found = [row.verdicts[0].facts.claims for row in parse_files("inspect", [path], ImportOptions()).iter_rows()]
    assert found == [True, False]


# -- which samples count --------------------------------------------------------------------------------------


def uuids(numbers, value=None, **more):
    return [sample(n, value or ("C" if n <= 6 else "I"), uuid=f"u{n}", **more) for n in numbers]


def test_a_sample_that_a_retry_takes_over_counts_once(store, log):
    first = log("a", uuids(range(1, 7)), "error", task_id="T")
    retry = log("b", uuids(range(1, 11)), task_id="T", created="2026-01-02T04:00:00Z")
    landed, report = bring(store, first, retry)
    assert passes(store)["grader"] == [6, 4, 0]
    assert landed.new["trials"] == 10
    assert sum(report.left_out.values()) == 6


def test_a_retry_that_is_imported_later_adds_only_what_is_new(store, log):
    bring(store, log("a", uuids(range(1, 7)), "error", task_id="T"))
    landed, report = bring(store, log("b", uuids(range(1, 11)), task_id="T"))
    assert (landed.new["trials"], landed.already["trials"], report.problems) == (4, 6, [])


def test_the_same_uuid_is_the_same_sample_whatever_the_task_is_called(store, log):
    landed, _ = bring(store, log("a", uuids([1, 2])), log("b", uuids([1, 2, 3]), task_id="other"))
    assert (landed.new["trials"], landed.already["trials"]) == (3, 2)


def test_without_uuids_a_sample_and_its_retry_are_one_trial_and_the_last_try_counts(store, log):
    failed = {"error": {"message": "out of memory"}, "scores": None}
    first = log("a", [sample(1), sample(2, **failed), sample(3, "I", answer="bad")], "error", task_id="T")
    again = [sample(1), sample(2), sample(3, answer="good"), sample(4)]
    retry = log("b", again, task_id="T", created="2026-01-03T00:00:00Z")
    landed, report = bring(store, retry, first)
    assert (landed.new["trials"], passes(store)["grader"], report.problems) == (4, [4, 0, 0], [])


def test_a_failed_sample_that_is_imported_first_does_not_stand_in_the_way_of_its_retry(store, log):
    bring(store, log("a", [sample(1, error={"message": "out of memory"})], "error", task_id="T"))
    landed, report = bring(store, log("b", [sample(1)], task_id="T"))
    assert (landed.new, report.problems) == ({"trials": 1, "verdicts": 1, "labels": 0}, [])


def test_two_models_and_two_whole_runs_of_one_task_are_no_retries(store, log):
    first = log("a", uuids([1, 2]), "error", task_id="T")
    second = log("b", [sample(1, uuid="v1"), sample(2, uuid="v2")], task_id="T", model="n-7b")
    third = log("c", [sample(1, uuid="w1")], task_id="S")
    fourth = log("d", [sample(1, uuid="x1")], task_id="S")
    landed, _ = bring(store, first, second, third, fourth)
    assert landed.new["trials"] == 6


def test_invalidated_samples_are_left_out_and_counted(store, log):
    gone = {"invalidation": {"author": "ann", "timestamp": "2026-01-03T00:00:00Z", "reason": "broken tool"}}
    landed, report = bring(store, log("a", [sample(n, **(gone if n % 2 else {})) for n in range(10)]))
    assert landed.new["trials"] == 5
    assert dict(report.left_out) == {("a.json", "the sample was invalidated in Inspect"): 5}


def test_ids_1_and_1_as_text_are_two_samples(store, log):
    landed, report = bring(store, log("a", [sample(1), sample("1", answer="other")], task_id=""))
    assert (landed.new["trials"], report.problems) == (2, [])


def archive(path, header, *samples):
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(*header)
        for each in samples:
            made.writestr(f"samples/{each['id']}_epoch_1.json", json.dumps(each))
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_samples_of_one_name_in_an_archive_are_told_apart_by_their_ids_and_the_last_version_counts(store, tmp_path):
    head = ("header.json", json.dumps({"eval": {"task": "t", "model": "m", "task_id": "T"}, "status": "success"}))
    samples = [sample(1, "I"), sample("1", answer="other"), sample(1, "C"), sample(2)]
    landed, report = bring(store, archive(tmp_path / "a.eval", head, *samples))
    assert (landed.new["trials"], passes(store)["grader"]) == (3, [3, 0, 0])
    assert (sum(report.left_out.values()), report.problems) == (1, [])


def test_an_archive_is_opened_a_few_times_however_many_samples_it_has(tmp_path, monkeypatch):
    head = ("header.json", json.dumps({"eval": {"task": "t", "model": "m", "task_id": "T"}, "status": "success"}))
    path, opened = archive(tmp_path / "a.eval", head, *(sample(n) for n in range(50))), []
    plain = zipfile.ZipFile
    monkeypatch.setattr(zipfile, "ZipFile", lambda *args, **more: opened.append(1) or plain(*args, **more))
    assert read(path) == {"grader": [50, 0, 0]}
    assert len(opened) < 15


def test_a_killed_run_without_a_header_is_one_that_failed(store, log, tmp_path):
    head = ("_journal/start.json", json.dumps({"eval": {"task": "t", "model": "m-7b", "task_id": "T", "run_id": "a"}}))
    killed = archive(tmp_path / "a.eval", head, sample(1, uuid="u1"), sample(2, "I", uuid="u2"))
    again = log("b", [sample(1, uuid="u1"), sample(2, uuid="v2", answer="new")], task_id="T", model="m-7b")
    landed, report = bring(store, killed, again)
    assert (landed.new["trials"], passes(store)["grader"], report.problems) == (2, [2, 0, 0], [])


def test_logs_without_samples_are_said_to_have_none(store, log):
    empty, header = log("a", []), log("b", [], samples=False)
    with pytest.raises(InputError, match="no samples"):
        bring(store, empty, header)
    landed, report = bring(store, empty, log("c", ["C"]))
    assert landed.new["trials"] == 1
    assert "a.json: has no samples" in report.notes[0]


def test_a_study_of_an_earlier_version_does_not_get_its_samples_a_second_time(store, log):
    path = log("a", uuids(range(1, 4)))
    parsed = parse_files("inspect", [path], ImportOptions())
    before = list(read_files([path], ImportOptions(), parsed.report))

    old = [
        replace(row, trial_id=row.former_id, trial=replace(row.trial, id=row.former_id), former_id="") for row in before
    ]
    store_rows(store, old, set(), parsed.report)
    landed, _ = bring(store, path)
    assert (sum(landed.new.values()), landed.already["trials"]) == (0, 3)


# -- who said what --------------------------------------------------------------------------------------------


def edited(*values, final=None, first=True):
    """A score with its history: the scorer's value, then (person, day, value) for each edit."""
    said, edits = (values[0], values[1:]) if first else (None, values)
    history = [{"value": said, "explanation": "so", "metadata": {}, "provenance": None}] if first else []
    for person, day, value in edits:
        provenance = {"author": person, "timestamp": f"2026-01-{day:02}T00:00:00Z", "reason": "review"}
        history.append({"value": value, "provenance": provenance})
    last = final if final is not None else edits[-1][2] if edits else said
    return {"value": last, "explanation": "so", "metadata": None, "history": history}


def labels(store):
    found = [(row["rater"], row["passed"], row["exposure"], row["revision"]) for row in rows(store, tables.labels)]
    return sorted(found)


def test_the_scorers_first_score_is_its_verdict_and_a_persons_edit_a_label_after_it(store, log):
    landed, _ = bring(store, log("a", [*["C"] * 5, *[edited("C", ("ann", 3, "I"))] * 3, "I", "I"]))
    assert passes(store)["grader"] == [8, 2, 0]
    assert labels(store) == [("ann", False, "after_verdict", 0)] * 3
    assert landed.new["labels"] == 3


def test_edits_by_several_people_and_second_thoughts_are_labels_and_revisions(store, log):
    history = edited("C", ("ann", 3, "I"), ("bob", 4, "C"), ("ann", 5, "C"), ("ann", 5, "I"))
    bring(store, log("a", [history]))
    expected = [("ann", False, 0), ("ann", True, 1), ("ann", False, 2), ("bob", True, 0)]
    found = [(rater, passed, revision) for rater, passed, _, revision in labels(store)]
    assert sorted(found, key=lambda each: (each[0], each[2])) == expected
    again, report = bring(store, log("a", [history]))
    assert (sum(again.new.values()), report.problems) == (0, [])


def test_a_persons_value_is_not_read_from_the_facts_that_the_scorer_reported(store, log):
    facts = {"claims": True, "concept": "none", "coherent": True, "refused": False}
    history = edited("C", ("ann", 3, "I"), ("bob", 4, "C"))
    history["history"][0]["metadata"] = history["metadata"] = facts
    history["history"][2]["metadata"] = {**facts, "claims": False, "refused": True}
    bring(store, log("a", [history]))
    assert [verdict["claims"] for verdict in rows(store, tables.verdicts)] == [True]
    found = {row["rater"]: (row["claims"], row["refused"]) for row in rows(store, tables.labels)}
    assert found == {"ann": (True, False), "bob": (False, True)}


def test_an_edit_of_the_explanation_alone_is_no_label(store, log):
    history = edited("C", ("ann", 3, "UNCHANGED"), final="C")
    bring(store, log("a", [history]))
    assert (passes(store)["grader"], labels(store)) == ([1, 0, 0], [])


def test_a_score_that_a_person_added_is_a_label_and_no_verdict(store, log):
    bring(store, log("a", [edited(("ann", 3, "C"), first=False)]))
    assert (passes(store), labels(store)) == ({}, [("ann", True, "unknown", 0)])


def test_a_persons_grade_is_part_of_the_range_and_the_threshold_holds_for_it(store, log):
    path = log("a", [0, 1, edited(1, ("ann", 3, 8))])
    with pytest.raises(InputError, match="gives 0, 1, 8"):
        bring(store, path)
    bring(store, path, threshold=">= 7")
    assert (passes(store)["grader"], labels(store)[0][1]) == ([0, 3, 0], True)


def test_edits_of_several_scorers_are_refused_until_one_is_chosen(store, log):
    scores = {"right": edited("C", ("ann", 3, "I")), "polite": edited("C", ("ann", 3, "C"))}
    path = log("a", [sample(1, scores=scores)])
    with pytest.raises(InputError, match=r"several scorers \(right, polite\).*--score"):
        bring(store, path)
    bring(store, path, score="right")
    assert labels(store) == [("ann", False, "after_verdict", 0)]


def test_an_edit_that_is_no_score_is_told_and_the_sample_is_kept(store, log):
    landed, report = bring(store, log("a", [edited("C", ("ann", 3, None), final="C"), "I"]))
    assert (landed.new, len(report.problems)) == ({"trials": 2, "verdicts": 2, "labels": 0}, 1)


# -- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "expected"),
    [
        ("mockllm/model-7b", {}, {"mockllm/model-7b"}),
        ("mockllm/model-7b", {"subject": "mine-7b"}, {"mine-7b"}),
        ("none/none", {}, {"anatomy", "law"}),
        ("none/none", {"subject": "mine-7b"}, {"mine-7b"}),
    ],
)
def test_an_option_outranks_the_log_and_the_log_its_samples_metadata(log, model, options, expected):
    about = [sample(n, metadata={"subject": name}) for n, name in enumerate(("anatomy", "law", "law"))]
    parsed = parse_files("inspect", [log("a", about, model=model)], ImportOptions(**options))
    assert {row.subject.name for row in parsed.iter_rows()} == expected


def test_a_size_that_is_given_outranks_the_name_of_the_one_model_that_there_is(log):
    def sizes(*paths):
        parsed = parse_files("inspect", list(paths), ImportOptions(parameters=8e9))
        return {row.subject.name: row.subject.parameters for row in parsed.iter_rows()}

    one, two, three = (log(name, ["C"], model=name) for name in ("m-7b", "n-1b", "plain"))
    assert sizes(one) == {"m-7b": 8e9}
    assert sizes(one, two, three) == {"m-7b": 7e9, "n-1b": 1e9, "plain": 8e9}


def test_one_name_for_several_models_is_refused(log):
    with pytest.raises(InputError, match=r"several models \(m-7b, n-7b\)"):
        read(log("a", ["C"]), log("b", ["C"], model="n-7b"), subject="mine")


@pytest.mark.parametrize(
    "about",
    [
        {"layer": "application", "span": "short", "strength": "high", "magnitude": "x"},
        {"concept": 7},
        {"injected": True},
    ],
)
def test_metadata_of_another_task_that_use_our_words_are_no_condition(log, about):
    (row,) = parse_files("inspect", [log("a", [sample(1, metadata=about)])], ImportOptions()).iter_rows()
    assert (row.trial.condition.arm, row.verdicts[0].facts.claims) == ("control", False)


def test_a_sample_that_one_copy_of_its_log_has_as_invalidated_does_not_count_in_the_others(store, log):
    plain = log("a", [sample(n, uuid=f"u{n}") for n in (1, 2)])
    void = log("b", [sample(n, uuid=f"u{n}", invalidation={"author": "ann"} if n == 1 else None) for n in (1, 2)])
    void.write_text(void.read_text().replace('"eval_id": "b", "run_id": "b", "task_id": "task b"', HEAD_OF_A))
    assert HEAD_OF_A in plain.read_text()
    _, report = bring(store, void, plain)
    assert (len(rows(store, tables.trials)), sum(report.left_out.values())) == (1, 2)


HEAD_OF_A = '"eval_id": "a", "run_id": "a", "task_id": "task a"'


def test_samples_that_failed_and_runs_that_did_not_end_are_told(store, log):
    one = log("a", [sample(1), sample(2, error={"message": "boom"}, scores={})], status="cancelled")
    _, report = bring(store, one)
    assert report.notes == [
        "a.json: its run did not end (cancelled): it may lack samples",
        "a.json: 1 samples ended in an error: they are failed trials, and have no verdicts",
    ]


def test_other_json_files_of_a_folder_of_logs_are_left_out_and_told(store, log, tmp_path):
    one = log("a", [1, 0])
    (one.parent / "eval-set.json").write_text('{"eval_set_id": "x", "tasks": []}')
    _, report = bring(store, one.parent)
    assert len(rows(store, tables.trials)) == 2
    assert report.notes == [f"{one.parent / 'eval-set.json'}: is no Inspect log and was left out"]
    one.unlink()
    with pytest.raises(InputError, match=r"holds no \.eval and no \.json log"):
        bring(store, one.parent)


def test_an_edit_that_is_no_label_does_not_take_the_others_with_it(store, log):
    score = edited("C", ("ann", 1, "I"), ("bob", 2, "unsure"), ("cyd", 3, "I"))
    _, report = bring(store, log("a", [sample(1, score)]))
    assert sorted(row["rater"] for row in rows(store, tables.labels)) == ["ann", "cyd"]
    assert "the score that 'bob' set is no label" in str(report.problems[0])


@pytest.mark.parametrize(("told", "coherent"), [(0, False), ("no", False), (True, True), (None, True)])
def test_coherence_in_a_scores_metadata_is_read_however_it_is_written(log, told, coherent):
    score = {"value": "C", "metadata": {"coherent": told}, "history": []}
    (row,) = parse_files("inspect", [log("a", [sample(1, score)])], ImportOptions()).iter_rows()
    assert row.verdicts[0].facts.coherent is coherent


def test_a_condition_that_names_an_arm_outranks_a_guess_by_concept_and_strength(store, log):
    about = {"concept": "sea", "strength": 2.0}
    named = [sample(n, metadata={**about, "condition": word}) for n, word in enumerate(["injection", "control"], 1)]
    _, report = bring(store, log("a", [*named, sample(3, metadata=about)]))
    assert [row["arm"] for row in rows(store, tables.trials)] == ["injection", "control", "injection"]
    assert any("and no arm, count as injections" in note for note in report.notes)


def test_unclear_is_a_score_that_says_nothing(log):
    assert read(log("a", ["yes", "no", "unclear"])) == {"grader": [1, 1, 1]}


def test_a_scorer_that_fails_all_control_trials_and_not_the_injections_is_told(store, log):
    about = {"concept": "sea", "layer": 3, "strength": 1.0}
    arms = ["injection", *["control"] * 3]
    made = [sample(n, int(n == 1), metadata={**about, "arm": arm}) for n, arm in enumerate(arms, 1)]
    _, report = bring(store, log("a", made))
    assert any("judge 'grader' fails all 3 trials without an injection" in note for note in report.notes)


def test_samples_that_a_scorer_did_not_score_are_counted(store, log):
    made = [sample(1, scorer=[("a", 1), ("b", 1)]), sample(2, scorer=[("a", 0)]), sample(3, error={"message": "x"})]
    _, report = bring(store, log("a", made))
    assert report.empty_verdicts == {"b": 1}
