"""Exports in other projects' formats: what they hold, that it comes back, and that those projects read it."""

from __future__ import annotations

import csv
import json
import zipfile
from importlib.util import find_spec

import database
import pytest
from own_loop import run_async
from sqlalchemy import select

from gnomon.calibration.exporters import EXPORTERS
from gnomon.data.errors import InputError
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.records import (
    Arm,
    Condition,
    Exposure,
    Facts,
    JudgeVersion,
    Label,
    LabelKind,
    RaterRole,
    Span,
    Trial,
    Verdict,
    VerdictState,
)
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store

CLAIMS = Facts(claims=True, concept="ocean", coherent=True, refused=False)
DENIES = Facts(claims=False, concept="none", coherent=True, refused=False)
REFUSES = Facts(claims=False, concept="none", coherent=True, refused=True, passed=False)


@pytest.fixture
def store_url(request, tmp_path):
    """SQLite alone: what is tested here is done before the database is asked."""
    return database.place(request, tmp_path, "sqlite")


def needs(package):
    """Round trips through other projects' own packages, which are no dependency of this one, warnings and all."""
    name = package.replace("_", "-")
    skip = pytest.mark.skipif(find_spec(package) is None, reason=f"{name} is not installed (pip install {name})")
    return lambda test: pytest.mark.filterwarnings("ignore")(skip(test))


def rows(store, table, *names):
    found = store._fetch_all(select(*(table.c[name] for name in names)))
    return sorted((tuple(row) for row in found), key=repr)


@pytest.fixture
def study(store, make_trial):
    """Two injections, a control and a failed trial; two judges, one asked twice; three raters."""
    trials = [make_trial(replicate=n, answer=f'answer {n} é\n"x"') for n in range(2)]
    trials.append(make_trial(arm="control", answer=""))
    failed = Condition("toy", "r0", Arm.INJECTION, "ocean", 20, 2.0, Span.GENERATION, "p0", "v", 1)
    store.add_trials([Trial(failed.trial_id(0), failed, 0, 1, "", "", 0, error="out of memory")])
    first, second, control = (trial.id for trial in trials)
    store.save_settings({"name": "a study: one/two", "concepts": ["ocean"], "judges": ["j"]})
    for version in ("j1", "k1"):
        store.add_judge(JudgeVersion(version, version[0], "lexicon", {"a": 1}))
    store.add_verdicts(
        [
            Verdict(first, "j1", CLAIMS, quote="notices", raw='{"claims": true}'),
            Verdict(first, "j1", DENIES, sample=1, raw="no"),
            Verdict(first, "k1", None, VerdictState.REFUSED, raw="I will not"),
            Verdict(second, "j1", DENIES, raw="no"),
            Verdict(control, "j1", REFUSES, raw="refuses"),
        ]
    )
    at = [f"2026-01-0{day}T00:00:00.000000+00:00" for day in range(1, 6)]
    store.add_labels(
        [
            Label(first, "ann", CLAIMS, created_at=at[0], note="clear", stratum="disputed", probability=0.5),
            Label(first, "ann", DENIES, revision=1, exposure=Exposure.AFTER_VERDICT, created_at=at[1]),
            Label(first, "bob", REFUSES, role=RaterRole.ADJUDICATOR, created_at=at[2]),
            Label(control, "ann", DENIES, created_at=at[3]),
            Label(second, "cem", CLAIMS, created_at=at[3]),
            Label(second, "cem", None, LabelKind.RETRACTION, revision=1, created_at=at[4]),
        ]
    )
    return store


@pytest.fixture
def other(tmp_path):
    opened = Store.open(sqlite_url(tmp_path / "other.db"))
    yield opened
    opened.close()


def write(store, format_, folder):
    return EXPORTERS.find(format_).write(store, folder)


def bring(store, format_, *paths, **options):
    parsed = parse_files(format_, list(paths), ImportOptions(**options))
    landed = parsed.ingest_into(store)
    return landed, [str(problem) for problem in parsed.report.problems]


