"""table: a column map turns any table into trials, verdicts and labels, and says what it cannot place."""

from __future__ import annotations

import csv
import json
import re

import pyarrow as pa
import pytest
from pyarrow import parquet
from sqlalchemy import select

from gnomon.calibration.observations.trial_fields import declared_fields, field_values
from gnomon.data.errors import InputError
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.row_builders import imported_protocol
from gnomon.data.records import LabelPolicy, RaterKind
from gnomon.data.storage import tables

MAP = """
source = "my study"
raters = ["ann", "bob"]

[trial]
key = "sample"
subject = "model"
answer = "text"
arm = "cond"
concept = "word"
layer = "layer"
strength = "dose"
span = {value = "all"}

[verdict]
judge = {value = "gpt"}
claims = "gpt_claims"
concept = "gpt_word"
coherent = "gpt_reads"
refused = "gpt_refuses"
passed = "gpt_pass"

[label]
rater = "who"
claims = "claims"
concept = "seen"
coherent = "reads"
refused = "refuses"
exposure = "saw"
time = "when"
note = "note"

[values.arm]
steered = "injection"
plain = "control"

[values.claims]
Y = true
N = false
"""
ROW = {
    "sample": "s1",
    "model": "Toy-7B",
    "text": "I notice water.",
    "cond": "steered",
    "word": "Ocean",
    "layer": "3",
    "dose": "2.5",
    "gpt_claims": "yes",
    "gpt_word": "ocean",
    "gpt_reads": "1",
    "gpt_refuses": "0",
    "gpt_pass": "",
    "who": "ann",
    "claims": "Y",
    "seen": "",
    "reads": "true",
    "refuses": "false",
    "saw": "blind",
    "when": "2026-01-02T03:04:05Z",
    "note": "sure",
}


@pytest.fixture
def column_map(tmp_path):
    def make(text=MAP):
        path = tmp_path / "map.toml"
        path.write_text(text)
        return path

    return make


def write(path, rows):
    if path.suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(json.dumps(row) for row in rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return path


def bring(store, path, map_):
    parsed = parse_files("table", [path], ImportOptions(map=map_))
    return parsed.ingest_into(store), [str(problem) for problem in parsed.report.problems]


def labels(store):
    return store._fetch_all(select(tables.labels).order_by(tables.labels.c.id))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_every_kind_of_file_gives_the_same_facts(store, tmp_path, column_map, ending):
    landed, problems = bring(store, write(tmp_path / f"t.{ending}", [ROW]), column_map())
    assert (landed.new, problems) == ({"trials": 1, "verdicts": 1, "labels": 1}, [])
    (trial,) = store.load_trials()
    told = trial.condition
    assert (told.arm, told.concept, told.layer, told.strength, told.span) == ("injection", "ocean", 3, 2.5, "all")
    assert (trial.source, told.subject) == ("my study", "Toy-7B")
    (verdict,) = store._fetch_all(select(tables.verdicts))
    assert (verdict.claims, verdict.concept, verdict.coherent, verdict.refused) == (True, "ocean", True, False)
    (label,) = labels(store)
    assert (label.rater, label.claims, label.concept, label.exposure) == ("ann", True, "other", "blind")
    assert (label.created_at, label.note) == ("2026-01-02T03:04:05.000000+00:00", "sure")


def test_typed_values_of_a_parquet_file_are_read_as_they_are(store, tmp_path, column_map):
    typed = {**ROW, "layer": 3, "dose": 2.5, "gpt_claims": True, "claims": None, "gpt_reads": None}
    landed, problems = bring(store, write(tmp_path / "t.parquet", [typed]), column_map())
    assert (landed.new, problems) == ({"trials": 1, "verdicts": 1, "labels": 0}, [])


def test_equal_values_that_are_written_otherwise_stay_what_the_judge_said(store, tmp_path, column_map):
    """1, true, 1.0 and 'true' are one in Python's eyes or in ours, and four in the source."""
    said = [1, True, 1.0, "true", True]
    rows = [{**ROW, "sample": f"s{number}", "gpt_claims": claims, "claims": ""} for number, claims in enumerate(said)]
    bring(store, write(tmp_path / "t.jsonl", rows), column_map())
    heard = store._fetch_all(select(tables.verdicts).order_by(tables.verdicts.c.id))
    assert [json.dumps(json.loads(verdict.raw)["claims"]) for verdict in heard] == list(map(json.dumps, said))
    assert {verdict.claims for verdict in heard} == {True}


def test_a_verdict_by_pass_or_fail_alone_gives_the_facts_behind_it(store, tmp_path, column_map):
    row = {**ROW, "gpt_claims": "", "gpt_word": "", "gpt_pass": "true", "claims": ""}
    bring(store, write(tmp_path / "t.csv", [row]), column_map())
    (verdict,) = store._fetch_all(select(tables.verdicts))
    assert (verdict.claims, verdict.concept, verdict.passed) == (True, "ocean", True)


@pytest.mark.parametrize(
    ("arm", "claims", "passed", "facts"),
    [
        ("steered", "true", "true", (True, "ocean", True)),
        ("steered", "true", "false", (True, "other", False)),
        ("steered", "false", "false", (False, "none", False)),
        ("plain", "true", "false", (True, "other", False)),
        ("plain", "false", "true", (False, "none", True)),
        ("plain", "false", "false", (False, "none", None)),
    ],
)
def test_claims_and_passed_without_a_concept_say_whether_the_concept_was_identified(
    store, tmp_path, column_map, arm, claims, passed, facts
):
    row = {**ROW, "cond": arm, "gpt_claims": claims, "gpt_word": "", "gpt_pass": passed, "claims": ""}
    bring(store, write(tmp_path / "t.csv", [row]), column_map())
    (verdict,) = store._fetch_all(select(tables.verdicts))
    assert (verdict.claims, verdict.concept, verdict.passed) == facts


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cond": "odd"}, "'arm' is 'odd', no known arm"),
        ({"word": ""}, "'concept' is empty in an injection trial"),
        ({"layer": "-1"}, "layers count from 0"),
        ({"dose": "inf"}, "'strength' is 'inf'"),
        ({"model": " "}, "'subject' is empty"),
    ],
)
def test_a_row_whose_trial_does_not_fit_is_told(store, tmp_path, column_map, change, problem):
    rows = [ROW, {**ROW, "sample": "s2", **change}, {**ROW, "sample": "s3"}]
    landed, problems = bring(store, write(tmp_path / "t.csv", rows), column_map())
    assert landed.new["trials"] == 2
    assert len(problems) == 1
    assert problems[0].startswith("t.csv line 3: ")
    assert problem in problems[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"who": "eve"}, "'rater' is 'eve', who is not among the map's raters: ann, bob"),
        ({"claims": "often"}, "'claims' is 'often': is not in [label.values.claims]"),
        ({"saw": "half"}, "'exposure' is 'half': choose from blind, after_verdict, unknown"),
        ({"when": "noon"}, "'time' is 'noon'"),
        ({"when": "46081"}, "'time' is '46081', no time"),
        ({"when": "02/03/2026"}, "'time' is '02/03/2026', no time"),
    ],
)
def test_a_label_that_does_not_fit_is_told_and_trial_and_verdict_of_its_row_are_kept(
    store, tmp_path, column_map, change, problem
):
    rows = [ROW, {**ROW, "sample": "s2", **change}, {**ROW, "sample": "s3"}]
    landed, problems = bring(store, write(tmp_path / "t.csv", rows), column_map())
    assert landed.new == {"trials": 3, "verdicts": 3, "labels": 2}
    assert len(problems) == 1
    assert problems[0].startswith("t.csv line 3: ")
    assert problem in problems[0]


