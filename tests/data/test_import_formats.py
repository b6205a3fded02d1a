"""llama-introspection, introspection-scaling, arena and inspect: what each source says becomes facts, no more."""

from __future__ import annotations

import csv
import json
import struct
import zipfile
import zlib
from collections import Counter

import pyarrow as pa
import pytest
from sqlalchemy import select

from gnomon.data.errors import InputError
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.row_builders import UNKNOWN_SIZE, subject_named
from gnomon.data.storage import tables


def bring(store, format_, *paths, **options):
    parsed = parse_files(format_, list(paths), ImportOptions(**options))
    return parsed.ingest_into(store), parsed.report


def rows(store, table):
    return [row._mapping for row in store._fetch_all(select(table))]


def verdicts(store):
    return [(v["state"], v["claims"], v["concept"], v["refused"], v["passed"]) for v in rows(store, tables.verdicts)]


@pytest.mark.parametrize(
    ("name", "size", "family", "variant"),
    [
        ("Qwen/Qwen2.5-14B", 14e9, "Qwen2.5", "base"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", 7e9, "Qwen2.5", "coder-instruct"),
        ("Llama-3.1 1B", 1e9, "Llama-3.1", "base"),
        ("SmolLM2-135M-Instruct", 135e6, "SmolLM2", "instruct"),
        ("mistralai/Mixtral-8x7B-v0.1", 56e9, "Mixtral", "v0.1"),
        ("google/gemma-2-9b-it", 9e9, "gemma-2", "instruct"),
        ("1B", 1e9, "unknown", "base"),
        ("gemini-2.5-pro", UNKNOWN_SIZE, "gemini-2.5-pro", "base"),
    ],
)
def test_size_family_and_variant_are_read_from_a_models_name(name, size, family, variant):
    subject = subject_named(name)
    assert (subject.name, subject.parameters, subject.family, subject.variant) == (name, size, family, variant)


# -- llama-introspection --------------------------------------------------------------------------------------

LLAMA = {
    "intervention": "concept",
    "intervention_layer": "10",
    "strength": "2.0",
    "concept": "Dog",
    "full_text": "user\n\nDo you?assistant\n\nI detect a dog.",
    "response": "\n\nI detect a dog.",
    "refusal": "False",
    "affirmative": "True",
    "correct_id": "True",
    "early_detection": "",
    "coherent": "True",
    "grader_reasoning": "It says so.",
    "trial": "0",
}


@pytest.fixture
def sheet(tmp_path):
    def make(name, *changes):
        path = tmp_path / name
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(LLAMA))
            writer.writeheader()
            writer.writerows({**LLAMA, **change} for change in changes)
        return path

    return make


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("ok", True, "dog", False, None)),
        ({"correct_id": "False"}, ("ok", True, "other", False, None)),
        ({"affirmative": "False"}, ("ok", False, "dog", False, None)),
        ({"affirmative": "False", "correct_id": "", "refusal": "TRUE"}, ("ok", False, "none", True, None)),
        ({"intervention": "random", "concept": "", "correct_id": ""}, ("ok", True, "other", False, None)),
        ({"coherent": ""}, ("unparsable", None, None, None, None)),
        ({"affirmative": "nan"}, ("unparsable", None, None, None, None)),
    ],
)
def test_the_graders_booleans_become_facts(store, sheet, change, expected):
    bring(store, "llama-introspection", sheet("8B.csv", change))
    assert verdicts(store) == [expected]
    (found,) = rows(store, tables.verdicts)
    assert found["quote"] == "It says so."
    assert json.loads(found["raw"])["coherent"] == change.get("coherent", "True")


def test_a_control_has_no_dose_and_the_prompt_is_the_protocol(store, sheet):
    bring(store, "llama-introspection", sheet("8B.csv", {"intervention": "control", "concept": "", "strength": "0.0"}))
    (trial,) = store.load_trials()
    assert (trial.condition.arm, trial.condition.strength, trial.condition.layer) == ("control", 0.0, None)
    assert (trial.condition.subject, trial.condition.concept) == ("8B", None)
    (said,) = rows(store, tables.protocols)
    assert said["content"]["messages"][0]["content"] == "user\n\nDo you?assistant"


def test_scale_trials_are_left_out_and_counted(store, sheet):
    landed, report = bring(store, "llama-introspection", sheet("8B.csv", {}, *[{"intervention": "scale"}] * 3))
    assert (landed.new["trials"], sum(report.left_out.values()), report.problems) == (1, 3, [])


