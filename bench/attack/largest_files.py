"""Makes the worst files that are still accepted, of every kind that a command reads, and measures what reading takes.

    python -m bench.attack.largest_files [--only PART] [--size BYTES] [--out FILE]

Each file is just under 10 MB and just inside every bound (`gnomon.data.foreign_documents.bounds`). The bar: no command
takes more than 20 seconds of processor time or 1.5 GB of memory on it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gnomon.data.foreign_documents.bounds import (
    CELLS,
    COLUMNS,
    FACTS,
    PACKED_VALUES,
    ROWS,
    SHEET_CELLS,
    Allowance,
    Bound,
)

SIZE = 9_990_000
MOST_SECONDS, MOST_BYTES = 20, 1_500_000_000
STOPPED_AFTER = 70
"""Seconds of processor time after which a command is ended."""


@dataclass(frozen=True, slots=True)
class Room:
    """Where a case writes its files, and how large they may be."""

    folder: Path
    size: int

    def most(self, bound: Bound) -> int:
        """A little less than a file of this size may have."""
        return Allowance(self.folder, bound, self.size).left - 500

    @property
    def rows(self) -> int:
        """Rows that a file of this size may have."""
        return self.most(ROWS)

    @property
    def facts(self) -> int:
        """Facts that a file of this size may bring."""
        return self.most(FACTS)

    def write(self, name: str, parts: Iterator[str]) -> Path:
        """Write parts, and blanks until the file has its size.

        Parameters
        ----------
        name : str
            Name of the file.
        parts : iterator of str
            Rows.
        """
        path, left = self.folder / name, self.size
        with path.open("w", encoding="utf-8") as file:
            for part in parts:
                left -= len(part)
                if left < 0:
                    raise ValueError(f"{name}: is larger than {self.size} bytes")
                file.write(part)
            file.write(" " * left)
        return path

    def map(self, text: str) -> list[str]:
        """The option with a column map."""
        (self.folder / "map.toml").write_text(text, encoding="utf-8")
        return ["--map", str(self.folder / "map.toml")]


Case = Callable[[Room], list[list[str]]]
CASES: dict[str, Case] = {}


def case(make: Case) -> Case:
    """Register a case: what it returns are the commands, in order, that are measured."""
    CASES[make.__name__] = make
    return make


def importing(room: Room, format_: str, path: Path, *more: str) -> list[str]:
    """The command that imports a file."""
    return ["import", format_, str(path), "--study", str(room.folder / "study"), *more]


def reading(room: Room) -> list[list[str]]:
    """Commands that read what was stored."""
    study = str(room.folder / "study")
    return [["recount", study], ["calibrate", study], ["report", study, "--out", str(room.folder / "report.html")]]


KEYED = 'source = "x"\n[trial]\nkey = "k"\nanswer = "a"\n'
JUDGED = KEYED + '[[verdict]]\njudge = {value = "j"}\npassed = "p"\n'


@case
def csv_trials(room: Room) -> list[list[str]]:
    """As many trials as a file may have."""
    room.write("t.csv", iter(["k,a\n", *(f"{at:07},{'x' * 38}\n" for at in range(room.rows))]))
    return [importing(room, "table", room.folder / "t.csv", *room.map(KEYED))]


@case
def csv_trials_of_models(room: Room) -> list[list[str]]:
    """Every trial of a model, arm, concept and protocol of its own."""
    rows = (f"{at:x},m{at:x},c{at:x},p{at:x},injection,{at % 9},{at}\n" for at in range(room.rows))
    room.write("t.csv", iter(["k,s,c,p,arm,l,d\n", *rows]))
    more = 'subject = "s"\nconcept = "c"\nprotocol = "p"\narm = "arm"\nlayer = "l"\nstrength = "d"\n'
    return [
        importing(room, "table", room.folder / "t.csv", *room.map(KEYED.replace('answer = "a"\n', "") + more)),
    ]


@case
def csv_verdicts(room: Room) -> list[list[str]]:
    """Every row brings a verdict too."""
    room.write("t.csv", iter(["k,a,p\n", *(f"{at:07},{'x' * 80},{at % 2}\n" for at in range(room.facts // 2))]))
    return [importing(room, "table", room.folder / "t.csv", *room.map(JUDGED)), *reading(room)]


@case
def csv_labels(room: Room) -> list[list[str]]:
    """Every row brings a verdict and a label of a rater of its own."""
    rows = (f"{at:07},{'x' * 100},{at % 2},r{at}\n" for at in range(room.facts // 3))
    room.write("t.csv", iter(["k,a,p,r\n", *rows]))
    text = JUDGED + '[[label]]\nrater = "r"\npassed = "p"\n'
    return [importing(room, "table", room.folder / "t.csv", *room.map(text))]


@case
def csv_one_trial_many_verdicts(room: Room) -> list[list[str]]:
    """Samples of one judge on one trial."""
    room.write("t.csv", iter(["k,p,n\n", *(f"1,{at % 2},{at}\n" for at in range(room.facts // 2))]))
    text = 'source = "x"\n[trial]\nkey = "k"\n[[verdict]]\njudge = {value = "j"}\npassed = "p"\nsample = "n"\n'
    return [importing(room, "table", room.folder / "t.csv", *room.map(text))]


@case
def csv_one_trial_many_judges(room: Room) -> list[list[str]]:
    """Judges whose names differ in writing alone."""
    rows = (f"1,{at % 2},{''.join(c.upper() if at >> i & 1 else c for i, c in enumerate('abcdefghijklmnopqr'))}\n"
            for at in range(room.facts // 2))  # fmt: skip
    room.write("t.csv", iter(["k,p,j\n", *rows]))
    text = 'source = "x"\n[trial]\nkey = "k"\n[[verdict]]\njudge = "j"\npassed = "p"\n'
    return [importing(room, "table", room.folder / "t.csv", *room.map(text))]


@case
def csv_one_trial_many_revisions(room: Room) -> list[list[str]]:
    """Labels of one rater on one trial, each at its own time and unlike the last."""
    rows = (
        f"1,{at % 2},2026-02-{1 + at // 86400:02}T{at // 3600 % 24:02}:{at // 60 % 60:02}:{at % 60:02}Z\n"
        for at in range(room.facts // 2)
    )
    room.write("t.csv", iter(["k,p,t\n", *rows]))
    text = (
        'source = "x"\n[trial]\nkey = "k"\nsubject={value="m"}\n[[label]]\nrater = {value = "r"}\npassed = "p"\n'
        'time = "t"\n'
    )
    return [importing(room, "table", room.folder / "t.csv", *room.map(text))]


@case
def csv_keys_of_many_parts(room: Room) -> list[list[str]]:
    """Keys that can be written in 64 ways, of rows that refer to stored trials."""
    room.write(
        "t.csv", iter(["a,b,c,d,e,f,p\n", *(f"{at}.0,1.0,1.0,1.0,1.0,1.0,1\n" for at in range(room.facts // 2))])
    )
    text = 'source = "x"\n[trial]\nkey = ["a","b","c","d","e","f"]\n[[verdict]]\njudge = {value = "j"}\npassed = "p"\n'
    return [importing(room, "table", room.folder / "t.csv", *room.map(text))]


@case
def csv_wide(room: Room) -> list[list[str]]:
    """As many columns as a table may have, and cells of one letter."""
    columns = COLUMNS.most
    row = ",".join(["1"] * columns) + "\n"
    many = min((room.size - 70_000) // len(row), room.most(CELLS) // columns)
    room.write("t.csv", iter([",".join(f"c{at}" for at in range(columns)) + "\n", *[row] * many]))
    text = 'source = "x"\n[trial]\nkey = {row_number = true}\nanswer = "c7"\n'
    return [
        importing(room, "table", room.folder / "t.csv", *room.map(text)),
        importing(room, "table", room.folder / "t.csv"),
        ["import", "table", str(room.folder / "t.csv"), "--suggest"],
    ]


@case
def csv_of_20_columns(room: Room) -> list[list[str]]:
    """The most cells in the most rows, without a map."""
    rows = (",".join(str((at * 7 + i) % 10) for i in range(30)) + "\n" for at in range(room.most(CELLS) // 30))
    room.write("t.csv", iter([",".join(f"c{at}" for at in range(30)) + "\n", *rows]))
    return [
        ["import", "table", str(room.folder / "t.csv"), "--suggest"],
        importing(room, "table", room.folder / "t.csv"),
    ]


@case
def csv_broken(room: Room) -> list[list[str]]:
    """As many problems as an import may have."""
    rows = (f"{at},0.{at}\n" for at in range(99_990))
    room.write("t.csv", iter(["k,a,layer\n0,x,1\n", *rows]))
    return [importing(room, "table", room.folder / "t.csv", *room.map(KEYED + 'layer = "layer"\n'))]


@case
def jsonl_nested(room: Room) -> list[list[str]]:
    """Rows of objects in each other."""
    row = '{"k":%d,"a":' + '{"a":' * 4 + "1" + "}" * 4 + "}\n"
    room.write("t.jsonl", (row % at for at in range(room.rows)))
    return [importing(room, "table", room.folder / "t.jsonl", *room.map(KEYED.replace('"a"', '"a.a.a.a.a"')))]


@case
def jsonl_of_few_large_rows(room: Room) -> list[list[str]]:
    """Rows of lists of the smallest values."""
    row = '{"k":%d,"a":"x","b":[' + "[]," * 300_000 + "0]}\n"
    room.write("t.jsonl", (row % at for at in range(11)))
    return [
        importing(room, "table", room.folder / "t.jsonl", *room.map(KEYED)),
        ["import", "table", str(room.folder / "t.jsonl"), "--suggest"],
    ]


@case
def json_rows(room: Room) -> list[list[str]]:
    """One document of the most rows."""
    room.write("t.json", iter(["[", *(f'{{"k":{at},"a":"{"x" * 25}"}},' for at in range(room.rows - 5)), '{"k":"z"}]']))
    return [importing(room, "table", room.folder / "t.json", *room.map(KEYED))]


@case
def json_each(room: Room) -> list[list[str]]:
    """One row with a list of all its verdicts."""
    each = '{"j":"j%d","p":1},'
    many = min(room.facts - 10, room.size // 24)
    room.write("t.json", iter(['[{"k":1,"a":"x","v":[', *(each % at for at in range(many)), '{"j":"z","p":0}]}]']))
    text = KEYED + '[[verdict]]\neach = "v"\njudge = "j"\npassed = "p"\n'
    return [importing(room, "table", room.folder / "t.json", *room.map(text))]


def workbook(room: Room, rows: int, columns: int, cell: str = "<c><v>1</v></c>") -> Path:
    """A workbook whose sheet is packed well."""
    from openpyxl import Workbook

    book = Workbook()
    book.active.append([f"c{at}" for at in range(columns)])
    book.save(room.folder / "small.xlsx")
    path = room.folder / "t.xlsx"
    with zipfile.ZipFile(room.folder / "small.xlsx") as small, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for member in small.infolist():
            text = small.read(member)
            if member.filename.endswith("sheet1.xml"):
                text = text.replace(b"</sheetData>", (f"<row>{cell * columns}</row>" * rows).encode() + b"</sheetData>")
            out.writestr(member.filename, text)
        packed = sum(member.compress_size for member in out.infolist())
        pad = room.size - packed - 2_000
        out.writestr("pad.bin", os.urandom(max(pad, 0)), zipfile.ZIP_STORED)
    return path


@case
def xlsx_cells(room: Room) -> list[list[str]]:
    """The most cells."""
    unpacked = 40_000_000 + room.size - 200_000
    path = workbook(room, min(unpacked // (15 * 40 + 11), room.most(SHEET_CELLS) // 40), 40)
    text = 'source = "x"\n[trial]\nkey = {row_number = true}\nanswer = "c7"\n'
    return [
        importing(room, "table", path, *room.map(text)),
        ["import", "table", str(path), "--suggest"],
    ]


@case
def xlsx_formulas(room: Room) -> list[list[str]]:
    """Cells with formulas, which are read twice."""
    cell = "<c><f>1</f><v>1</v></c>"
    path = workbook(room, room.most(SHEET_CELLS) // 120, 40, cell)
    text = 'source = "x"\n[trial]\nkey = {row_number = true}\nanswer = "c7"\n'
    return [importing(room, "table", path, *room.map(text))]


@case
def parquet_wide(room: Room) -> list[list[str]]:
    """The most rows of as many columns as fit, each of one value."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = 30_000
    column = pa.array([1] * rows)
    many = room.most(CELLS) // rows - 1
    table = pa.table(
        [pa.array(range(rows), pa.int32()), *[column] * many], names=["k", *(f"c{at}" for at in range(many))]
    )
    parquet.write_table(
        table, room.folder / "t.parquet", compression="zstd", write_statistics=False, row_group_size=rows
    )
    text = 'source = "x"\n[trial]\nkey = "k"\nanswer = "c7"\n'
    return [
        importing(room, "table", room.folder / "t.parquet", *room.map(text)),
        ["import", "table", str(room.folder / "t.parquet"), "--suggest"],
    ]


