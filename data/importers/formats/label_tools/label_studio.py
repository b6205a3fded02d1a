"""label-studio: annotations of tasks that `gnomon export --format label-studio` wrote (JSON and JSON-MIN exports)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation
from gnomon.data.importers.formats.label_tools.tool_labels import (
    NO_ANSWER,
    ToolLabel,
    exposure_told,
    label_row,
    single_choice,
    trial_named,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.row_builders import ImportedRow
from gnomon.data.importers.text_files import json_items

NAME = "label-studio"
SKIPPED = "the task was skipped"
NOT_ANNOTATED = "the task has no annotation"
COMMENT = ("note", "comment")


def read_files(paths: Sequence[Path], options: ImportOptions, report: ImportReport) -> Iterator[ImportedRow]:
    """Labels of all files, a row for each annotation.

    Parameters
    ----------
    paths : sequence of Path
        Exports of a project, as JSON or JSON-MIN.
    options : ImportOptions
        Not used.
    report : ImportReport
        Receives what cannot be read, and what was skipped.
    """
    for path in paths:
        for place, task in json_items(path, report):
            try:
                labels = _flat_labels(task) if "annotations" not in task else _task_labels(task, place, report)
            except RowError as error:
                report.add_problem(place, error)
                continue
            for label in labels:
                if not label.is_answered:
                    report.add_exclusion(place, NO_ANSWER)
                    continue
                try:
                    yield label_row(place, label, NAME)
                except RowError as error:
                    report.add_problem(place, error)


def _task_labels(task: Mapping[str, object], place: SourceLocation, report: ImportReport) -> list[ToolLabel]:
    told = task.get("data")
    about: Mapping[str, object] = told if isinstance(told, Mapping) else {}
    trial, exposure = trial_named(about, NAME), exposure_told(about, suggested=bool(task.get("predictions")))
    annotations = task["annotations"] if isinstance(task["annotations"], list) else []
    given = [each for each in annotations if isinstance(each, Mapping)]
    if not given:
        report.add_exclusion(place, NOT_ANNOTATED)
    labels = []
    for each in sorted(given, key=lambda each: str(_time_of(each) or "")):
        if each.get("was_cancelled") or each.get("skipped"):
            report.add_exclusion(place, SKIPPED)
            continue
        try:
            answers = _answers_of(each.get("result"))
        except RowError as error:
            report.add_problem(place, error)
            continue
        note = next((str(answers[name]) for name in COMMENT if answers.get(name)), "")
        labels.append(ToolLabel(trial, _rater_of(each.get("completed_by")), answers, _time_of(each), exposure, note))
    return labels


def _flat_labels(row: Mapping[str, object]) -> list[ToolLabel]:
    """The label of a row of the JSON-MIN export: the task's data and the answers side by side."""
    answers = {name: single_choice(name, _plain_choice(value)) for name, value in row.items()}
    note = next((str(answers[name]) for name in COMMENT if answers.get(name)), "")
    exposure = exposure_told(row, suggested=False)
    return [ToolLabel(trial_named(row, NAME), _rater_of(row.get("annotator")), answers, _time_of(row), exposure, note)]


def _plain_choice(value: object) -> object:
    """The answers of a question with several choices, which JSON-MIN wraps."""
    return value["choices"] if isinstance(value, Mapping) and "choices" in value else value


def _answers_of(result: object) -> dict[str, object]:
    answers: dict[str, object] = {}
    for region in result if isinstance(result, list) else []:
        value = region.get("value") if isinstance(region, Mapping) else None
        if isinstance(value, Mapping) and isinstance(name := region.get("from_name"), str):
            answers[name] = single_choice(name, value.get("choices", value.get("text")))
    return answers


def _rater_of(who: object) -> str:
    """The annotator: their address, or the number that the project gives them."""
    if isinstance(who, Mapping):
        who = who.get("email") or who.get("username") or who.get("id")
    if isinstance(who, int) and not isinstance(who, bool):
        return f"annotator {who}"
    if not isinstance(who, str) or not who.strip():
        raise RowError("the annotation does not say who made it ('completed_by'): export the project with annotators")
    return f"annotator {who}" if who.strip().isdigit() else who


def _time_of(annotation: Mapping[str, object]) -> object:
    return annotation.get("updated_at") or annotation.get("created_at")