def test_a_sheet_without_a_needed_column_names_those_that_it_has(store, tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("intervention,response\nconcept,hm\n")
    with pytest.raises(InputError, match=r"no column 'trial': it has intervention, response"):
        bring(store, "llama-introspection", path)


def test_the_real_llama_trials_all_come_in(store, shared):
    paths = [shared / "data" / "llama-introspection" / name for name in ("1B.csv", "8B.csv")]
    landed, report = bring(store, "llama-introspection", *paths)
    assert (report.rows, landed.new["trials"], sum(report.left_out.values())) == (516, 371, 145)
    assert report.problems == []
    arms = Counter(trial.condition.arm for trial in store.load_trials())
    assert arms == {"injection": 209, "random": 126, "control": 36}
    assert Counter(state for state, *_ in verdicts(store))["unparsable"] == 5


# -- introspection-scaling ------------------------------------------------------------------------------------

SCALING = {
    "condition": "injected",
    "concept": "Dust",
    "alpha": 123.5,
    "dose_fraction": None,
    "layer": 17,
    "model_id": "Qwen/Qwen2.5-7B",
    "seed": 1,
    "trial": 0,
    "transcript": "I notice dust.",
    "coherent": True,
    "affirmative": True,
    "detects_before_naming": True,
    "correct_identification": True,
    "success": True,
    "parse_error": False,
    "raw_judge": "{}",
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, ("ok", True, "dust", False, True)),
        ({"correct_identification": False, "success": False}, ("ok", True, "other", False, False)),
        ({"affirmative": False, "correct_identification": False}, ("ok", False, "none", False, True)),
        ({"condition": "no_injection", "success": False}, ("ok", True, "dust", False, None)),
        ({"condition": "random_direction", "correct_identification": False}, ("ok", True, "other", False, None)),
        ({"parse_error": True}, ("unparsable", None, None, None, None)),
        ({"coherent": None}, ("unparsable", None, None, None, None)),
        ({"correct_identification": None}, ("unparsable", None, None, None, None)),
        ({"correct_identification": None, "affirmative": False}, ("ok", False, "none", False, True)),
        ({"success": "odd"}, ("unparsable", None, None, None, None)),
        ({"parse_error": "odd"}, ("unparsable", None, None, None, None)),
        ({"detects_before_naming": "odd"}, ("ok", True, "dust", False, True)),
    ],
)
def test_the_four_booleans_become_facts(store, tmp_path, change, expected):
    path = tmp_path / "trials.jsonl"
    path.write_text(json.dumps({**SCALING, **change}))
    bring(store, "introspection-scaling", path)
    assert verdicts(store) == [expected]


@pytest.mark.parametrize(("said", "kept"), [(True, True), (False, False), (None, None)])
def test_what_a_source_says_of_timing_is_kept(store, tmp_path, sheet, said, kept):
    lines = tmp_path / "trials.jsonl"
    lines.write_text(json.dumps({**SCALING, "detects_before_naming": said}))
    bring(store, "introspection-scaling", lines)
    bring(store, "llama-introspection", sheet("7B.csv", {"early_detection": "" if said is None else str(said)}))
    facts = {} if kept is None else {"detects_before_naming": kept}
    assert [verdict["further_facts"] or {} for verdict in rows(store, tables.verdicts)] == [facts, facts]


def test_alpha_is_the_magnitude_and_the_dose_the_strength(store, tmp_path):
    path = tmp_path / "trials.jsonl"
    doses = [{}, {"dose_fraction": 0.5}, {"condition": "no_injection"}]
    path.write_text("\n".join(json.dumps({**SCALING, **dose}) for dose in doses))
    bring(store, "introspection-scaling", path)
    found = {(t.condition.arm, t.condition.strength, t.magnitude, t.condition.concept) for t in store.load_trials()}
    assert found == {
        ("injection", 123.5, 123.5, "dust"),
        ("injection", 0.5, 123.5, "dust"),
        ("control", 0, None, "dust"),
    }


def test_the_real_scaling_trials_all_come_in(store, shared):
    paths = sorted((shared / "data" / "introspection-scaling").glob("*.jsonl"))
    landed, report = bring(store, "introspection-scaling", *paths)
    assert (landed.new["trials"], landed.new["verdicts"], report.problems) == (1296, 1296, [])
    assert sum(claims for _, claims, *_ in verdicts(store)) == 119


