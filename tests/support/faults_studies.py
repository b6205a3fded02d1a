"""Small studies that a command works on for seconds, and what such a study holds, to be compared."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from judging_server import Server
from sqlalchemy import inspect, select

from gnomon.data.exporters.export_folder import file_hashes
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.files import SUFFIX
from gnomon.data.importers.formats.gnomon_export import ORDER, columns_of
from gnomon.data.records import Arm, Condition, Facts, JudgeVersion, Label, Span, Subject, Trial, Verdict, trial_seed
from gnomon.data.storage import schema, tables
from gnomon.data.storage.engines import connect_engine, sqlite_file, sqlite_url
from gnomon.data.storage.store import Store
from gnomon.study_file import database_url, read_study

ROOT = Path(__file__).resolve().parents[2]
FIRST = ROOT / "tests" / "fixtures" / "first_version"
QUIET = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
ENVIRONMENT = {**os.environ, **QUIET}
OFTEN_OTHER = ("created_at", "seconds", "code_version")
TOKENS_PER_CALL = 18
"""What the scripted server reports of a call."""
RUNS = "judge_run"
"""Events that tell of runs: a command that was killed and went on has run twice."""
Rows = dict[str, list[str]]


@dataclass(frozen=True)
class Case:
    """A command, the study that it works on, and the rows of a table that its lines promise so far."""

    name: str
    prepare: Callable[[Path], None]
    arguments: Callable[[Path], list[str]]
    told: tuple[tuple[tables.Table, re.Pattern[str]], ...]
    cached: bool = True
    problems: Callable[[Path], list[str]] = lambda _folder: []
    """What is wrong with what the command wrote beside the study's database, after a run that ended."""

    def command(self, folder: Path) -> list[str]:
        """The command line, as a person would give it."""
        return [sys.executable, "-m", "gnomon", *self.arguments(folder / "study")]

    def environment(self, folder: Path) -> dict[str, str]:
        """Where nothing may be at hand from earlier runs, the cache is the folder's own."""
        return ENVIRONMENT if self.cached else {**ENVIRONMENT, "GNOMON_CACHE": str(folder / "cache")}

    def promised(self, heard: str) -> dict[str, int]:
        """Rows by table that what was printed says are stored."""
        found = {table.name: pattern.findall(heard) for table, pattern in self.told}
        return {name: int(said[-1]) if said[-1].isdigit() else len(said) for name, said in found.items() if said}


def database(folder: Path) -> str:
    """URL of the study's database."""
    return sqlite_url(folder / "study" / "gnomon.db")


def rows(url: str) -> Rows:
    """All rows by table, each as text, without what differs between two runs that do the same; nothing is changed."""
    if (file := sqlite_file(url)) is not None and not file.is_file():
        return {table.name: [] for table in ORDER}
    engine = connect_engine(url)
    try:
        with engine.begin() as connection:
            if not schema.is_current(connection):
                return {table.name: [] for table in ORDER}
            there = set(inspect(connection).get_table_names())
            return {table.name: sorted(_texts(connection, table)) if table.name in there else [] for table in ORDER}
    finally:
        engine.dispose()


def _texts(connection: Any, table: Any) -> list[str]:
    names = [name for name in columns_of(table) if not name.startswith(OFTEN_OTHER)]
    found = connection.execute(select(*(table.c[name] for name in names))).mappings()
    facts = (dict(row) for row in found if row.get("kind") != RUNS)
    return [json.dumps(_timeless(row), sort_keys=True) for row in facts]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(part) for key, part in value.items() if not key.startswith(OFTEN_OTHER)}
    return [_timeless(part) for part in value] if isinstance(value, list) else value


# -- the studies -------------------------------------------------------------------------------------------------------

TINY = """
name = "tiny"
seed = 3
{database}
[[subjects]]
name = "tiny"
model = "{model}"
parameters = 10_000
family = "llama"

[design]
concepts = ["ocean", "fear"]
layers = [1, 2]
strengths = [1.0]
protocols = ["plain"]
replicates = {{ injection = {n}, control = {n}, random = {n} }}

[[judges]]
name = "lexicon"
kind = "lexicon"
"""
PUBLISHED = 'name = "published"\ncounts = "published"\n[fit]\ndraws = 800\ntune = 400\nchains = 2\n'


