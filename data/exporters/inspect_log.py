"""A study as Inspect logs: a log per subject, a sample per trial, a score per judge and rater, edits as its history."""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from gnomon.data.exporters.export_folder import file_hashes, new_folder
from gnomon.data.exporters.exported_trials import (
    ExportedStudy,
    ExportedTrial,
    facts_of,
    iter_trials,
    read_study,
    subjects_with_trials,
)
from gnomon.data.exporters.registry import ExportReport
from gnomon.data.importers.formats.inspect_log.own_exports import OWN, JsonObject
from gnomon.data.records import DECLARED_FIELDS, REPORT, Facts, canonical_hash, utc_timestamp
from gnomon.data.storage import tables
from gnomon.data.storage.fact_columns import facts_row
from gnomon.data.storage.store import Store, code_version

RIGHT, WRONG = "C", "I"
NOT_SCORED = float("nan")
SHORT = re.compile(r"[^A-Za-z0-9.-]+")
Scores = dict[str, JsonObject]
CONDITION = ("layer", "strength", "magnitude", "depth", "span")


def export_logs(store: Store, folder: Path) -> ExportReport:
    """Write a study as logs (`.eval`) that Inspect reads, and that `gnomon import inspect` reads back.

    Parameters
    ----------
    store : Store
        Store of the study.
    folder : Path
        Folder to create; it appears only when complete.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or is a file.
    """
    with new_folder(folder) as scratch:
        counted = write_logs(store, read_study(store), scratch)
        files = file_hashes(scratch)
    return ExportReport(folder, counted, files)


def write_logs(store: Store, study: ExportedStudy, folder: Path) -> dict[str, int]:
    """Write the logs of all subjects into a folder; returns how many trials, verdicts and labels they hold.

    Parameters
    ----------
    store : Store
        Store of the study.
    study : ExportedStudy
        The study.
    folder : Path
        An empty folder.
    """
    counted: Counter[str] = Counter(trials=0, verdicts=0, labels=0)
    with store.read_transaction() as connection:
        names = _score_names(connection, study)
        for subject in subjects_with_trials(connection):
            _write_log(connection, study, subject, names, folder, counted)
    return dict(counted)


@dataclass(frozen=True, slots=True)
class _ScoreNames:
    """What the scores are called: each judge version, sample and rater of the study by a name of its own."""

    verdicts: Mapping[tuple[str, int], str]
    labels: Mapping[str, str]


def _score_names(connection: Connection, study: ExportedStudy) -> _ScoreNames:
    """Names that no two scores of the study share: Inspect counts scores by them."""
    verdict, rater = tables.verdicts.c, tables.labels.c.rater
    asked = select(verdict.judge, verdict.sample).distinct().order_by(verdict.sample, verdict.judge)
    taken: set[str] = set()
    verdicts = {
        (judge, sample): _free_name(
            study.judge_names[judge] if not sample else f"{study.judge_names[judge]} #{sample + 1}", taken
        )
        for judge, sample in connection.execute(asked)
    }
    people = connection.execute(select(rater).distinct().order_by(rater)).scalars()
    return _ScoreNames(
        verdicts, {name: _free_name(name if name not in taken else f"rater {name}", taken) for name in people}
    )


def _free_name(name: str, taken: set[str]) -> str:
    """The name, or the first of `NAME (2)`, `NAME (3)` ... that is not taken; it is taken from then on."""
    found = next(made for made in (name, *(f"{name} ({n})" for n in range(2, len(taken) + 3))) if made not in taken)
    taken.add(found)
    return found