def test_two_labels_at_one_instant_that_differ_are_told_and_a_later_one_is_a_revision(store, tmp_path, column_map):
    later = "2026-01-02T04:00:00Z"
    rows = [ROW, {**ROW, "claims": "N"}, {**ROW, "claims": "N", "when": later, "saw": ""}, {**ROW, "who": "bob"}]
    _, problems = bring(store, write(tmp_path / "t.csv", rows), column_map())
    assert "t.csv line 3: rater 'ann' has two labels" in problems[0]
    assert len(problems) == 1
    found = [(label.rater, label.revision, label.claims, label.exposure) for label in labels(store)]
    assert found == [("ann", 0, True, "blind"), ("ann", 1, False, "after_verdict"), ("bob", 0, True, "blind")]
    _, again = bring(store, write(tmp_path / "u.csv", [{**ROW, "claims": "N"}]), column_map())
    assert "at one instant" in again[0]


def test_a_label_that_was_told_and_not_taken_is_not_taken_when_the_file_is_read_again(store, tmp_path, column_map):
    """Labels without times: the second one of a rater would else revise the first at the second import."""
    rows = [{**ROW, "when": "", "claims": claims} for claims in ("Y", "N")]
    for new in (1, 0, 0):
        landed, problems = bring(store, write(tmp_path / "t.csv", rows), column_map())
        assert (landed.new["labels"], len(problems)) == (new, 1)
        assert "at one instant" in problems[0]
    assert [(label.revision, label.claims) for label in labels(store)] == [(0, True)]


BY_ID = '[trial]\nid = "trial"\n[label]\nrater = "who"\nclaims = "claims"\n'


def test_labels_for_trials_of_the_study_go_in_by_id_and_those_for_others_are_told(
    store, make_trial, tmp_path, column_map
):
    ids = [make_trial().id, "0" * 32]
    rows = [{"trial": id_, "who": "ann", "claims": "yes"} for id_ in ids]
    landed, problems = bring(store, write(tmp_path / "t.csv", rows), column_map(BY_ID))
    assert landed.new == {"trials": 0, "verdicts": 0, "labels": 1}
    assert problems == [f"t.csv line 3: trial '{ids[1]}' is not in this study: import its trial first, or fix the id"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            MAP.replace('"text"', '"txt"'),
            r"t.csv: has no column 'txt', which the map names for 'answer': it has sample",
        ),
        (MAP.replace("answer =", "anwser ="), "trial.anwser: there is no such key"),
        (MAP.replace('key = "sample"', ""), "name either 'key'"),
        ("[trial", "fix that line"),
        ('[trial]\nid = "sample"\n[label]\nrater = "who"\n', "needs 'claims' or 'passed'"),
    ],
)
def test_a_wrong_map_is_told_before_a_row_is_read(store, tmp_path, column_map, text, problem):
    with pytest.raises(InputError, match=problem):
        bring(store, write(tmp_path / "t.csv", [ROW]), column_map(text))


