"""A study's answers as tasks for labelling tools: the answer and what was asked, nothing that a rater must not see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from sqlalchemy import Connection, select

from gnomon.data.exporters.export_folder import file_hashes, new_folder
from gnomon.data.exporters.exported_trials import ExportedStudy, iter_trials, read_study
from gnomon.data.exporters.registry import ExportReport
from gnomon.data.exporters.tool_questions import ToolQuestion, tool_questions
from gnomon.data.records import NONE, OTHER, Exposure
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

ANSWER, CONVERSATION, TRIAL, SHOWN = "answer", "conversation", "trial", "exposure"
TASKS, CONFIG = "tasks.json", "labels.xml"
RECORDS, SETTINGS = "records.json", "settings.json"
GUIDELINES = (
    "Each record is one answer of a language model. Read it and answer the questions; nothing else is known of it."
)
Settings = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class LabelTask:
    """One answer to be labelled: the trial's id, the answer, and what the model was asked."""

    trial: str
    answer: str
    conversation: str


def export_label_studio(store: Store, folder: Path) -> ExportReport:
    """Write tasks and a labelling interface for Label Studio; `gnomon import label-studio` brings the labels back.

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
    return _export_tasks(store, folder, (TASKS, _studio_task), (CONFIG, _interface), "tasks")


def export_argilla(store: Store, folder: Path) -> ExportReport:
    """Write records and settings for Argilla; `gnomon import argilla` brings the labels back.

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
    return _export_tasks(store, folder, (RECORDS, _argilla_record), (SETTINGS, _argilla_settings), "records")


def _export_tasks(
    store: Store,
    folder: Path,
    listed: tuple[str, Callable[[LabelTask], Settings]],
    asked: tuple[str, Callable[[list[ToolQuestion]], str]],
    counted: str,
) -> ExportReport:
    """Write one file with a document for each answer and one with the questions, each given by name and contents."""
    study = read_study(store)
    with new_folder(folder) as scratch:
        with store.read_transaction() as connection:
            questions = _asked_questions(connection, study)
            count = _write_list(scratch / listed[0], map(listed[1], iter_tasks(connection, study)))
        (scratch / asked[0]).write_text(asked[1](questions), encoding="utf-8")
        files = file_hashes(scratch)
    return ExportReport(folder, {counted: count}, files)


def _studio_task(task: LabelTask) -> Settings:
    about = {TRIAL: task.trial, ANSWER: task.answer, CONVERSATION: task.conversation, SHOWN: Exposure.BLIND}
    return {"data": about}


def _argilla_record(task: LabelTask) -> Settings:
    return {
        "id": task.trial,
        "fields": {ANSWER: task.answer or " ", CONVERSATION: task.conversation or " "},
        "metadata": {TRIAL: task.trial, SHOWN: Exposure.BLIND},
        "suggestions": {},
        "responses": {},
        "vectors": {},
    }


def iter_tasks(connection: Connection, study: ExportedStudy) -> Iterator[LabelTask]:
    """Every answer of a study in the order of the trials' hashes, so that the first of them are a random sample.

    Parameters
    ----------
    connection : Connection
        A transaction that reads.
    study : ExportedStudy
        The study.
    """
    for trial in iter_trials(connection, failed=False, reports_only=True):
        turns = study.questions.get(trial.row.protocol) or []
        asked = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
        yield LabelTask(trial.row.id, trial.row.answer, asked)


def _asked_questions(connection: Connection, study: ExportedStudy) -> list[ToolQuestion]:
    trial = tables.trials.c
    kinds = connection.execute(select(trial.arm, trial.source).distinct()).all()
    concepts = set(connection.execute(select(trial.concept).distinct()).scalars()) | set(study.settings.concepts)
    by_pass = bool(kinds) and all(study.is_generic(kind) for kind in kinds)
    return tool_questions(sorted(concepts - {None, NONE, OTHER}), by_pass=by_pass)


def _write_list(path: Path, documents: Iterable[Settings]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[\n")
        for count, document in enumerate(documents, start=1):
            file.write((",\n" if count > 1 else "") + json.dumps(document, ensure_ascii=False))
        file.write("\n]\n")
    return count


def _interface(questions: list[ToolQuestion]) -> str:
    """Label Studio's labelling configuration."""
    lines = [
        "<View>",
        f'  <Text name="{CONVERSATION}" value="${CONVERSATION}"/>',
        '  <Header value="The answer"/>',
        f'  <Text name="{ANSWER}" value="${ANSWER}"/>',
    ]
    for asked in questions:
        required = ' required="true"' if asked.is_required else ""
        lines.append(f"  <Header value={quoteattr(asked.question)}/>")
        lines.append(f'  <Header value={quoteattr(asked.definition)} size="6"/>')
        lines.append(f'  <Choices name="{asked.name}" toName="{ANSWER}" choice="single-radio"{required}>')
        lines += [f"    <Choice value={quoteattr(word)}/>" for word in asked.answers]
        lines.append("  </Choices>")
    return "\n".join([*lines, "</View>", ""])


def _argilla_settings(questions: list[ToolQuestion]) -> str:
    """Argilla's settings of a dataset, as JSON."""
    fields = [
        {
            "name": name,
            "title": title,
            "required": required,
            "type": "text",
            "settings": {"type": "text", "use_markdown": False},
        }
        for name, title, required in ((CONVERSATION, "What was asked", False), (ANSWER, "The answer", True))
    ]
    asked = [
        {
            "name": each.name,
            "title": each.question,
            "description": each.definition,
            "required": each.is_required,
            "type": "label_selection",
            "settings": {
                "type": "label_selection",
                "options": [{"text": word, "value": word} for word in each.answers],
                "visible_options": None,
            },
        }
        for each in questions
    ]
    settings = {
        "guidelines": GUIDELINES,
        "questions": asked,
        "fields": fields,
        "vectors": [],
        "metadata": [],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }
    return json.dumps(settings, indent=1, ensure_ascii=False) + "\n"
