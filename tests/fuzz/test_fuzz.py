"""Whatever comes in, there is a result or one clear line: no traceback, no hang over 5 s, no row lost in silence.

`make fuzz` runs 25,000 cases of each of eight kinds, the suite 250 of each, always the same.
"""

from __future__ import annotations

import json
import os
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calibration.labels import VIEWS, reference_labels
from calibration.queue import draw
from data.errors import UserError
from data.importers import Options, parse
from data.records import Exposure, Facts, Label, LabelKind
from data.store import Store
from gnomon.study import FILE, read_study
from judging.reply import PassReply, Reply, found_in, read_reply

CASES = int(os.environ.get("GNOMON_FUZZ", "250"))
fuzzed = settings(
    max_examples=CASES,
    derandomize=CASES == 250,
    deadline=5_000,
    database=None,
    suppress_health_check=list(HealthCheck),
)

odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
odd |= st.sampled_from(
    ["", "nan", "1e999", "\x00", "\ud83d", "=1+1", "../../etc/passwd", 2**70, -0.0, [], {}, [[]], {"a": {}}]
)
values = st.recursive(
    odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
SAID = {"answer": "pass", "coherent": True, "refused": False, "detected_concept": "sea", "labeler": "ann"}
ROWS = {
    "open-introspection": {
        "id": "1", "concept": "sea", "was_injected": True, "response": "x", "config": {"model": "Toy-7B", "layer": 3},
        "label": {**SAID, "timestamp": "2026-01-01T00:00:00Z"}, "judge_result": SAID, "timestamp": 5,
    },
    "introspection-scaling": {
        "condition": "injected", "concept": "sea", "alpha": 1.5, "layer": 17, "model_id": "Toy-7B", "trial": 0,
        "transcript": "x", "coherent": True, "affirmative": True, "correct_identification": True, "seed": 3,
    },
    "arena": {"id": "1", "model_a": "a", "model_b": "b", "human_winner": "model_a", "judge_pick": "A", "answer": "x"},
    "llama-introspection": {
        "intervention": "concept", "concept": "sea", "intervention_layer": 3, "strength": 2, "response": "x",
        "trial": 1, "affirmative": True, "correct_id": True, "coherent": True, "refusal": False,
    },
}  # fmt: skip
SAMPLE = {
    "id": "1", "epoch": 1, "metadata": {"arm": "injection", "concept": "sea", "layer": 3}, "input": "q",
    "output": {"completion": "x", "choices": []}, "scores": {"s": {"value": "C", "metadata": {}}},
}  # fmt: skip


@st.composite
def changed(draw_, row):
    """A sound row with some of its fields changed or gone, at any depth."""
    made = json.loads(json.dumps(row))
    for _ in range(draw_(st.integers(0, 3))):
        place = made
        while isinstance(place, dict) and place:
            name = draw_(st.sampled_from(sorted(place)))
            if isinstance(place[name], dict) and place[name] and draw_(st.booleans()):
                place = place[name]
                continue
            place[name] = draw_(values)
            if draw_(st.integers(0, 5)) == 0:
                del place[name]
            break
    return made


@st.composite
def spoilt(draw_, whole):
    """Bytes with some of them cut, doubled or replaced."""
    content = draw_(whole)
    for _ in range(draw_(st.integers(0, 2))):
        at, end = sorted((draw_(st.integers(0, len(content))), draw_(st.integers(0, len(content)))))
        content = content[:at] + draw_(st.binary(max_size=4) | st.just(content[at:end] * 2)) + content[end:]
    return content


def lines(row):
    return st.lists(changed(row).map(json.dumps), min_size=1, max_size=4).map(lambda all_: "\n".join(all_).encode())


def listed(row):
    return st.lists(changed(row).map(json.dumps), max_size=4).map(lambda all_: f"[{','.join(all_)}]".encode())


def sheet(row):
    cells = st.lists(changed(row), min_size=1, max_size=4)
    quoted = lambda value: '"' + str(value).encode("utf-8", "replace").decode().replace('"', '""') + '"'  # noqa: E731
    return cells.map(
        lambda rows: "\n".join(
            [",".join(row), *(",".join(quoted(one.get(name, "")) for name in row) for one in rows)]
        ).encode()
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    opened = Store.open(f"sqlite:///{tmp_path_factory.mktemp('fuzz') / 'gnomon.db'}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def one_line(error):
    assert "\n" not in str(error)
    assert "Traceback" not in str(error)


def brought(store, format_, path, options=None):
    """Read and store; each row is taken, left out on purpose, or told by its line."""
    try:
        parsed = parse(format_, [path], options or Options())
        told = len(parsed.report.problems)
        left = sum(parsed.report.left_out.values())
        assert parsed.seen.rows + told + left >= parsed.report.rows
        landed = parsed.land(store)
        assert landed.accepted + len(parsed.report.problems) - told >= parsed.seen.rows
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
    brought(store, "table", path, Options(map=columns))


@fuzzed
@given(
    sample=changed(SAMPLE),
    head=changed({"eval": {"task": "t", "model": "m", "run_id": "r"}}),
    spoil=st.binary(max_size=3),
)
def test_inspect_logs(store, folder, sample, head, spoil):
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
    path.write_text(json.dumps({**head, "samples": [sample]}))
    brought(store, "inspect", path)


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
    assert len(quote) <= 400
    for form in (Reply, PassReply):
        found_in(text, ["sea"], form, lambda reply: reply.model_dump_json())


events = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob"]),
        st.sampled_from(list(LabelKind)),
        st.booleans(),
        st.sampled_from(list(Exposure)),
    ),
    max_size=8,
)


@fuzzed
@given(events=events)
def test_label_events(labelled, events):
    """Every event is kept, in order, and each view has at most one label of a trial."""
    store, trial = labelled()
    for revision, (rater, kind, claims, exposure) in enumerate(events):
        facts = Facts(claims, "other" if claims else "none", True, False) if kind is LabelKind.LABEL else None
        store.add_labels([Label(trial, rater, facts, kind=kind, revision=revision, exposure=exposure)])
    for view in VIEWS:
        assert len(reference_labels(store, view).query("trial == @trial")) <= 1
    assert store.next_revision(trial, "ann") <= len(events)


@pytest.fixture(scope="module")
def labelled(store, tmp_path_factory):
    """A store and the id of a trial that nobody has labelled."""
    file = tmp_path_factory.mktemp("labelled") / "rows.jsonl"
    plain = {name: value for name, value in ROWS["introspection-scaling"].items() if name != "affirmative"}
    stores, numbers = [], iter(range(10**9))

    def make():
        number = next(numbers)
        if number % 100 == 0:  # a view reads all labels: in one store the cases would slow each other down
            stores.append(Store.open(f"sqlite:///{file.parent / f'{number}.db'}"))
        file.write_text(json.dumps({**plain, "trial": number}))
        parsed = parse("introspection-scaling", [file], Options())
        parsed.land(stores[-1])
        return stores[-1], next(iter(parsed.rows())).trial_id

    yield make
    for opened in stores:
        opened.close()


@fuzzed
@given(
    pool=st.sets(st.text("abcdef", min_size=1, max_size=3), max_size=30),
    share=st.integers(0, 30),
    n=st.integers(1, 40),
    seed=st.integers(0, 2**32),
)
def test_the_queue(pool, share, n, seed):
    candidates = sorted(pool)
    items = draw(candidates, set(candidates[:share]), n, np.random.default_rng(seed))
    assert len(items) == min(n, len(candidates))
    assert len({item.trial for item in items}) == len(items)
    assert all(0 < item.probability <= 1 for item in items)