def tiny(folder: Path, database: str = "", n: int = 16) -> None:
    """A study of a tiny random model, whose trials are still to be made."""
    import torch
    from tiny_subjects import TEMPLATE, byte_tokenizer, tiny_model

    model = folder.parent / "model"
    if not model.is_dir():
        torch.set_num_threads(1)
        tiny_model("llama", 1).save_pretrained(model)
        byte_tokenizer(TEMPLATE).save_pretrained(model)
    (folder / "study").mkdir(parents=True)
    line = f'database = "{database}"' if database else ""
    (folder / "study" / "study.toml").write_text(TINY.format(model=model, database=line, n=n))


def unjudged(folder: Path, trials: int = 600) -> None:
    """The same study with trials that no judge has read."""
    (folder / "study").mkdir(parents=True)
    (folder / "study" / "study.toml").write_text(TINY.format(model="embedded", database="", n=1))
    store = Store.open(database(folder))
    fill(store, trials)
    store.close()


def fill(store: Store, trials: int, verdicts: bool = False, labels: bool = False) -> None:
    """Trials of a made-up subject; with verdicts of a judge of another place, and with labels."""
    store.add_subjects([Subject("toy", 1e9, "toy", "instruct", "r0")])
    store.add_protocol("p0", "p0", {"messages": [{"role": "user", "content": "What do you notice?"}]})
    condition = Condition("toy", "r0", Arm.CONTROL, None, None, 0.0, Span.GENERATION, "p0", None, 1)
    ids = [condition.trial_id(number) for number in range(trials)]
    made = [
        Trial(id_, condition, number, trial_seed(id_), f"I notice {number} things, ocean among them.", "stop", 7)
        for number, id_ in enumerate(ids)
    ]
    store.add_trials(made)
    yes = Facts(claims=True, concept="ocean", coherent=True, refused=False)
    if verdicts:
        store.add_judge(JudgeVersion("j1", "afar", "imported", {}))
        store.add_verdicts([Verdict(id_, "j1", yes, raw="yes") for id_ in ids])
    if labels:
        store.add_labels([Label(id_, "ann", yes) for id_ in ids[::2]])


def exported(folder: Path, trials: int = 4000) -> None:
    """An export folder that is to be brought into a study which is not there yet."""
    source = folder.parent / "export"
    if not source.is_dir():
        store = Store.open("sqlite://")
        fill(store, trials, verdicts=True, labels=True)
        store.save_settings({"name": "afar", "kind": "trials", "concepts": ["fear", "ocean"], "judges": ["afar"]})
        store.save_settings({"design": {"concepts": ["fear", "ocean"], "layers": [3]}, "label_view": "first"})
        export_store(store, source)
        store.close()
    folder.mkdir()


def published(folder: Path) -> None:
    """The published counts, not fitted yet."""
    (folder / "study").mkdir(parents=True)
    (folder / "study" / "study.toml").write_text(PUBLISHED)


GENERATE = Case(
    "generate",
    tiny,
    lambda study: ["generate", str(study), "--batch-size", "16"],
    ((tables.trials, re.compile(r"trials: (\d+) of")),),
    cached=False,
)
JUDGE = Case(
    "judge", unjudged, lambda study: ["judge", str(study)], ((tables.verdicts, re.compile(r"lexicon: (\d+) of")),)
)
IMPORT = Case(
    "import",
    exported,
    lambda study: ["import", "gnomon", str(study.parents[1] / "export"), "--study", str(study)],
    ((tables.trials, re.compile(r"added (\d+) trials")), (tables.labels, re.compile(r"(\d+) labels"))),
)
FIT = Case(
    "fit",
    published,
    lambda study: ["fit", str(study)],
    ((tables.fits, re.compile(r"published counts: (passed)")),),
)


