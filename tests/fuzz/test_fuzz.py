"""Whatever comes in, there is a result or one clear line: no traceback, no hang over 5 s, no row lost in silence.

`make fuzz` runs 20,000 cases of each of eleven kinds, the suite 200 of each, always the same.
"""

from __future__ import annotations

import json
import os
import tomllib
import zipfile
from itertools import count

import numpy as np
import pytest
from fuzz_inputs import (
    ROWS,
    SAMPLE,
    changed,
    delimited,
    lines,
    listed,
    parquet_tables,
    sheet,
    spoilt,
    values,
    workbooks,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gnomon.calibration.labels.views import VIEWS, reference_labels
from gnomon.calibration.queue.label_sampling import draw_sample
from gnomon.data.errors import UserError
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.tabular.map_suggestion import suggest_map
from gnomon.data.importers.tabular.table_files import FileLayout
from gnomon.data.records import Exposure, Facts, Label, LabelKind
from gnomon.data.storage.store import Store
from gnomon.judging.rubrics.reply_parser import PassReply, Reply, parse_reply, read_reply
from gnomon.study_file import FILE, read_study

STORED, HISTORIES = 200, 20
pytestmark = pytest.mark.slow
CASES = int(os.environ.get("GNOMON_FUZZ", "200"))
fuzzed = settings(
    max_examples=CASES,
    derandomize=CASES == 200,
    deadline=5_000,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def store():
    """The function that gives a store: in memory, and an empty one after some cases, since a full one is slower."""
    opened = []

    def current(cases=1):
        if not opened or opened[0][1] >= STORED:
            for old, _ in opened:
                old.close()
            opened[:] = [[Store.open("sqlite://"), 0]]
        opened[0][1] += cases
        return opened[0][0]

    yield current
    for last, _ in opened:
        last.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def one_line(error):
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)


def brought(store, format_, path, options=None):
    """Read and store; each row is taken, left out on purpose, or told by its line."""
    try:
        parsed = parse_files(format_, [path], options or ImportOptions())
        report, told = parsed.report, len(parsed.report.problems)
        if parsed.tables is None:
            assert parsed.seen.rows + told + sum(report.left_out.values()) >= report.rows
        landed = parsed.ingest_into(store())
        rows = parsed.seen.rows if parsed.tables is None else report.rows
        assert landed.accepted + len(report.problems) - told >= rows
    except UserError as error:
        one_line(error)


@fuzzed
@given(content=st.one_of(*(st.tuples(st.just(name), spoilt(lines(ROWS[name]))) for name in list(ROWS)[:2])))
def test_json_lines(store, folder, content):
    name, written = content
    path = folder / "rows.jsonl"
    path.write_bytes(written)
    brought(store, name, path)


@fuzzed
@given(
    content=st.tuples(st.just(".json"), spoilt(listed(ROWS["arena"])))
    | st.tuples(st.just(".csv"), spoilt(sheet(ROWS["llama-introspection"])))
)
def test_lists_and_sheets(store, folder, content):
    ending, written = content
    path = folder / f"toy-1B_judge{ending}"
    path.write_bytes(written)
    brought(store, "arena" if ending == ".json" else "llama-introspection", path)


TABLE = {"key": 1, "subject": "toy", "answer": "x", "arm": "control", "claims": True, "when": "2026-01-01", "p": 0.5}
MAP = """[trial]
key = "key"
subject = "subject"
answer = "answer"
arm = "arm"
[verdict]
judge = {value = "j"}
claims = "claims"
[label]
rater = {value = "ann"}
claims = "claims"
time = "when"
probability = "p"
"""


@fuzzed
@given(rows=spoilt(lines(TABLE)), map_=spoilt(st.just(MAP.encode())), whole=st.booleans())
def test_tables_and_their_maps(store, folder, rows, map_, whole):
    path, columns = folder / "table.jsonl", folder / "map.toml"
    path.write_bytes(rows)
    columns.write_bytes(MAP.encode() if whole else map_)
    brought(store, "table", path, ImportOptions(map=columns))


FACTS = [
    'claims = "claims"\nthreshold = ">= 0.5"\n',
    'claims = "claims"\n[verdict.values]\ntrue = true\n7 = ""\n',
    'claims = "claims"\nsample = "p"\nwhere = {arm = "control"}\n',
    'each = "claims"\npassed = "a"\n',
    'claims = "claims"\nidentified = "claims"\ncoherent = "answer"\n',
]
KEYED = ['key = "key"', 'key = ["key", "arm"]', "key = {row_number = true}", 'id = "key"', 'key = "key.a.0"']
MAPS = st.tuples(st.sampled_from(KEYED), st.sampled_from(FACTS), st.booleans()).map(
    lambda parts: (
        f"[trial]\n{parts[0]}\n" + 'answer = "answer"\n' * parts[2] + f'[verdict]\njudge = "subject"\n{parts[1]}'
    )
)
FILES = st.one_of(
    st.tuples(st.just("t.csv"), spoilt(delimited(TABLE))),
    st.tuples(st.just("t.tsv"), spoilt(delimited(TABLE, "\t"))),
    st.tuples(st.just("t.jsonl"), spoilt(lines(TABLE))),
    st.tuples(st.just("t.json"), spoilt(listed(TABLE))),
    st.tuples(st.just("t.json"), spoilt(values.map(lambda made: json.dumps(made).encode()))),
    st.tuples(st.just("t.xlsx"), workbooks(TABLE)),
)


@fuzzed
@given(file=FILES, map_=MAPS | st.none(), options=st.sampled_from([{}, {"encoding": "cp1252"}, {"threshold": "> 0"}]))
def test_tables_of_all_kinds_with_and_without_a_map(store, folder, file, map_, options):
    path, columns = folder / file[0], folder / "any.toml"
    path.write_bytes(file[1])
    if map_ is not None:
        columns.write_text(map_)
    brought(store, "table", path, ImportOptions(map=columns if map_ is not None else None, **options))
    try:
        text = suggest_map([path], FileLayout()).text
    except UserError as error:
        one_line(error)
    else:
        tomllib.loads(text)


@settings(fuzzed, deadline=20_000)  # lists are read by another process, which starts slowly on a busy machine
@given(content=parquet_tables(TABLE))
def test_parquet_files(store, folder, content):
    path, columns = folder / "table.parquet", folder / "whole.toml"
    path.write_bytes(content)
    columns.write_text(MAP)
    brought(store, "table", path, ImportOptions(map=columns))


@pytest.fixture(scope="module")
def exported(folder):
    """The rows of a small study's export, by table, and its folder."""
    file = folder / "sound.jsonl"
    file.write_text(json.dumps(ROWS["open-introspection"]))
    opened = Store.open("sqlite://")
    parse_files("open-introspection", [file], ImportOptions()).ingest_into(opened)
    export_store(opened, folder / "export")
    opened.close()
    return {
        path.stem: json.loads(path.read_text()) for path in (folder / "export").glob("*.jsonl") if path.stat().st_size
    }


@fuzzed
@given(data=st.data(), packed=st.booleans())
def test_export_folders(store, folder, exported, data, packed):
    """One table of the folder is changed: as JSON lines, or as Parquet with its JSON lines gone."""
    name = data.draw(st.sampled_from(sorted(exported)))
    whole = folder / "export" / "export.json"
    path = folder / "export" / f"{name}.{'parquet' if packed else 'jsonl'}"
    manifest = whole.read_bytes()
    lines_of, kept = folder / "export" / f"{name}.jsonl", (folder / "export" / f"{name}.jsonl").read_bytes()
    sound = path.read_bytes()
    try:
        lines_of.unlink()
        path.write_bytes(data.draw(parquet_tables(exported[name]) if packed else spoilt(lines(exported[name]))))
        if data.draw(st.integers(0, 9)) == 0:
            whole.write_bytes(
                data.draw(spoilt(changed(json.loads(manifest)).map(lambda made: json.dumps(made).encode())))
            )
        brought(store, "gnomon", folder / "export")
    finally:
        path.write_bytes(sound)
        lines_of.write_bytes(kept)
        whole.write_bytes(manifest)


@fuzzed
@given(
    sample=changed(SAMPLE),
    head=changed({"eval": {"task": "t", "model": "m", "run_id": "r"}}),
    spoil=st.binary(max_size=3),
    samples=st.none() | values,
)
def test_inspect_logs(store, folder, sample, head, spoil, samples):
    scores = sample["scores"] if isinstance(sample.get("scores"), dict) else {}
    edited = scores.get("e")
    if isinstance(edited, dict) and isinstance(edited.get("history"), dict):  # fields of lists are not changed
        edit = {"value": "I", "provenance": edited["history"].pop("1", {"author": "a", "timestamp": 0})}
        edited["history"] = [*edited["history"].values(), edit]
    path = folder / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(head))
        archive.writestr("samples/1.json", json.dumps(sample))
    if spoil:
        content = bytearray(path.read_bytes())
        content[len(content) * spoil[0] // 256] ^= spoil[-1]
        path.write_bytes(bytes(content))
    brought(store, "inspect", path)
    path = folder / "log.json"
    path.write_text(json.dumps({**head, "samples": [sample] if samples is None else samples}))
    brought(store, "inspect", path)


TASK = {
    "id": 1,
    "data": {"trial": "t", "answer": "x", "exposure": "blind"},
    "predictions": [],
    "annotations": [
        {
            "completed_by": {"email": "a@b"},
            "was_cancelled": False,
            "updated_at": "2026-01-01T00:00:00Z",
            "result": [{"from_name": "claims", "type": "choices", "value": {"choices": ["yes"]}}],
        }
    ],
}
FLAT = {"trial": "t", "annotator": 1, "claims": "yes", "concept": {"choices": ["sea"]}, "updated_at": None}
RECORD = {
    "id": "t",
    "status": "completed",
    "metadata": {"trial": "t"},
    "suggestions": {},
    "responses": {"claims": [{"value": "yes", "user_id": "u"}], "concept": [{"value": "sea", "user_id": "u"}]},
}
COLUMNS = {
    "id": "t",
    "claims.responses": ["yes"],
    "claims.responses.users": ["u"],
    "claims.responses.status": ["draft"],
}
SERVED = {
    "external_id": "t",
    "responses": [{"user_id": "u", "status": "submitted", "values": {"claims": {"value": "no"}}}],
}


@fuzzed
@given(
    content=st.tuples(st.just("label-studio"), spoilt(st.one_of(listed(TASK), listed(FLAT))))
    | st.tuples(st.just("argilla"), spoilt(st.one_of(listed(RECORD), listed(COLUMNS), listed(SERVED))))
)
def test_labels_of_tools(store, folder, content):
    tool, written = content
    path = folder / "tasks.json"
    path.write_bytes(written)
    brought(store, tool, path)


STUDY = """name = "toy"
concepts = ["sea", "fear"]
layers = [10]
strengths = [2.0]
arms = ["injection", "control"]
trials = 4
database = "gnomon.db"
[[subjects]]
name = "embedded"
model = "embedded"
[[judges]]
name = "lexicon"
kind = "lexicon"
"""


@fuzzed
@given(content=spoilt(st.just(STUDY.encode())), line=st.sampled_from(STUDY.splitlines()), value=values)
def test_study_files(folder, content, line, value):
    key = line.split(" = ")[0]
    other = STUDY.replace(line, f"{key} = {json.dumps(value)}", 1).encode("utf-8", "surrogatepass")
    for written in (content, other):
        (folder / FILE).write_bytes(written)
        try:
            read_study(folder)
        except UserError as error:
            one_line(error)


REPLY = {"claims_quote": "q", "claims": True, "concept": "sea", "coherent": True, "refused": False, "passed": True}


@fuzzed
@given(
    text=st.text(max_size=300)
    | changed(REPLY).map(json.dumps)
    | spoilt(changed(REPLY).map(lambda reply: f"<think>{reply}</think> {json.dumps(reply)}".encode())).map(
        lambda raw: raw.decode("utf-8", "replace")
    )
    | st.integers(1, 20_000).map(lambda many: "{" * many)
    | st.integers(1, 20_000).map(lambda many: '{"a":' * many)
    | st.integers(1, 20_000).map(lambda many: "<think>" * many)
)
def test_replies_of_judges(text):
    state, facts, quote = read_reply(text, ["sea", "fear"])
    assert (facts is None) == (str(state) != "ok")
    assert len(quote.encode()) <= 4 * 400
    parse_reply(text, ["sea"], Reply, lambda reply: reply.facts)
    parse_reply(text, ["sea"], PassReply, lambda reply: reply.answer_fields)


history = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(list(LabelKind)),
        st.booleans(),
        st.sampled_from(list(Exposure)),
    ),
    max_size=8,
)


