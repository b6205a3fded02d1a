"""Exports in other projects' formats: what they hold, that it comes back, and that those projects read it."""

from __future__ import annotations

import json
from importlib.util import find_spec

import database
import pytest
from sqlalchemy import select

from gnomon.data.errors import InputError
from gnomon.data.exporters import EXPORTERS
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
from gnomon.data.storage.store import Store

CLAIMS = Facts(claims=True, concept="ocean", coherent=True, refused=False)
DENIES = Facts(claims=False, concept="none", coherent=True, refused=False)
REFUSES = Facts(claims=False, concept="none", coherent=True, refused=True, passed=False)


@pytest.fixture
def store_url(request, tmp_path):
    """SQLite alone: what is tested here is done before the database is asked."""
    return database.place(request, tmp_path, "sqlite")


def needs(package):
    """Round trips through other projects' own packages, which are no dependency of this one."""
    name = package.replace("_", "-")
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{name} is not installed (pip install {name})")


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
    opened = Store.open(f"sqlite:///{tmp_path / 'other.db'}")
    yield opened
    opened.close()


def write(store, format_, folder):
    return EXPORTERS.find(format_).write(store, folder)


def bring(store, format_, *paths, **options):
    parsed = parse_files(format_, list(paths), ImportOptions(**options))
    landed = parsed.ingest_into(store)
    return landed, [str(problem) for problem in parsed.report.problems]


@pytest.mark.parametrize("format_", ["inspect"])
def test_a_folder_that_holds_something_is_never_changed(study, tmp_path, format_):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write(study, format_, out)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert (out / "mine.txt").read_text() == "mine"


# -- Inspect --------------------------------------------------------------------------------------------------


def test_a_log_brings_nothing_new_to_its_own_study(study, tmp_path):
    write(study, "inspect", tmp_path / "out")
    landed, problems = bring(study, "inspect", tmp_path / "out")
    assert (sum(landed.new.values()), problems) == (0, [])
    assert landed.already == {"trials": 4, "verdicts": 5, "labels": 4}


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


def test_a_generic_study_keeps_its_meaning_of_a_pass(store, other, tmp_path):
    log = {"eval": {"task": "t", "model": "m", "task_id": "T"}, "samples": []}
    for number, value in enumerate("CCI"):
        answer = {"completion": f"answer {number}"}
        log["samples"].append({"id": number, "epoch": 1, "output": answer, "scores": {"j": {"value": value}}})
    (tmp_path / "log.json").write_text(json.dumps(log))
    bring(store, "inspect", tmp_path / "log.json")
    write(store, "inspect", tmp_path / "out")
    (path,) = (tmp_path / "out").iterdir()
    samples = json.loads(path.read_text())["samples"]
    assert sorted(sample["scores"]["j"]["value"] for sample in samples) == ["C", "C", "I"]
    assert all("arm" not in sample["metadata"] for sample in samples)
    bring(other, "inspect", path)
    assert rows(other, tables.verdicts, *FACTS) == rows(store, tables.verdicts, *FACTS)


@needs("inspect_ai")
def test_inspect_reads_the_log_and_a_persons_edit_there_comes_back_as_a_label(study, tmp_path):
    from inspect_ai.log import ProvenanceData, edit_score, read_eval_log, write_eval_log
    from inspect_ai.scorer import ScoreEdit

    write(study, "inspect", tmp_path / "out")
    (path,) = (tmp_path / "out").iterdir()
    log = read_eval_log(str(path))
    assert (log.status, log.eval.task, len(log.samples)) == ("success", "a study: one/two", 4)
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