def imported(folder: Path, trials: int = 5_000) -> None:
    """A study with trials, verdicts and labels, to be copied."""
    (folder / "study").mkdir(parents=True)
    (folder / "study" / "study.toml").write_text('name = "whole"\nimported = true\nconcepts = ["ocean", "fear"]\n')
    store = Store.open(database(folder))
    fill(store, trials, verdicts=True, labels=True)
    store.close()


def of_first_version(folder: Path) -> None:
    """A study as the first version left it."""
    (folder / "study").mkdir(parents=True)
    shutil.copy(FIRST / "study.toml", folder / "study")
    (folder / "study" / "gnomon.db").write_bytes(gzip.decompress((FIRST / "gnomon.db.gz").read_bytes()))


def leftovers(folder: Path) -> list[str]:
    """Half-written files and folders anywhere in a folder."""
    return [f"left behind: {path.name}" for path in folder.rglob("*") if SUFFIX in path.name or ".part" in path.name]


def _bad_copies(folder: Path) -> list[str]:
    """Backups that do not hold the study's rows, and what is left behind."""
    wanted = rows(database(folder))
    copies = (folder / "out").glob("[!.]*.db")
    return [f"{path.name}: other rows" for path in copies if rows(sqlite_url(path)) != wanted] + leftovers(folder)


def _bad_exports(folder: Path) -> list[str]:
    """Exports that are not whole by their own manifest, and what is left behind."""
    bad = []
    for made in (folder / "out").glob("[!.]*"):
        hashes = json.loads((made / "export.json").read_text())["files"] if (made / "export.json").is_file() else None
        found = {name: digest for name, digest in file_hashes(made).items() if name != "export.json"}
        bad += [] if hashes == found else [f"{made.name}: not whole"]
    return bad + leftovers(folder)


def _badly_moved(folder: Path) -> list[str]:
    """Whether the study is where its file says, with all its rows."""
    url = database_url(folder / "study", read_study(folder / "study"))
    return ([] if rows(url) == rows(database(folder)) else [f"{url}: other rows"]) + leftovers(folder)


def _next_place(study: Path) -> str:
    """A name for the study's next database; the same one until a move has ended."""
    return f"{read_study(study).database.removesuffix('.db')}+.db"


BACKUP = Case(
    "backup",
    imported,
    lambda study: ["backup", str(study), "--out", str(study.parent / "out" / f"{uuid4().hex}.db")],
    (),
    problems=_bad_copies,
)
EXPORT = Case(
    "export",
    imported,
    lambda study: ["export", str(study), "--out", str(study.parent / "out" / uuid4().hex)],
    (),
    problems=_bad_exports,
)
MOVE = Case("move", imported, lambda study: ["move", str(study), "--to", _next_place(study)], (), problems=_badly_moved)
MIGRATE = Case("migrate", of_first_version, lambda study: ["recount", str(study)], (), problems=leftovers)
SERVED = """
name = "served"
imported = true
concepts = ["ocean", "fear"]
[[judges]]
name = "llm"
kind = "openai"
model = "m"
base_url = "{url}"
concurrency = 4
price = {{ input = 1.0, output = 1.0 }}
budget = 5.0
"""


def reserving(server: Server, trials: int = 400) -> Case:
    """A judge behind a server, which sets money aside before each call: no more may be paid than it knows of."""

    def prepare(folder: Path) -> None:
        (folder / "study").mkdir(parents=True)
        (folder / "study" / "study.toml").write_text(SERVED.format(url=server.url))
        store = Store.open(database(folder))
        fill(store, trials)
        store.close()
        server.requests.clear()

    def underpaid(folder: Path) -> list[str]:
        paid = sum(len(request["messages"]) > 1 for request in list(server.requests)) * TOKENS_PER_CALL
        store = Store.open(database(folder))
        spent = store.read_frame(tables.judge_runs)
        store.close()
        parts = ("input_tokens", "output_tokens", "reserved_input", "reserved_output")
        known = int(spent[list(parts)].to_numpy().sum())
        return [f"paid {paid} tokens, {known} spent or set aside"] if paid > known else []

    told = ((tables.verdicts, re.compile(r"llm: (\d+) of")),)
    return Case("reserve", prepare, lambda study: ["judge", str(study)], told, problems=underpaid)