def _write_log(
    connection: Connection,
    study: ExportedStudy,
    subject: str,
    names: _ScoreNames,
    folder: Path,
    counted: Counter[str],
) -> None:
    """Write one archive: its samples one by one, then their summaries and the header, which need them all."""
    created = utc_timestamp()
    id_ = canonical_hash([study.name, subject], 22)
    stamp, task = created[:19].replace(":", "-"), SHORT.sub("-", study.name)[:60]
    scores, summaries = _ScoreCounts(), []
    with zipfile.ZipFile(folder / f"{stamp}+00-00_{task}_{id_}.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        head = _header_document(study, subject, created, id_)
        archive.writestr("_journal/start.json", _json_text({name: head[name] for name in ("version", "eval", "plan")}))
        for trial in iter_trials(connection, subject):
            given = _score_documents(study, trial, names)
            sample = sample_document(study, trial, given)
            archive.writestr(f"samples/{trial.row.id}_epoch_1.json", _json_text(sample))
            summaries.append(_summary_of(sample, given, failed=trial.row.error))
            scores.add_sample(given, failed=trial.row.error is not None)
            counted.update(trials=1, verdicts=len(trial.verdicts), labels=sum(map(len, trial.labels.values())))
        archive.writestr("summaries.json", _json_text(summaries))
        archive.writestr("header.json", _json_text({**head, "results": scores.as_results()}))


def _json_text(document: object) -> str:
    """JSON with NaN, which is Inspect's sign for what was not scored."""
    return json.dumps(document, ensure_ascii=False)


def _summary_of(sample: JsonObject, scores: Scores, *, failed: str | None) -> JsonObject:
    """What Inspect lists of a sample before it is opened."""
    kept = ("id", "epoch", "target", "metadata", "uuid", "completed_at")
    made = {name: sample[name] for name in kept}
    short = {name: {"value": score["value"], "metadata": None, "history": []} for name, score in scores.items()}
    return {**made, "input": "", "scores": short, "error": failed, "completed": True}


class _ScoreCounts:
    """How many samples there are, and how many of each score's values are right."""

    def __init__(self) -> None:
        self.samples = self.failed = 0
        self.right: Counter[str] = Counter()
        self.scored: Counter[str] = Counter()
        self.names: dict[str, None] = {}

    def add_sample(self, scores: Scores, *, failed: bool) -> None:
        self.samples += 1
        self.failed += failed
        for name, score in scores.items():
            self.names[name] = None
            self.scored[name] += score["value"] in (RIGHT, WRONG)
            self.right[name] += score["value"] == RIGHT

    def as_results(self) -> JsonObject:
        return {
            "total_samples": self.samples,
            "completed_samples": self.samples - self.failed,
            "scores": [self._result_of(name) for name in self.names],
        }

    def _result_of(self, name: str) -> JsonObject:
        scored = self.scored[name]
        accuracy: JsonObject = {"name": "accuracy", "value": self.right[name] / scored, "params": {}} if scored else {}
        return {
            "name": name,
            "scorer": name,
            "scored_samples": scored,
            "unscored_samples": self.samples - scored,
            "params": {},
            "metrics": {"accuracy": accuracy} if scored else {},
        }


def _header_document(study: ExportedStudy, subject: str, created: str, id_: str) -> JsonObject:
    judges = {study.judge_names[version]: _judge_document(row) for version, row in study.judges.items()}
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": id_,
            "run_id": id_,
            "task_id": id_,
            "created": created,
            "task": study.name,
            "dataset": {"name": study.name},
            "model": subject,
            "config": {},
            "metadata": {OWN: {"version": code_version(), "rule": study.settings.rule, "judges": judges}},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "stats": {"started_at": created, "completed_at": created, "model_usage": {}},
    }


def _judge_document(row: Any) -> JsonObject:
    return {"version": row.version, "name": row.name, "kind": row.kind, "config": row.config}