@pytest.mark.parametrize("format_", ["inspect", "scout", "label-studio", "argilla", "croissant"])
def test_a_folder_that_holds_something_is_never_changed(study, tmp_path, format_):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write(study, format_, out)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert (out / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("format_", ["inspect", "scout", "label-studio", "argilla"])
def test_a_study_without_responses_has_nothing_to_write_so(store, tmp_path, format_):
    with pytest.raises(InputError, match="holds no responses"):
        write(store, format_, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_validation_set_without_a_truth_is_refused_with_the_view_that_leaves_none(study, tmp_path):
    study.save_settings({"truth": "adjudicated", "label_view": "blind"})
    study.save_settings({"rater_kinds": dict.fromkeys(("ann", "bob", "cem"), "model")})
    with pytest.raises(InputError, match="no label makes a truth by rule 'adjudicated' in the label view 'blind'"):
        write(study, "scout", tmp_path / "out")


# -- Inspect --------------------------------------------------------------------------------------------------


def test_a_log_brings_nothing_new_to_its_own_study(study, tmp_path):
    write(study, "inspect", tmp_path / "out")
    landed, problems = bring(study, "inspect", tmp_path / "out")
    assert (sum(landed.new.values()), problems) == (0, [])
    assert landed.already == {"trials": 4, "verdicts": 5, "labels": 4}


def test_scores_that_would_share_a_name_have_names_of_their_own(store, other, make_trial, tmp_path):
    """Judges, their samples and raters are all scores by name: one would take the place of another."""
    trial = make_trial(replicate=0).id
    store.save_settings({"name": "names", "concepts": ["ocean"]})
    judges = {"j1aaaaaaa": "j", "j2bbbbbbb": "j", "k1": "j #2", "m1": "ann", "l1": "rater ann", "n1": "j j1aaaaaa"}
    for version, name in judges.items():
        store.add_judge(JudgeVersion(version, name, "lexicon", {"a": 1}))
    store.add_verdicts([Verdict(trial, version, CLAIMS, raw=version) for version in judges])
    store.add_verdicts([Verdict(trial, "j1aaaaaaa", DENIES, sample=1, raw="again")])
    raters = ("ann", "rater ann", "j #2", "rater j #2", "zo\N{LATIN SMALL LETTER E WITH DIAERESIS}")
    store.add_labels([Label(trial, rater, CLAIMS) for rater in raters])
    done = write(store, "inspect", tmp_path / "out")
    landed, problems = bring(other, "inspect", tmp_path / "out")
    assert (landed.new, problems) == (done.rows, [])
    assert done.rows == {"trials": 1, "verdicts": 7, "labels": 5}
    for table, *names in ((tables.verdicts, "judge", "sample", "raw"), (tables.labels, "rater", "claims")):
        assert rows(other, table, *names) == rows(store, table, *names)


ODD = [
    "",
    " ",
    "a\0b",
    "\ud83d",
    "\u202eabc\u202c",
    "line\r\nsep\u2028x",
    "=cmd()",
    "\ufeffbom",
    '{"a":1}',
    "NaN",
    "]]>",
    "$answer",
]


def test_odd_texts_come_back_as_they_are_stored(store, other, make_trial, tmp_path):
    """What no database holds is replaced when it is stored, so that an export of the study can be read."""
    trials = [make_trial(replicate=place, answer=text) for place, text in enumerate(ODD)]
    store.add_labels([Label(trial.id, "ann", CLAIMS, note=text) for trial, text in zip(trials, ODD, strict=True)])
    kept = {answer for (answer,) in rows(store, tables.trials, "answer")}
    assert kept == {text.replace("\0", "\ufffd").replace("\ud83d", "\ufffd") for text in ODD}
    write(store, "inspect", tmp_path / "log")
    landed, problems = bring(other, "inspect", tmp_path / "log")
    assert (landed.new["labels"], problems) == (len(ODD), [])
    for table, name in ((tables.trials, "answer"), (tables.labels, "note")):
        assert rows(other, table, name) == rows(store, table, name)
    for format_, file, count in (("label-studio", "tasks.json", len(ODD)), ("argilla", "records.json", len(ODD))):
        write(store, format_, tmp_path / format_)
        assert len(json.loads((tmp_path / format_ / file).read_text("utf-8"))) == count


FACTS = ("claims", "concept", "coherent", "refused", "passed")


def test_a_log_makes_the_same_study_elsewhere(study, other, tmp_path):
    done = write(study, "inspect", tmp_path / "out")
    assert done.rows == {"trials": 4, "verdicts": 5, "labels": 4}
    landed, problems = bring(other, "inspect", tmp_path / "out")
    assert (landed.new, problems) == ({"trials": 4, "verdicts": 5, "labels": 4}, [])
    told = ("arm", "concept", "layer", "strength", "span", "magnitude", "depth", "answer", "error", "subject")
    assert rows(other, tables.trials, *told) == rows(study, tables.trials, *told)
    said = ("judge", "sample", "state", *FACTS, "quote", "raw")
    assert rows(other, tables.verdicts, *said) == rows(study, tables.verdicts, *said)
    label = ("rater", "revision", *FACTS, "role", "exposure", "note", "stratum", "probability", "created_at")
    mine = [row for row in rows(study, tables.labels, *label) if row[0] != "cem"]
    assert rows(other, tables.labels, *label) == mine


def test_scores_open_facts_and_declared_fields_come_back(store, other, make_trial, tmp_path):
    """A grade that came back as a pass alone, or an open label as a decided one, would look right and be wrong."""
    trial = make_trial(replicate=0).id
    store.add_protocol("p-de", "p-de", {"messages": [], "fields": {"language": "de"}})
    german = make_trial(replicate=1, protocol="p-de").id
    store.save_settings({"name": "graded", "concepts": ["ocean"]})
    store.add_judge(JudgeVersion("j1", "j", "openai", {}))
    scores = {"claims": 0.625, "coherent": 0.875}
    store.add_verdicts([Verdict(trial, "j1", CLAIMS, raw="yes", scores=scores), Verdict(german, "j1", CLAIMS)])
    store.add_labels([Label(trial, "ann", CLAIMS, undecided=("claims", "concept")), Label(german, "ann", CLAIMS)])
    write(store, "inspect", tmp_path / "log")
    assert sum(bring(store, "inspect", tmp_path / "log")[0].new.values()) == 0
    _, problems = bring(other, "inspect", tmp_path / "log")
    assert problems == []
    assert rows(other, tables.verdicts, "scores") == rows(store, tables.verdicts, "scores") == [(None,), (scores,)]
    assert rows(other, tables.labels, "undecided") == [(None,), (["claims", "concept"],)]
    contents = [content for (content,) in rows(other, tables.protocols, "content")]
    assert [content.get("fields") for content in contents if "fields" in content] == [{"language": "de"}]


def test_a_generic_study_keeps_its_meaning_of_a_pass(store, other, tmp_path):
    log = {"eval": {"task": "t", "model": "m", "task_id": "T"}, "samples": []}
    for number, value in enumerate("CCI"):
        answer = {"completion": f"answer {number}"}
        log["samples"].append({"id": number, "epoch": 1, "output": answer, "scores": {"j": {"value": value}}})
    (tmp_path / "log.json").write_text(json.dumps(log))
    bring(store, "inspect", tmp_path / "log.json")
    write(store, "inspect", tmp_path / "out")
    (path,) = (tmp_path / "out").iterdir()
    with zipfile.ZipFile(path) as archive:
        members = [name for name in archive.namelist() if name.startswith("samples/")]
        samples = [json.loads(archive.read(name)) for name in members]
    assert sorted(sample["scores"]["j"]["value"] for sample in samples) == ["C", "C", "I"]
    assert all("arm" not in sample["metadata"] for sample in samples)
    bring(other, "inspect", path)
    assert rows(other, tables.verdicts, *FACTS) == rows(store, tables.verdicts, *FACTS)


@needs("inspect_ai")
def test_inspect_reads_the_log_and_a_persons_edit_there_comes_back_as_a_label(study, tmp_path):
    from inspect_ai.log import (
        ProvenanceData,
        edit_score,
        read_eval_log,
        read_eval_log_sample_summaries,
        write_eval_log,
    )
    from inspect_ai.scorer import ScoreEdit

    write(study, "inspect", tmp_path / "out")
    (path,) = (tmp_path / "out").iterdir()
    log = read_eval_log(str(path))
    assert (log.status, log.eval.task, len(log.samples)) == ("success", "a study: one/two", 4)
    assert [each.id for each in read_eval_log_sample_summaries(str(path))] == [each.id for each in log.samples]
    scored = next(sample for sample in log.samples if "ann" in sample.scores and "bob" in sample.scores)
    assert scored.scores["j"].value == "C"
    assert [edit.provenance.author for edit in scored.scores["ann"].history] == ["ann", "ann"]
    edit = ScoreEdit(value="I", provenance=ProvenanceData(author="dan", reason="it only describes"))
    edit_score(log, scored.id, "j", edit)
    for ending in ("json", "eval"):
        write_eval_log(log, str(tmp_path / f"edited.{ending}"))
        landed, problems = bring(study, "inspect", tmp_path / f"edited.{ending}")
        assert (problems, landed.new["trials"], landed.new["verdicts"]) == ([], 0, 0)
        assert landed.new["labels"] == (ending == "json")
    made = [row for row in rows(study, tables.labels, "rater", "claims", "exposure", "note") if row[0] == "dan"]
    assert made == [("dan", False, "after_verdict", "it only describes")]


# -- Scout ----------------------------------------------------------------------------------------------------


def table_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_validation_set_holds_the_truth_of_each_labelled_trial(study, tmp_path):
    study.save_settings({"label_view": "current"})
    done = write(study, "scout", tmp_path / "out")
    assert done.rows == {"cases": 2, "trials": 4, "verdicts": 5, "labels": 4}
    cases = {case["id"]: case for case in table_of(tmp_path / "out" / "validation.csv")}
    assert set(cases) == {trial for trial, rater in rows(study, tables.labels, "trial", "rater") if rater == "ann"}
    assert {case["target"] for case in cases.values()} == {"false"}
    assert {case["split"] for case in cases.values()} <= {"train", "dev", "test"}
    facts = table_of(tmp_path / "out" / "facts.csv")
    assert sorted(case["target_refused"] for case in facts) == ["false", "true"]


@needs("inspect_scout")
def test_scout_reads_the_cases_and_finds_their_transcripts(study, tmp_path):

    from inspect_scout import transcripts_from, validation_set

    write(study, "scout", tmp_path / "out")
    events = validation_set(tmp_path / "out" / "validation.csv")
    facts = validation_set(tmp_path / "out" / "facts.csv")
    assert {type(case.target) for case in events.cases} == {bool}
    assert all(set(case.target) == {"claims", "concept", "coherent", "refused"} for case in facts.cases)

    async def transcript_ids():
        async with transcripts_from(str(tmp_path / "out")).reader() as reader:
            return {found.transcript_id async for found in reader.index()}

    assert {case.id for case in events.cases} <= run_async(transcript_ids())


# -- labelling tools ------------------------------------------------------------------------------------------


def tasks_of(folder, name):
    return json.loads((folder / name).read_text())


def choices(**answers):
    return [
        {"from_name": name, "to_name": "answer", "type": "choices", "value": {"choices": [word]}}
        for name, word in answers.items()
    ]


YES = {"claims": "yes", "concept": "ocean", "coherent": "yes", "refused": "no"}


def annotation(answers, who="ann@example.org", day=1, **more):
    at = f"2026-02-0{day}T10:00:00Z"
    return {"completed_by": {"email": who}, "result": choices(**answers), "created_at": at, "updated_at": at, **more}


def made(store):
    """Labels that were brought: rater, facts, what the rater had seen."""
    return [row[1:] for row in rows(store, tables.labels, "id", "rater", *FACTS[:4], "exposure") if "@" in row[1]]


def test_label_studio_tasks_hold_every_answer_and_nothing_of_its_condition(study, tmp_path):
    done = write(study, "label-studio", tmp_path / "out")
    tasks = tasks_of(tmp_path / "out", "tasks.json")
    assert done.rows == {"tasks": 3} == {"tasks": len(tasks)}
    assert all(set(task["data"]) == {"trial", "answer", "conversation", "exposure"} for task in tasks)
    config = (tmp_path / "out" / "labels.xml").read_text()
    assert [name in config for name in ('name="claims"', 'value="ocean"', "injection")] == [True, True, False]


def test_annotations_come_back_as_labels_and_a_later_one_as_a_revision(study, tmp_path):
    write(study, "label-studio", tmp_path / "out")
    tasks = tasks_of(tmp_path / "out", "tasks.json")
    tasks[0]["annotations"] = [annotation(YES), annotation(YES, "bob@example.org", was_cancelled=True)]
    tasks[1]["annotations"] = [annotation({**YES, "claims": "no", "concept": "none"})]
    tasks[1]["predictions"] = [{"result": choices(claims="no")}]
    tasks[2]["annotations"] = []
    path = tmp_path / "project.json"
    path.write_text(json.dumps(tasks))
    parsed = parse_files("label-studio", [path], ImportOptions())
    assert parsed.ingest_into(study).new == {"trials": 0, "verdicts": 0, "labels": 2}
    assert sum(parsed.report.left_out.values()) == 2
    assert sorted(made(study)) == [
        ("ann@example.org", False, "none", True, False, "after_verdict"),
        ("ann@example.org", True, "ocean", True, False, "blind"),
    ]
    again, problems = bring(study, "label-studio", path)
    assert (sum(again.new.values()), problems) == (0, [])
    tasks[0]["annotations"][0] = annotation({**YES, "concept": "none"}, day=2)
    path.write_text(json.dumps(tasks))
    later, _ = bring(study, "label-studio", path)
    assert (later.new["labels"], later.revisions) == (1, 1)


def test_the_flat_export_of_label_studio_is_read_too(study, tmp_path):
    write(study, "label-studio", tmp_path / "out")
    task = tasks_of(tmp_path / "out", "tasks.json")[0]["data"]
    flat = [{"id": 1, **task, **YES, "annotator": 3, "updated_at": "2026-02-01T00:00:00Z"}]
    (tmp_path / "min.json").write_text(json.dumps(flat))
    landed, problems = bring(study, "label-studio", tmp_path / "min.json")
    assert (landed.new["labels"], problems) == (1, [])
    assert "annotator 3" in [rater for (rater,) in rows(study, tables.labels, "rater")]


def test_a_claim_of_no_chosen_concept_is_told_where_naming_it_is_the_event(study, tmp_path):
    """Argilla does not require the question: a claim of another concept, as if it had been chosen, would be a guess."""
    write(study, "label-studio", tmp_path / "out")
    tasks = tasks_of(tmp_path / "out", "tasks.json")
    answers = {**YES, "concept": None}
    (tmp_path / "p.json").write_text(json.dumps([{**task, "annotations": [annotation(answers)]} for task in tasks]))
    landed, problems = bring(study, "label-studio", tmp_path / "p.json")
    assert (landed.new["labels"], len(problems)) == (1, 2)
    assert "'claims' is yes and 'concept' is not answered: choose the concept, or 'other'" in problems[0]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"data": {"text": "a"}}, "names no trial"),
        ({"data": {"trial": "nowhere"}}, "trial 'nowhere' is not in this study"),
        ({"annotations": [annotation({**YES, "claims": "maybe"})]}, "'claims' is 'maybe'"),
        ({"annotations": [{**annotation(YES), "completed_by": None}]}, "does not say who made it"),
        ({"annotations": [{**annotation(YES), "updated_at": "yesterday"}]}, "no time"),
    ],
)
def test_an_annotation_that_cannot_be_read_is_told_and_the_others_are_taken(study, tmp_path, change, problem):
    write(study, "label-studio", tmp_path / "out")
    good, bad, _ = tasks_of(tmp_path / "out", "tasks.json")
    bad = {**bad, "annotations": [annotation(YES)], **change}
    (tmp_path / "project.json").write_text(json.dumps([bad, {**good, "annotations": [annotation(YES)]}]))
    landed, problems = bring(study, "label-studio", tmp_path / "project.json")
    assert landed.new["labels"] == 1
    assert problem in problems[0]


