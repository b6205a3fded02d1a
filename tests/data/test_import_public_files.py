"""Public files of other people's work (../shared/data), with six lines of map or none, are counted as pandas does."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from gnomon.commands.transfer import import_files
from gnomon.data.importers import ImportOptions
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import published_cells

Counts = dict[str, tuple[int, ...]]
"""Trials; by judge and by rater how many say yes of how many; of counts events and trials."""
MOST_LINES = 6
LLAMA = 'trial = {key = {row_number = true}, subject = {value = "Llama-3.1-8B"}'
Q4 = """trial = {key = {row_number = true}, subject = "LLM"}
verdict = {judge = "grader", passed = "score", threshold = 7, where = {grader = ["Autograder A", "Autograder B"]}}
label = {rater = "grader", passed = "score", threshold = 7, where = {grader = "Human"}}
"""
Q5 = """trial = {key = {row_number = true}, subject = "llm_pair"}
verdict = {judge = "grader", passed = "first_is_chosen", where = {grader = "Autograder"}}
label = {rater = "grader", passed = "first_is_chosen", where = {grader = "Human"}}
"""
REPRODUCED = f"""{LLAMA}, answer = "response", arm = {{value = "injection"}}, concept = "concept", strength = "coeff"}}
[verdict]
judge = {{value = "grader"}}
claims = "affirmative_response_judge"
identified = "affirmative_response_followed_by_correct_identification_judge"
coherent = "coherence_judge"
"""
QUESTION = f"""{LLAMA}, protocol = "type", answer = "response"}}
verdict = {{judge = {{value = "grader"}}, passed = "affirmative_response_judge"}}
"""
STRONGER = f"""{LLAMA}}}
verdict = {{judge = {{value = "answer"}}, passed = "is_correct"}}
"""
FORCED = """trial = {key = {row_number = true}, subject = {value = "subject"}, protocol = "arm"}
verdict = {judge = {value = "answer"}, passed = "correct"}
"""
SCORES = """trial = {key = ["policy", "prompt_id"], subject = "policy"}
verdict = {judge = {value = "score"}, passed = "judge_score", threshold = 0.5}
label = {rater = {value = "oracle"}, passed = "oracle_label", threshold = 0.5}
"""
LOCALIZATION = """subject = {value = "Llama-3.1-8B"}
arm = {value = "injection"}
n = "total_predictions"
passed = "correct_predictions"
strength = "coeff"
protocol = "vec_type"
"""


def yes(values: pd.Series) -> tuple[int, int]:
    """How many of the values that are there are true, and how many there are."""
    known = values.dropna().astype(bool)
    return int(known.sum()), len(known)


def read(paths: Sequence[Path]) -> pd.DataFrame:
    readers: dict[str, Callable[[Path], pd.DataFrame]] = {
        ".csv": pd.read_csv,
        ".jsonl": lambda path: pd.read_json(path, lines=True),
        ".json": pd.read_json,
    }
    return pd.concat([readers[path.suffix](path) for path in paths], ignore_index=True)


def count_judged(paths: Sequence[Path]) -> Counts:
    """open-introspection: a label a trial, as it was when the judge ran; verdicts in the calibration file."""
    rows = read(paths)
    rows["model"] = rows["config"].map(lambda config: config["model"])
    judged = rows[rows["judge_result"].notna()]
    first = pd.concat([judged, rows]).drop_duplicates(["model", "id"])
    return {
        "trials": (len(first),),
        "open-introspection-judge": yes(judged["judge_result"].map(lambda said: said["answer"] == "pass")),
        "raters": yes(first["label"].map(lambda said: said["answer"] == "pass")),
    }


def count_llama(paths: Sequence[Path]) -> Counts:
    rows = read(paths).query("intervention != 'scale'")
    flags = rows[["affirmative", "coherent"]].apply(lambda column: column.map(truth))
    usable = flags.notna().all(axis=1)
    return {"trials": (len(rows),), "llama-introspection-grader": yes(flags["affirmative"][usable])}


def truth(value: object) -> bool | None:
    return {"true": True, "false": False}.get(str(value).strip().lower())


def count_scaling(paths: Sequence[Path]) -> Counts:
    rows = read(paths)
    usable = rows[~rows["parse_error"].astype(bool) & rows["coherent"].notna() & rows["affirmative"].notna()]
    return {"trials": (len(rows),), "introspection-scaling-judge": yes(usable["affirmative"])}


def count_arena(paths: Sequence[Path]) -> Counts:
    rows = read(paths)
    first = rows[["model_a", "model_b"]].min(axis=1)
    picked = rows["judge_pick"].map({"A": "model_a", "B": "model_b"}).dropna()
    pick = pd.Series({at: rows.at[at, where] == first[at] for at, where in picked.items()})
    human = pd.Series({at: rows.at[at, where] == first[at] for at, where in rows["human_winner"].items()})
    return {"trials": (len(rows),), paths[0].stem.split("_")[-1]: yes(pick), "raters": yes(human)}


def count_log(paths: Sequence[Path]) -> Counts:
    with zipfile.ZipFile(paths[0]) as log:
        names = [name for name in log.namelist() if name.startswith("samples/")]
        samples = [json.loads(log.read(name)) for name in names]
    found: Counts = {"trials": (len(samples),)}
    for name in {name for sample in samples for name in sample.get("scores") or {}}:
        values = [sample["scores"][name]["value"] for sample in samples]
        found[name] = yes(pd.Series([{"C": True, "I": False}.get(value, value) for value in values], dtype=object))
    return found


def count_graders(column: str, threshold: float) -> Callable[[Sequence[Path]], Counts]:
    """A row for each grade: a person's is a label, the others' are verdicts."""

    def count(paths: Sequence[Path]) -> Counts:
        rows = read(paths)
        graders = {str(name): yes(some[column] >= threshold) for name, some in rows.groupby("grader")}
        return {"trials": (len(rows),), "raters": graders.pop("Human"), **graders}

    return count


def count_column(column: str, judge: str) -> Callable[[Sequence[Path]], Counts]:
    def count(paths: Sequence[Path]) -> Counts:
        rows = read(paths)
        return {"trials": (len(rows),), judge: yes(rows[column])}

    return count


def count_scores(paths: Sequence[Path]) -> Counts:
    rows = read(paths)
    return {
        "trials": (len(rows),),
        "score": yes(rows["judge_score"] >= 0.5),
        "raters": yes(rows["oracle_label"].dropna() >= 0.5),
    }


def count_cells(paths: Sequence[Path]) -> Counts:
    rows = read(paths)
    return {"counts": (len(rows), int(rows["correct_predictions"].sum()), int(rows["total_predictions"].sum()))}


@dataclass(frozen=True)
class PublicFile:
    """Files of one source, how they are imported, and how pandas counts them."""

    files: str
    format: str
    count: Callable[[Sequence[Path]], Counts]
    map: str = ""
    flag: str = "passed"


NEW, STEERED = "llama-introspection-new/output_", "activation-introspection/"
FILES = (
    PublicFile("open-introspection/dev*.jsonl", "open-introspection", count_judged),
    PublicFile("llama-introspection/1B.csv", "llama-introspection", count_llama, flag="claims"),
    PublicFile("llama-introspection/8B.csv", "llama-introspection", count_llama, flag="claims"),
    PublicFile("introspection-scaling/*14b*.jsonl", "introspection-scaling", count_scaling, flag="claims"),
    PublicFile("introspection-scaling/*7b*.jsonl", "introspection-scaling", count_scaling, flag="claims"),
    PublicFile("arena-judges/*gpt-4o-mini.json", "arena", count_arena, flag="claims"),
    PublicFile("arena-judges/*gpt-5.2.json", "arena", count_arena, flag="claims"),
    PublicFile("hibayes/minimal_test.eval", "inspect", count_log),
    PublicFile("hibayes/q4/data.csv", "table", count_graders("score", 7), Q4),
    PublicFile("hibayes/q5/data.csv", "table", count_graders("first_is_chosen", 1), Q5),
    PublicFile(
        f"{NEW}anthropic_reproduce.csv",
        "table",
        count_column("affirmative_response_judge", "grader"),
        REPRODUCED,
        "claims",
    ),
    PublicFile(f"{NEW}control_question.csv", "table", count_column("affirmative_response_judge", "grader"), QUESTION),
    PublicFile(f"{NEW}relative_strength.csv", "table", count_column("is_correct", "answer"), STRONGER),
    PublicFile(f"{NEW}localization_10sent_sweep2.csv", "counts", count_cells, LOCALIZATION),
    PublicFile(f"{STEERED}content_vs_disturbance_v1_raw.jsonl", "table", count_column("correct", "answer"), FORCED),
    PublicFile(f"{STEERED}refusal_ablation_v1_raw.jsonl", "table", count_column("correct", "answer"), FORCED),
    PublicFile("cje-arena-sample/scores.csv", "table", count_scores, SCORES),
)


def stored_counts(store: Store, flag: str) -> Counts:
    """What a study holds, as the counters above count it."""
    if store.count_rows(tables.counts):
        cells = published_cells(store)
        events = cells.counts[:, cells.classes.index("event")].sum()
        return {"counts": (len(cells.frame), int(events), int(cells.counts.sum()))}
    verdict, label = tables.verdicts.c, tables.labels.c
    said = store.read_frame(
        select(tables.judges.c.name, verdict[flag].label("flag"))
        .join(tables.judges, tables.judges.c.version == verdict.judge)
        .where(verdict.state == "ok")
    )
    found: Counts = {"trials": (store.count_rows(tables.trials),)}
    found |= {str(name): yes(some["flag"]) for name, some in said.groupby("name")}
    labels = store.read_frame(select(label[flag].label("flag")).where(label.revision == 0))["flag"]
    return found | ({"raters": yes(labels)} if len(labels) else {})


@pytest.mark.parametrize("public", FILES, ids=lambda public: public.files)
def test_a_public_file_is_counted_as_pandas_counts_it(public: PublicFile, shared: Path, tmp_path: Path) -> None:
    assert len(public.map.splitlines()) <= MOST_LINES
    paths = sorted((shared / "data").glob(public.files))
    columns = None
    if public.map:
        columns = tmp_path / "map.toml"
        columns.write_text(public.map, encoding="utf-8")
    done = import_files(public.format, paths, tmp_path / "study", ImportOptions(map=columns), json=False)
    assert done.problems == ()
    with closing(Store.open(sqlite_url(tmp_path / "study" / "gnomon.db"))) as store:
        assert stored_counts(store, public.flag) == public.count(paths)