def sample_document(study: ExportedStudy, trial: ExportedTrial, scores: Scores) -> JsonObject:
    """A trial as a sample of an Inspect log.

    Parameters
    ----------
    study : ExportedStudy
        The study.
    trial : ExportedTrial
        The trial.
    scores : dict of str to dict
        Its scores by name.
    """
    row = trial.row
    asked = study.questions.get(row.protocol) or []
    answer = {"role": "assistant", "content": row.answer}
    condition = {name: getattr(row, name) for name in CONDITION}
    about = {} if study.is_generic(row) else {"arm": row.arm, "concept": row.concept, **condition}
    made: JsonObject = {
        "id": row.id,
        "epoch": 1,
        "input": asked or "",
        "target": row.concept or "",
        "messages": [*asked, answer],
        "output": {
            "model": row.subject,
            "choices": [{"message": answer, "stop_reason": "max_tokens" if row.finish == "length" else "stop"}],
            "completion": row.answer,
        },
        "scores": scores,
        "metadata": {
            **{name: value for name, value in about.items() if value is not None},
            OWN: _own_document(study, row),
        },
        "store": {},
        "events": [],
        "model_usage": {},
        "completed_at": row.created_at,
        "uuid": row.id,
        "attachments": {},
    }
    if row.error is not None:
        made["error"] = {"message": row.error, "traceback": "", "traceback_ansi": ""}
    return made


def _own_document(study: ExportedStudy, row: Any) -> JsonObject:
    """The trial's id, the fields that its protocol declares and, of one that asked for no report, everything that a
    sample has no place for.
    """
    made: JsonObject = {"trial": row.id}
    if row.measure != REPORT:
        made |= {"measure": row.measure, "protocol": study.protocols.get(row.protocol)}
    elif fields := study.protocols.get(row.protocol, {}).get(DECLARED_FIELDS):
        made[DECLARED_FIELDS] = fields
    return made | {name: value for name in ("readings", "thinking") if (value := getattr(row, name)) is not None}


def _score_documents(study: ExportedStudy, trial: ExportedTrial, names: _ScoreNames) -> Scores:
    """The judges' scores, then the raters', which people added to the sample."""
    scores: Scores = {}
    for verdict in trial.verdicts:
        scores[names.verdicts[verdict.judge, verdict.sample]] = _verdict_score(study, trial, verdict)
    for rater, events in trial.labels.items():
        edits = [_label_edit(study, trial, event) for event in events]
        scores[names.labels[rater]] = {
            **{key: edits[-1][key] for key in ("value", "explanation", "metadata")},
            "history": edits,
        }
    return scores


def _verdict_score(study: ExportedStudy, trial: ExportedTrial, verdict: Any) -> JsonObject:
    facts = facts_of(verdict)
    own = {
        **{name: getattr(verdict, name) for name in ("judge", "sample", "state", "raw", "created_at")},
        "facts": None if facts is None else facts_row(facts),
        **({} if verdict.scores is None else {"scores": verdict.scores}),
    }
    return {
        "value": _value_of(study, trial, facts),
        "answer": None if facts is None else _outcome_words(facts),
        "explanation": verdict.quote or None,
        "reason": None if facts is not None else verdict.state,
        "metadata": {OWN: own},
        "history": [],
    }


def _label_edit(study: ExportedStudy, trial: ExportedTrial, event: Any) -> JsonObject:
    facts = facts_of(event)
    own = {
        **{name: getattr(event, name) for name in ("role", "exposure", "stratum", "probability", "rater_kind")},
        "chosen_by": None if event.selection is None else event.selection.get("judges"),
        "note": event.note,
        "facts": None if facts is None else facts_row(facts),
        **({"undecided": event.undecided} if event.undecided else {}),
    }
    return {
        "value": _value_of(study, trial, facts),
        "explanation": event.note or None,
        "metadata": {},
        "provenance": {
            "timestamp": event.created_at,
            "author": event.rater,
            "reason": event.note or None,
            "metadata": {OWN: own},
        },
    }


def _value_of(study: ExportedStudy, trial: ExportedTrial, facts: Facts | None) -> str | float:
    if facts is None:
        return NOT_SCORED
    return RIGHT if study.is_passed(facts, trial.row) else WRONG


def _outcome_words(facts: Facts) -> str:
    if facts.refused or not facts.coherent:
        return "refused" if facts.refused else "incoherent"
    return f"claims {facts.concept}" if facts.claims else "denies"
