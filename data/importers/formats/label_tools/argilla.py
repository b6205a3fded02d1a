"""argilla: responses to records that `gnomon export --format argilla` wrote, as `to_json`, `to_list` or the server give
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gnomon.data.importers.field_parsers import ImportReport, RowError, SourceLocation
from gnomon.data.importers.formats.label_tools.tool_labels import (
    NO_ANSWER,
    SHOWN,
    TRIAL,
    ToolLabel,
    exposure_told,
    label_row,
    single_choice,
    trial_named,
)
from gnomon.data.importers.options import ImportOptions
from gnomon.data.importers.row_builders import ImportedRow
from gnomon.data.importers.text_files import json_items

NAME = "argilla"
SUBMITTED = "submitted"
NOT_SUBMITTED = "the response was not submitted"
NO_RESPONSE = "the record has no response"
MAYBE_DRAFT = (
    "the record is pending, and this export does not say which responses were submitted: write it with "
    "to_list(flatten=True)"
)
RESPONSES, USERS, STATUS = ".responses", ".responses.users", ".responses.status"

Answers = dict[str, tuple[dict[str, object], str | None, object]]
"""By user: answers by question, status if it is told, and time."""


def read_files(paths: Sequence[Path], options: ImportOptions, report: ImportReport) -> Iterator[ImportedRow]:
    """Labels of all files, a row for each record and user.

    Parameters
    ----------
    paths : sequence of Path
        Records as JSON.
    options : ImportOptions
        Not used.
    report : ImportReport
        Receives what cannot be read, and what was not submitted.
    """
    for path in paths:
        for place, record in json_items(path, report):
            try:
                labels = _record_labels(record, place, report)
            except RowError as error:
                report.add_problem(place, error)
                continue
            for label in labels:
                try:
                    yield label_row(place, label, NAME)
                except RowError as error:
                    report.add_problem(place, error)


def _record_labels(record: Mapping[str, object], place: SourceLocation, report: ImportReport) -> list[ToolLabel]:
    metadata, responses = record.get("metadata"), record.get("responses")
    known = {**record, **metadata} if isinstance(metadata, Mapping) else record
    about = {name: known.get(name) for name in (TRIAL, SHOWN)}
    about[TRIAL] = about[TRIAL] or record.get("external_id") or record.get("id")
    trial = trial_named(about, NAME)
    suggested = bool(record.get("suggestions")) or any(name.endswith(".suggestion") for name in record)
    given = _flat_answers(record)
    if isinstance(responses, Mapping):
        given = _nested_answers(responses)
    elif isinstance(responses, list):
        given = _server_answers(responses)
    if not given:
        report.add_exclusion(place, NO_RESPONSE)
    labels = []
    for user, (answers, status, at) in given.items():
        if status is None and record.get("status") == "pending":
            report.add_exclusion(place, MAYBE_DRAFT)
        elif status not in (None, SUBMITTED):
            report.add_exclusion(place, NOT_SUBMITTED)
        else:
            label = ToolLabel(trial, user, answers, at, exposure_told(about, suggested=suggested))
            if label.is_answered:
                labels.append(label)
            else:
                report.add_exclusion(place, NO_ANSWER)
    return labels


def _nested_answers(responses: Mapping[str, object]) -> Answers:
    """Responses by question, each with its user, as `Record.to_dict` gives them: without their status."""
    found: Answers = {}
    for question, given in responses.items():
        for each in given if isinstance(given, list) else []:
            if isinstance(each, Mapping):
                user, status = _user_of(each.get("user_id")), each.get("status")
                made = found.setdefault(user, ({}, status if isinstance(status, str) else None, None))
                made[0][question] = single_choice(question, each.get("value"))
    return found


def _flat_answers(record: Mapping[str, object]) -> Answers:
    """Responses in columns, as `to_list(flatten=True)` gives them."""
    found: Answers = {}
    for column, values in record.items():
        question = column.removesuffix(RESPONSES)
        if question == column or not isinstance(values, list):
            continue
        users, states = record.get(question + USERS), record.get(question + STATUS)
        users, states = (part if isinstance(part, list) else [] for part in (users, states))
        for place, value in enumerate(values):
            user = _user_of(users[place] if place < len(users) else None)
            status = str(states[place]) if place < len(states) else None
            found.setdefault(user, ({}, status, None))[0][question] = single_choice(question, value)
    return found


def _server_answers(responses: Sequence[object]) -> Answers:
    """Responses by user, as the server's own records hold them."""
    found: Answers = {}
    for each in responses:
        if not isinstance(each, Mapping):
            continue
        values, status = each.get("values"), each.get("status")
        given = values if isinstance(values, Mapping) else {}
        answers = {
            str(name): single_choice(str(name), value.get("value") if isinstance(value, Mapping) else value)
            for name, value in given.items()
        }
        at = each.get("updated_at") or each.get("inserted_at")
        found[_user_of(each.get("user_id"))] = (answers, status if isinstance(status, str) else None, at)
    return found


def _user_of(value: object) -> str:
    if not isinstance(value, str) or not value.strip() or value == "None":
        raise RowError("a response does not say whose it is ('user_id'): export the records with their users")
    return value.strip()