@settings(fuzzed, max_examples=-(-CASES // HISTORIES), deadline=None)
@given(histories=st.lists(history, min_size=HISTORIES, max_size=HISTORIES))
def test_label_events(labelled, histories):
    """Every event is kept, in order, and each view has at most one label of a trial. A case is one trial's history."""
    store, trials = labelled(len(histories))
    for trial, events in zip(trials, histories, strict=True):
        for revision, (rater, kind, claims, exposure) in enumerate(events):
            facts = Facts(claims, "other" if claims else "none", True, False) if kind is LabelKind.LABEL else None
            added = store.add_labels([Label(trial, rater, facts, kind=kind, revision=revision, exposure=exposure)])
            assert added == 1
        assert store.next_revision(trial, "ann") <= len(events)
    for view in VIEWS:
        labels = reference_labels(store, view)
        assert not labels[labels["trial"].isin(trials)]["trial"].duplicated().any()


@pytest.fixture(scope="module")
def labelled(store, folder):
    """The function that gives a store and the ids of trials in it that nobody has labelled."""
    file, numbers = folder / "labelled.jsonl", count()
    plain = {name: value for name, value in ROWS["introspection-scaling"].items() if name != "affirmative"}

    def make(many):
        file.write_text("".join(json.dumps({**plain, "trial": next(numbers)}) + "\n" for _ in range(many)))
        parsed, opened = parse_files("introspection-scaling", [file], ImportOptions()), store(many)
        parsed.ingest_into(opened)
        return opened, [row.trial_id for row in parsed.iter_rows()]

    return make


@fuzzed
@given(
    pool=st.sets(st.text("abcdef", min_size=1, max_size=3), max_size=30),
    share=st.integers(0, 30),
    n=st.integers(1, 40),
    seed=st.integers(0, 2**32),
)
def test_the_queue(pool, share, n, seed):
    candidates = sorted(pool)
    items = draw_sample(candidates, set(candidates[:share]), n, np.random.default_rng(seed))
    assert len(items) == min(n, len(candidates))
    assert len({item.trial for item in items}) == len(items)
    assert all(0 < item.probability <= 1 for item in items)