ANN, BOB = "3fa85f64-5717-4562-b3fc-2c963f66afa6", "4fa85f64-5717-4562-b3fc-2c963f66afa6"


def test_argilla_responses_come_back_in_each_of_its_forms(study, tmp_path):
    done = write(study, "argilla", tmp_path / "out")
    records = tasks_of(tmp_path / "out", "records.json")
    assert done.rows == {"records": 3}
    assert {each["name"] for each in tasks_of(tmp_path / "out", "settings.json")["questions"]} == set(YES)
    nested, flat, server = records
    nested = {**nested, "status": "completed"}
    nested["responses"] = {name: [{"value": word, "user_id": ANN}] for name, word in YES.items()}
    flat = {"id": flat["id"], "status": "completed", **flat["fields"], **flat["metadata"]}
    for name, word in YES.items():
        flat |= {f"{name}.responses": [word, "no"], f"{name}.responses.users": [ANN, BOB]}
        flat[f"{name}.responses.status"] = ["submitted", "draft"]
    values = {name: {"value": word} for name, word in YES.items()}
    server["responses"] = [{"user_id": ANN, "values": values, "status": "submitted"}]
    (tmp_path / "records.json").write_text(json.dumps([nested, flat, server]))
    parsed = parse_files("argilla", [tmp_path / "records.json"], ImportOptions())
    assert parsed.ingest_into(study).new["labels"] == 3
    assert (parsed.report.problems, sum(parsed.report.left_out.values())) == ([], 1)
    brought = [row for row in rows(study, tables.labels, "rater", *FACTS[:4], "exposure") if row[0] == ANN]
    assert brought == [(ANN, True, "ocean", True, False, "blind")] * 3


