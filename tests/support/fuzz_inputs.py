"""What comes in: sound rows of every format, and what changes or spoils them."""

from __future__ import annotations

import io
import json
from copy import deepcopy

import openpyxl
import pyarrow as pa
from hypothesis import strategies as st
from pyarrow import parquet

odd = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
odd |= st.sampled_from(
    ["", "nan", "1e999", "\x00", "\ud83d", "=1+1", "../../etc/passwd", 2**70, -0.0, [], {}, [[]], {"a": {}}]
).map(deepcopy)  # a case changes what it draws
values = st.recursive(
    odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)
SAID = {"answer": "pass", "coherent": True, "refused": False, "detected_concept": "sea", "labeler": "ann"}
ROWS = {
    "open-introspection": {
        "id": "1", "concept": "sea", "was_injected": True, "response": "x", "config": {"model": "Toy-7B", "layer": 3},
        "label": {**SAID, "timestamp": "2026-01-01T00:00:00Z"}, "judge_result": SAID, "timestamp": 1_767_225_600,
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
    "output": {"completion": "x", "choices": []}, "uuid": "u", "invalidation": None,
    "scores": {
        "s": {"value": "C", "metadata": {}},
        "e": {"value": "I", "history": {"0": {"value": "C"}}},
        "g": {"value": {"a": 1, "b": {"c": 0.5}}},
        "o": {"value": "C", "metadata": {"gnomon": {"judge": "j", "state": "ok", "facts": {"claims": True}}}},
    },
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
            place[name] = draw_(values | st.just(json.dumps(place[name])))
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


def delimited(row, separators=",;\t|"):
    """A CSV file with any separator, perhaps with a line that names it, perhaps in another encoding."""
    cells = st.lists(changed(row), min_size=1, max_size=5)

    def written(parts):
        rows, separator, declared, encoding = parts
        lines_ = [row, *({name: one.get(name, "") for name in row} for one in rows)]
        texts = [separator.join(f'"{value}"' for value in (line if at == 0 else line.values()))
                 for at, line in enumerate(lines_)]  # fmt: skip
        whole = "\n".join([f"sep={separator}"] * declared + texts)
        return whole.encode(encoding, "replace")

    return st.tuples(cells, st.sampled_from(separators), st.booleans(), st.sampled_from(["utf-8", "cp1252"])).map(
        written
    )


@st.composite
def workbooks(draw_, row):
    """Bytes of an Excel workbook of sound rows with some cells changed; perhaps spoilt."""
    book = openpyxl.Workbook()
    book.active.append(list(row))
    cells = st.none() | st.booleans() | st.integers(-9, 10**6) | st.floats(allow_nan=False, allow_infinity=False)
    cells |= st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=9) | st.just("=1+1")
    for _ in range(draw_(st.integers(0, 3))):
        line = [flat(value) for value in row.values()]
        if draw_(st.booleans()):
            line[draw_(st.integers(0, len(line) - 1))] = draw_(cells | st.just("#N/A"))
        book.active.append(line)
    if draw_(st.integers(0, 5)) == 0:
        book.create_sheet("other").append(["x"])
    if draw_(st.integers(0, 5)) == 0:
        top, left = draw_(st.integers(1, 4)), draw_(st.integers(1, len(row)))
        bottom, right = top + draw_(st.integers(0, 3)), left + draw_(st.sampled_from([0, 0, 0, 1]))
        book.active.merge_cells(start_row=top, start_column=left, end_row=bottom, end_column=right)
    out = io.BytesIO()
    book.save(out)
    content = bytearray(out.getvalue())
    for _ in range(draw_(st.integers(0, 2))):
        content[len(content) * draw_(st.integers(0, 9_999)) // 10_000] ^= draw_(st.integers(1, 255))
    return bytes(content)


odd_cells = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


def flat(value):
    """A value as a Parquet column may hold it: what JSON alone can say becomes its text."""
    return json.dumps(value) if isinstance(value, dict | list) else value


@st.composite
def parquet_tables(draw_, row):
    """Bytes of a Parquet file of sound rows, one of whose columns is another, of any type, or gone; perhaps spoilt."""
    many = draw_(st.integers(0, 3))
    columns = {name: [flat(value)] * many for name, value in row.items()}
    if draw_(st.booleans()):
        name = draw_(st.sampled_from(sorted(columns)))
        columns[name] = draw_(
            st.lists(odd_cells, min_size=many, max_size=many)
            | st.lists(st.integers(-(2**63), 2**63 - 1), min_size=many, max_size=many)
            | st.lists(st.binary(max_size=5), min_size=many, max_size=many)
            | st.lists(st.datetimes() | st.none(), min_size=many, max_size=many)
            | st.lists(st.decimals(-9, 9, places=2), min_size=many, max_size=many)
        )
        if draw_(st.integers(0, 19)) == 0:  # few, because lists are read by another process
            columns[name] = draw_(
                st.lists(st.lists(st.text(max_size=3), max_size=2), min_size=many, max_size=many)
                | st.lists(st.fixed_dictionaries({"a": st.booleans()}), min_size=many, max_size=many)
            )
        if draw_(st.integers(0, 5)) == 0:
            del columns[name]
    out = io.BytesIO()
    parquet.write_table(pa.table(columns), out, compression=draw_(st.sampled_from(["none", "snappy", "zstd"])))
    content = bytearray(out.getvalue())
    for _ in range(draw_(st.integers(0, 2))):
        content[draw_(st.integers(0, len(content) - 1))] ^= draw_(st.integers(1, 255))
    return bytes(content)
