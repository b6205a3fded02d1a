"""Data shipped with Gnomon: the published study's counts, and labelled transcripts of the embedded subject."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gnomon.data.errors import InputError
from gnomon.data.raters import kind_of_name
from gnomon.data.records import (
    Arm,
    Condition,
    CountRow,
    Exposure,
    Facts,
    Label,
    LabelKind,
    RaterRole,
    Span,
    Split,
    Subject,
    Trial,
    split_of,
)
from gnomon.data.storage.store import Store

PUBLISHED = "introspection-at-scale"
RATERS = ("lm-rater-a", "lm-rater-b", "lm-adjudicator")
"""Raters of the calibration set: language models, as its README says; a study that adds the set admits them."""
HERE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Labelled transcripts: their subjects, protocols (hash -> name, content), trials and label events."""

    subjects: tuple[Subject, ...]
    protocols: Mapping[str, tuple[str, Mapping[str, object]]]
    trials: tuple[Trial, ...]
    labels: tuple[Label, ...]

    def add_to_store(self, store: Store) -> int:
        """Add subjects, protocols, trials and labels to a store; returns the number of new trials."""
        store.add_subjects(self.subjects)
        for hash_, (name, content) in self.protocols.items():
            store.add_protocol(hash_, name, content)
        new = store.add_trials(self.trials)
        store.add_labels(self.labels)
        return new

    def training_pairs(self) -> list[tuple[str, Facts]]:
        """Answers of the train split with their reference labels: adjudicated ones first, else the first rater's."""
        chosen: dict[str, Label] = {}
        for label in self.labels:
            held = chosen.get(label.trial)
            if held is None or (label.role is RaterRole.ADJUDICATOR and held.role is RaterRole.RATER):
                chosen[label.trial] = label
        train = (trial for trial in self.trials if split_of(trial.id) is Split.TRAIN and trial.id in chosen)
        return [(trial.answer, facts) for trial in train if (facts := chosen[trial.id].facts) is not None]


def published_counts(folder: Path = HERE / "published") -> tuple[list[Subject], list[CountRow]]:
    """Subjects and counts of the published study, from `outcomes_by_model.csv` (facts, with their source there)."""
    with (folder / "outcomes_by_model.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    subjects = {row["model"]: _published_subject(row) for row in rows}
    counts = [
        CountRow(PUBLISHED, row["model"], Arm(row["arm"]), int(row["n"]), int(row["refused"]), int(row["event"]))
        for row in rows
    ]
    return list(subjects.values()), counts


def add_published(store: Store) -> int:
    """Add the published counts to a store; returns how many rows were new."""
    subjects, counts = published_counts()
    store.add_subjects(subjects)
    return store.add_counts(counts)


def calibration_set(folder: Path = HERE / "calibration") -> CalibrationSet:
    """The labelled transcripts of `data/calibration/` (its README says who labelled them, and how).

    Raises
    ------
    InputError
        If a line cannot be read; the message names file and line.
    """
    about = json.loads((folder / "subjects.json").read_text(encoding="utf-8"))
    return CalibrationSet(
        subjects=tuple(Subject(**row) for row in about["subjects"]),
        protocols={row["hash"]: (row["name"], row["content"]) for row in about["protocols"]},
        trials=tuple(_read_lines(folder / "trials.jsonl", _trial_from_row)),
        labels=tuple(_read_lines(folder / "labels.jsonl", _label_from_row)),
    )


def _read_lines(path: Path, make: Any) -> list[Any]:
    made = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            made.append(make(json.loads(line)))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path.name} line {number}: {error!r}: reinstall gnomon or fix the line") from error
    return made


def _trial_from_row(row: dict[str, Any]) -> Trial:
    condition = dict(row.pop("condition"))
    condition["arm"], condition["span"] = Arm(condition["arm"]), Span(condition["span"])
    trial = Trial(condition=Condition(**condition), **row)
    if trial.id != trial.condition.trial_id(trial.replicate):
        raise ValueError(f"id {trial.id} is not the hash of its condition")
    return trial


def _label_from_row(row: dict[str, Any]) -> Label:
    facts = row.pop("facts")
    kind, role = LabelKind(row.pop("kind")), RaterRole(row.pop("role"))
    exposure = Exposure(row.pop("exposure"))
    said = None if facts is None else Facts(**facts)
    return Label(facts=said, kind=kind, role=role, exposure=exposure, rater_kind=kind_of_name(row["rater"]), **row)


def _published_subject(row: Mapping[str, str]) -> Subject:
    return Subject(row["model"], float(row["params_b"]) * 1e9, row["family"], row["variant"])