@case
def parquet_texts(room: Room) -> list[list[str]]:
    """The most rows, each with the same long text."""
    import pyarrow as pa
    from pyarrow import parquet

    rows = ROWS.most - 10
    text = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 260_000]))
    table = pa.table({"k": pa.array([os.urandom(44).hex() for _ in range(rows)]), "a": text})
    parquet.write_table(table, room.folder / "t.parquet", compression="zstd", write_statistics=False)
    return [importing(room, "table", room.folder / "t.parquet", *room.map(KEYED))]


@case
def counts_cells(room: Room) -> list[list[str]]:
    """The most cells of counts."""
    rows = (f"m,injection,c{at},9,1,2,6\n" for at in range(room.rows))
    room.write("t.csv", iter(["subject,arm,concept,n,identified,claimed,denied\n", *rows]))
    return [importing(room, "counts", room.folder / "t.csv"), ["recount", str(room.folder / "study")]]


@case
def counts_of_models(room: Room) -> list[list[str]]:
    """The most models with counts."""
    rows = (f"m{at // 2},{('injection', 'control')[at % 2]},9,1,2,6\n" for at in range(room.rows))
    room.write("t.csv", iter(["subject,arm,n,identified,claimed,denied\n", *rows]))
    return [importing(room, "counts", room.folder / "t.csv"), ["recount", str(room.folder / "study")]]