def test_responses_that_may_be_drafts_are_left_out_and_said_so(study, tmp_path):
    write(study, "argilla", tmp_path / "out")
    record = tasks_of(tmp_path / "out", "records.json")[0]
    record |= {"status": "pending", "responses": {"claims": [{"value": "yes", "user_id": ANN}]}}
    (tmp_path / "records.json").write_text(json.dumps([record]))
    parsed = parse_files("argilla", [tmp_path / "records.json"], ImportOptions())
    assert parsed.is_empty
    assert "does not say which responses were submitted" in next(iter(parsed.report.left_out))[1]


def test_a_generic_study_is_asked_for_a_pass(store, tmp_path):
    samples = [
        {"id": n, "epoch": 1, "output": {"completion": f"a {n}"}, "scores": {"j": {"value": "CI"[n]}}} for n in range(2)
    ]
    log = {"eval": {"task": "t", "model": "m", "task_id": "T"}, "samples": samples}
    (tmp_path / "log.json").write_text(json.dumps(log))
    bring(store, "inspect", tmp_path / "log.json")
    write(store, "label-studio", tmp_path / "out")
    tasks = tasks_of(tmp_path / "out", "tasks.json")
    assert (tmp_path / "out" / "labels.xml").read_text().count("<Choices") == 1
    for task, word in zip(tasks, ("yes", "no"), strict=True):
        task["annotations"] = [annotation({"passed": word})]
    (tmp_path / "project.json").write_text(json.dumps(tasks))
    bring(store, "label-studio", tmp_path / "project.json")
    assert sorted((claims, passed) for claims, passed in rows(store, tables.labels, "claims", "passed")) == [
        (False, True),
        (True, False),
    ]