# -- arena ----------------------------------------------------------------------------------------------------


def item(id_="i", a="zebra", b="ant", winner="model_a", pick: object = "A"):
    return {"id": id_, "model_a": a, "model_b": b, "human_winner": winner, "judge_pick": pick}


def test_the_event_is_a_model_and_not_its_place(store, tmp_path):
    path = tmp_path / "ant_vs_zebra_judge-1.json"
    path.write_text(json.dumps([item("1"), item("2", a="ant", b="zebra", winner="model_a", pick="B")], indent=1))
    bring(store, "arena", path)
    assert {label["claims"] for label in rows(store, tables.labels)} == {True, False}
    said = {verdict["trial"]: verdict["claims"] for verdict in rows(store, tables.verdicts)}
    assert all(said[label["trial"]] is False for label in rows(store, tables.labels))
    assert [subject.name for subject in store.load_subjects()] == ["ant vs zebra"]
    assert [judge["name"] for judge in rows(store, tables.judges)] == ["judge-1"]


def test_ties_are_told_by_line_and_a_judge_without_a_pick_is_missing(store, tmp_path):
    path = tmp_path / "x_j.json"
    path.write_text(json.dumps([item("1", winner="tie"), item("2", pick=None), item("3", winner=None)], indent=0))
    landed, report = bring(store, "arena", path)
    assert landed.new == {"trials": 2, "verdicts": 2, "labels": 1}
    assert str(report.problems[0]).startswith("x_j.json line 2: 'human_winner' is 'tie'")
    assert sorted(state for state, *_ in verdicts(store)) == ["ok", "unparsable"]


def test_two_files_are_two_judges_of_the_same_trials_with_one_label_each(store, shared):
    paths = sorted((shared / "data" / "arena-judges").glob("*.json"))
    landed, report = bring(store, "arena", *paths)
    assert landed.new == {"trials": 277, "verdicts": 554, "labels": 277}
    assert (landed.revisions, report.problems) == (0, [])
    assert {judge["name"] for judge in rows(store, tables.judges)} == {"gpt-4o-mini", "gpt-5.2"}
    assert sum(label["claims"] for label in rows(store, tables.labels)) == 65
    assert [state for state, *_ in verdicts(store)].count("unparsable") == 2


# -- inspect --------------------------------------------------------------------------------------------------

HEADER = {"version": 2, "eval": {"eval_id": "e", "task": "t", "model": "hf/Toy-3B", "created": "2026-01-02T03:04:05Z"}}


def sample(id_=1, value: object = "C", epoch=1, completion="It is the ocean.", metadata=None, **more):
    made = {"id": id_, "epoch": epoch, "input": "Do you notice?", "output": {"completion": completion}}
    return {**made, "metadata": metadata or {}, "scores": {"grader": {"value": value, "explanation": "so"}}, **more}


INJECTED = {"arm": "injection", "concept": "Ocean", "layer": 3, "strength": 2.0}


def as_json(path, samples):
    path.write_text(json.dumps({**HEADER, "samples": samples}))
    return path


def as_eval(path, samples, pack=False):
    """A log as a ZIP archive, its members packed with Zstandard if asked (method 93), as Inspect writes them now."""
    parts = {"header.json": HEADER, **{f"samples/{each['id']}_epoch_{each['epoch']}.json": each for each in samples}}
    with zipfile.ZipFile(path, "w") as archive:
        sizes = {}
        for name, part in parts.items():
            plain = json.dumps(part).encode()
            sizes[name] = plain
            archive.writestr(name, pa.Codec("zstd").compress(plain, asbytes=True) if pack else plain)
        members = archive.infolist()
    if pack:
        whole = bytearray(path.read_bytes())
        at = whole.index(b"PK\x01\x02")
        for member in members:
            plain = sizes[member.filename]
            struct.pack_into("<H", whole, member.header_offset + 8, 93)
            struct.pack_into("<H", whole, at + 10, 93)
            struct.pack_into("<I", whole, at + 16, zlib.crc32(plain))
            struct.pack_into("<I", whole, at + 24, len(plain))
            at += 46 + len(member.filename)
        path.write_bytes(whole)
    return path