@case
def counts_shared_controls(room: Room) -> list[list[str]]:
    """Control rows that may be shared."""
    rows = (f"m,{at % 9},{at},control,c{at % 400},9,1,8\n" for at in range(room.rows))
    room.write("t.csv", iter(["subject,layer,strength,arm,concept,n,claimed,denied\n", *rows]))
    return [
        importing(room, "counts", room.folder / "t.csv"),
        importing(room, "counts", room.folder / "t.csv", "--no-shared-controls"),
    ]


HEADER = {"version": 2, "status": "success", "eval": {"task": "t", "model": "Toy-1B", "eval_id": "e", "run_id": "r"}}


def sample(at: int, more: str = "") -> str:
    """A sample of a log."""
    return (
        f'{{"id":{at},"epoch":1,"input":"i","target":"t","output":{{"completion":"o"}},'
        f'"scores":{{"s":{{"value":"C"}}}}{more}}}'
    )


@case
def log_json(room: Room) -> list[list[str]]:
    """The most samples of a log in one document."""
    head = json.dumps(HEADER)[:-1] + ',"samples":['
    many = min(room.facts // 2, room.size // len(sample(10**5) + ",") - 9)
    room.write("t.json", iter([head, *(sample(at) + "," for at in range(many - 2)), sample(-1) + "]}"]))
    return [importing(room, "inspect", room.folder / "t.json")]


def archive(room: Room, samples: Iterator[str], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    """A log as an archive."""
    path = room.folder / "t.eval"
    with zipfile.ZipFile(path, "w", compression, compresslevel=6) as file:
        file.writestr("header.json", json.dumps(HEADER))
        for at, text in enumerate(samples):
            file.writestr(f"samples/{at}.json", text)
        packed = sum(member.compress_size + 2 * len(member.filename) + 100 for member in file.infolist())
        file.writestr("pad.bin", os.urandom(max(0, room.size - packed - 1_000)), zipfile.ZIP_STORED)
    return path


@case
def log_archive(room: Room) -> list[list[str]]:
    """The most samples in members of their own."""
    many = min(room.facts // 2, room.size // 330)
    path = archive(room, (sample(at) for at in range(many)))
    return [importing(room, "inspect", path)]


@case
def log_packed_text(room: Room) -> list[list[str]]:
    """Members that unpack to the most text."""
    path = archive(room, (sample(at, ',"m":"' + "x" * 95_000_000 + '"') for at in range(9)))
    return [importing(room, "inspect", path)]


@case
def log_packed_escapes(room: Room) -> list[list[str]]:
    """Members of text that is escaped."""
    path = archive(room, (sample(at, ',"m":"' + "\\u00e9" * 15_500_000 + '"') for at in range(9)))
    return [importing(room, "inspect", path)]


@case
def log_packed_values(room: Room) -> list[list[str]]:
    """Members that unpack to the most values."""
    each = PACKED_VALUES.most // 9 - 100
    path = archive(room, (sample(at, ',"m":[' + "{}," * (each - 20) + "0]") for at in range(9)))
    return [importing(room, "inspect", path)]


@case
def log_one_sample_many_edits(room: Room) -> list[list[str]]:
    """A score with a long history."""
    edit = '{"value":"%s","provenance":{"author":"a%d","timestamp":"2026-02-03T04:05:06Z"}},'
    many = room.size // len(edit) - 10
    history = "".join(edit % ("CI"[at % 2], at) for at in range(many)) + '{"value":"C"}'
    text = sample(1).replace('{"value":"C"}', '{"value":"C","history":[' + history + "]}")
    room.write("t.json", iter([json.dumps(HEADER)[:-1] + ',"samples":[' + text + "]}"]))
    return [importing(room, "inspect", room.folder / "t.json")]


@case
def label_studio_tasks(room: Room) -> list[list[str]]:
    """The most labels of a labelling tool."""
    choice = '{"from_name":"claims","type":"choices","value":{"choices":["yes"]}}'
    task = '{"id":%d,"data":{"trial":"t%d"},"annotations":[{"completed_by":1,"result":[' + choice + "]}]},"
    room.write("t.json", iter(["[", *(task % (at, at) for at in range(room.size // (len(task) + 8) - 2)), '{"id":0}]']))
    return [importing(room, "label-studio", room.folder / "t.json")]


def of_study(room: Room) -> Path:
    """A small study made by an import."""
    room.write("s.csv", iter(["k,a,p\n", *(f"{at},x,{at % 2}\n" for at in range(40))]))
    command = importing(room, "table", room.folder / "s.csv", *room.map(JUDGED))
    subprocess.run([sys.executable, "-m", "gnomon", *command], check=True, stderr=subprocess.DEVNULL)
    return room.folder / "study"


@case
def export_folder(room: Room) -> list[list[str]]:
    """An export of a study, with the most rows."""
    study = of_study(room)
    out = room.folder / "out"
    commands = [["export", str(study), "--out", str(out), "--format", "gnomon"]]
    room.write("t.csv", iter(["k,a,p\n", *(f"{at:07},{'x' * 8},{at % 2}\n" for at in range(room.facts // 2))]))
    commands = [importing(room, "table", room.folder / "t.csv", *room.map(JUDGED)), *commands]
    return [*commands, ["import", "gnomon", str(out), "--study", str(room.folder / "copy")]]


@case
def study_file_of_judges(room: Room) -> list[list[str]]:
    """A study file as large as one may be."""
    study = of_study(room)
    path = study / "study.toml"
    text, left = path.read_text(encoding="utf-8"), 4_190_000
    judge = '\n[[judges]]\nname = "j%d"\nkind = "lexicon"\n'
    text += "".join(judge % at + "# " + "x" * 4_000 + "\n" for at in range(min(990, (left - len(text)) // 4_060)))
    path.write_text(text, encoding="utf-8")
    return [["recount", str(study)], ["judge", str(study), "--dry-run"]]


@case
def study_file_of_concepts(room: Room) -> list[list[str]]:
    """A study file with the longest list."""
    study = of_study(room)
    path = study / "study.toml"
    names = ", ".join(f'"c{at}"' for at in range(390_000))
    text = path.read_text(encoding="utf-8").replace('# concepts = ["ocean", "fear"]', f"concepts = [{names}]")
    path.write_text(text[:4_190_000], encoding="utf-8")
    return [["recount", str(study)]]


def measure(command: list[str]) -> tuple[int, float, float, str]:
    """Run a command: exit status, processor seconds, greatest memory in bytes, its last line."""
    with tempfile.TemporaryFile() as said:
        pid = os.fork()
        if not pid:
            resource.setrlimit(resource.RLIMIT_CPU, (STOPPED_AFTER, STOPPED_AFTER + 5))
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            os.execv(sys.executable, [sys.executable, "-m", "gnomon", *command])  # nosec B606
        _, status, used = os.wait4(pid, 0)
        said.seek(max(0, said.seek(0, 2) - 400))
        last = (said.read().decode("utf-8", "replace").strip().splitlines() or [""])[-1]
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, last


def main() -> None:
    """Measure the cases and print a line for each command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    for name in [name for name in CASES if given.only in name]:
        folder = Path(tempfile.mkdtemp(prefix="worst-"))
        try:
            for command in CASES[name](Room(folder, given.size)):
                status, seconds, memory, last = measure(command)
                over = "OVER" if seconds > MOST_SECONDS or memory > MOST_BYTES else "ok"
                line = (
                    f"{name:32} {command[0]:9} {status:4} {seconds:7.1f} s {memory / 1e6:7.0f} MB {over:4} {last[:150]}"
                )
                print(line, flush=True)
                if given.out:
                    with given.out.open("a", encoding="utf-8") as file:
                        file.write(line + "\n")
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