def test_a_table_without_a_map_or_of_another_kind_says_what_to_do(store, tmp_path, column_map):
    with pytest.raises(InputError, match="--map"):
        bring(store, write(tmp_path / "t.csv", [ROW]), None)
    (tmp_path / "t.sav").write_text("x")
    with pytest.raises(InputError, match=r"ends in \.csv"):
        bring(store, tmp_path / "t.sav", column_map())


@pytest.mark.parametrize(
    ("rater", "line", "option", "kind"),
    [
        ("ann", "", None, "person"),
        ("gpt-4o", "", None, "model"),
        ("ann", 'kind = "made"', None, "model"),
        ("gpt-4o", 'kind = {value = "person"}', None, "person"),
        ("ann", "", RaterKind.RULE, "rule"),
        ("ann", 'kind = "made"', RaterKind.RULE, "model"),
    ],
)
def test_what_a_rater_is_comes_from_the_map_the_option_or_the_name(
    store, tmp_path, column_map, rater, line, option, kind
):
    path = write(tmp_path / "t.csv", [{**ROW, "who": rater, "made": "model"}])
    map_ = column_map(re.sub(r"(?m)^raters = .*$", "", MAP).replace("[label]\n", f"[label]\n{line}\n"))
    parse_files("table", [path], ImportOptions(map=map_, rater_kind=option)).ingest_into(store)
    assert [each.rater_kind for each in labels(store)] == [kind]


def test_a_kind_of_rater_that_is_none_is_told(store, tmp_path, column_map):
    path = write(tmp_path / "t.csv", [{**ROW, "made": "robot"}])
    landed, problems = bring(store, path, column_map(MAP.replace("[label]\n", '[label]\nkind = "made"\n')))
    assert landed.new["labels"] == 0
    assert "'kind' is 'robot': choose from person, model, rule" in problems[0]


def test_the_same_answer_under_another_guideline_is_a_label_of_its_own(store, tmp_path, column_map):
    """Else only the labels that a new clause moves would be stored, and all labels under both would have moved."""
    path = write(tmp_path / "t.csv", [ROW])
    old, new = LabelPolicy("old", "Name it."), LabelPolicy("new", "Name or describe it.")
    for guideline in (None, old, new, new, None):
        parse_files("table", [path], ImportOptions(map=column_map(MAP), guideline=guideline)).ingest_into(store)
    found = [(label.policy, label.revision, label.claims) for label in labels(store)]
    assert found == [("", 0, True), (old.hash, 1, True), (new.hash, 2, True)]
    assert set(store.label_policies()) == {old.hash, new.hash}


FIELDS_MAP = MAP.replace("\n[verdict]", 'fields = {language = "lang", prompt = {value = "v2"}}\n\n[verdict]', 1)


def test_further_fields_of_trials_are_kept_with_their_protocol(store, tmp_path, column_map):
    """They are part of what was put to the subject: rows that differ in them are of different protocols."""
    rows = [{**ROW, "sample": f"s{k}", "lang": lang} for k, lang in enumerate(["de", " de ", "fr", ""])]
    landed, problems = bring(store, write(tmp_path / "t.csv", rows), column_map(FIELDS_MAP))
    assert (landed.new["trials"], problems) == (4, [])
    assert declared_fields(store) == {"language": ("de", "fr"), "prompt": ("v2",)}
    found = field_values(store, "language")
    assert sorted(found["value"]) == ["de", "de", "fr"], "an empty cell has no value"
    names = {row.name for row in store._fetch_all(select(tables.protocols))}
    assert "my study unknown (language de, prompt v2)" in names
    assert bring(store, tmp_path / "t.csv", column_map(FIELDS_MAP))[0].new["trials"] == 0


def test_a_map_without_further_fields_makes_the_trials_that_it_always_made(store, tmp_path, column_map):
    bring(store, write(tmp_path / "t.csv", [ROW]), column_map())
    (trial,) = store.load_trials()
    assert trial.condition.protocol == imported_protocol("my study", "unknown").hash


@pytest.mark.parametrize("name", ["arm", "subject", "Language", "date"])
def test_a_further_field_has_a_name_of_its_own(tmp_path, column_map, name):
    text = FIELDS_MAP.replace("language =", f"{name} =")
    with pytest.raises(InputError, match=f"field '{name}': has the name of something else"):
        parse_files("table", [write(tmp_path / "t.csv", [{**ROW, "lang": "de"}])], ImportOptions(map=column_map(text)))