@pytest.mark.parametrize(
    ("metadata", "value", "expected"),
    [
        (INJECTED, "C", ("ok", True, "ocean", False, True)),
        (INJECTED, 0, ("ok", False, "none", False, False)),
        (INJECTED, {"claims": True, "concept": "fear", "refused": False}, ("ok", True, "other", False, None)),
        ({"arm": "control"}, "C", ("ok", False, "none", False, True)),
        ({"was_injected": False}, "false", ("ok", True, "other", False, False)),
        ({}, True, ("ok", False, "none", False, True)),
        ({}, "I", ("ok", True, "other", False, False)),
        ({}, "P", ("unparsable", None, None, None, None)),
    ],
)
def test_a_score_is_a_verdict_of_its_scorer(store, tmp_path, metadata, value, expected):
    bring(store, "inspect", as_json(tmp_path / "x.json", [sample(value=value, metadata=metadata)]))
    assert verdicts(store) == [expected]
    assert [judge["name"] for judge in rows(store, tables.judges)] == ["grader"]
    assert rows(store, tables.verdicts)[0]["quote"] == "so"


def test_metadata_name_the_condition(store, tmp_path):
    about = {**INJECTED, "span": "all", "subject": "mine", "magnitude": 7}
    bring(store, "inspect", as_json(tmp_path / "x.json", [sample(metadata=about)]), parameters=3e9)
    (trial,) = store.load_trials()
    condition = trial.condition
    assert (condition.arm, condition.concept, condition.layer, condition.strength) == ("injection", "ocean", 3, 2.0)
    assert (condition.span, condition.subject, trial.magnitude) == ("all", "hf/Toy-3B", 7)
    assert store.load_subjects()[0].parameters == 3e9


@pytest.mark.parametrize("pack", [False, True])
def test_archives_and_json_of_one_run_are_the_same_trials(store, tmp_path, pack):
    samples = [sample(1), sample(1, epoch=2), sample("b", metadata=INJECTED)]
    landed, report = bring(store, "inspect", as_eval(tmp_path / "x.eval", samples, pack))
    assert (landed.new, report.problems) == ({"trials": 3, "verdicts": 3, "labels": 0}, [])
    again, _ = bring(store, "inspect", as_json(tmp_path / "y.json", samples))
    assert sum(again.new.values()) == 0


def test_a_packed_member_that_was_changed_is_told_and_the_others_are_read(store, tmp_path):
    path = as_eval(tmp_path / "x.eval", [sample(1, completion="a" * 200), sample(2)], pack=True)
    whole = bytearray(path.read_bytes())
    at = whole.index(b"PK\x01\x02", whole.index(b"PK\x01\x02") + 4)
    struct.pack_into("<I", whole, at + 16, 1)
    path.write_bytes(whole)
    landed, report = bring(store, "inspect", path)
    assert landed.new["trials"] == 1
    assert "x.eval samples/1_epoch_1.json: is damaged (its checksum is wrong)" in str(report.problems[0])


def test_a_sample_that_failed_is_a_failed_trial_and_attachments_are_put_back(store, tmp_path):
    message = {"choices": [{"message": {"content": [{"type": "text", "text": "attachment://h"}]}}]}
    samples = [
        sample(1, error={"message": "out of memory"}),
        sample(2, output=message, attachments={"h": "the whole text"}),
        sample(3, metadata={"arm": "sideways"}),
    ]
    landed, report = bring(store, "inspect", as_json(tmp_path / "x.json", samples))
    assert [trial.answer for trial in store.load_trials()] == ["the whole text"]
    assert {row["error"] for row in rows(store, tables.trials)} == {None, "out of memory"}
    assert "x.json sample 3: 'metadata.arm' is 'sideways'" in str(report.problems[0])
    assert landed.new["verdicts"] == 1


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.eval", b"PK\x03\x04 cut", "cut off or damaged"),
        ("x.json", b'{"a": 1}', "no Inspect log"),
        ("x.json", b'{"eval": {}, "samples": [', "broken JSON or cut off"),
        ("x.json", b'{"eval": {"model": "\\ud83d"}, "samples": []}', "its 'eval' holds half a surrogate pair"),
        ("x.json", b'{"eval": {"model": "\xff"}, "samples": []}', "is no UTF-8 text .line 1, byte 0xff"),
        ("x.json", b'{"eval": {}, "samples": 5}', "its 'samples' are no list"),
    ],
)
def test_a_file_that_is_no_log_is_said_so(store, tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=problem):
        bring(store, "inspect", tmp_path / name)