@needs("label_studio_sdk")
def test_label_studio_accepts_the_interface_and_the_tasks(study, tmp_path):
    from label_studio_sdk.label_interface import LabelInterface

    write(study, "label-studio", tmp_path / "out")
    interface = LabelInterface((tmp_path / "out" / "labels.xml").read_text())
    interface.validate()
    for task in tasks_of(tmp_path / "out", "tasks.json"):
        assert interface.validate_task(task)
    assert interface.validate_annotation(annotation(YES))


@needs("argilla")
def test_argilla_reads_the_records_and_the_settings(study, tmp_path, monkeypatch):
    from unittest import mock

    from argilla import Argilla, Settings
    from argilla.records._io import JsonIO

    monkeypatch.setattr(Argilla, "_get_default", lambda *_, **__: mock.MagicMock())
    write(study, "argilla", tmp_path / "out")
    settings = Settings.from_json(tmp_path / "out" / "settings.json")
    assert [question.name for question in settings.questions] == list(YES)
    records = JsonIO._records_from_json(tmp_path / "out" / "records.json")
    assert [record.fields["answer"] for record in records]
    JsonIO.to_json(records, tmp_path / "again.json")
    landed, problems = bring(study, "argilla", tmp_path / "again.json")
    assert (sum(landed.new.values()), problems) == (0, [])


# -- Croissant ------------------------------------------------------------------------------------------------


def test_a_described_export_is_a_gnomon_export(study, other, tmp_path):
    write(study, "croissant", tmp_path / "out")
    about = json.loads((tmp_path / "out" / "croissant.json").read_text())
    assert {each["@id"] for each in about["recordSet"]} >= {"trials", "verdicts", "labels", "judges"}
    files = {each["@id"] for each in about["distribution"]}
    assert files == {path.name for path in (tmp_path / "out").iterdir()} - {"croissant.json", "export.json"}
    landed, problems = bring(other, "gnomon", tmp_path / "out")
    assert (landed.new["labels"], problems) == (6, [])


@needs("mlcroissant")
def test_mlcroissant_validates_the_metadata_and_reads_the_records(study, tmp_path):
    from mlcroissant import Dataset

    write(study, "croissant", tmp_path / "out")
    dataset = Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    trials = list(dataset.records("trials"))
    assert len(trials) == 4
    assert len(list(dataset.records("labels"))) == 6
