"""What a study gives its judges: its own labels, the questions that were asked, and the versions that have judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import select

from gnomon.chain.session import OpenStudy
from gnomon.data.facts import CORE_FACTS, facts_from_answers, further_names
from gnomon.data.records import JudgeVersion, Split
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import report_trials
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

if TYPE_CHECKING:
    from gnomon.judging.kinds import LabelledResponse, StudyMaterials


def gather_judge_materials(study: OpenStudy) -> StudyMaterials:
    """What the study gives its judges; labels are read only if a judge shows examples."""
    from gnomon.judging.kinds import StudyMaterials

    questions = asked_questions(study.store)
    has_examples = any(judge.examples for judge in study.file.judges)
    return StudyMaterials(
        labels=_training_labels(study.store, questions) if has_examples else (),
        questions=questions,
        described=study.file.describe,
        stored=stored_judges(study.store),
    )


def stored_judges(store: Store) -> list[JudgeVersion]:
    """The judge versions in a database, oldest first."""
    column = tables.judges.c
    rows = store.read_frame(select(tables.judges).order_by(column.created_at, column.version)).to_dict("records")
    return [JudgeVersion(row["version"], row["name"], row["kind"], row["config"]) for row in rows]


def asked_questions(store: Store) -> dict[str, str]:
    """The last message of the user by the hash of its protocol.

    A protocol that stands in some of the judged arms only is left out: its question would tell a blind judge the arm.
    """
    column = tables.trials.c
    pairs = select(column.protocol, column.arm).where(*report_trials()).distinct()
    arms = store.read_frame(pairs).groupby("protocol")["arm"].agg(frozenset)
    there = frozenset().union(*arms)
    contents = store.read_frame(tables.protocols).set_index("hash")["content"]
    found = {str(hash_): last_question(contents.get(hash_)) for hash_, seen in arms.items() if seen == there}
    return {hash_: question for hash_, question in found.items() if question}


def last_question(content: object) -> str:
    """The user's last message in the content of a stored protocol; "" if it holds none."""
    messages = content.get("messages") if isinstance(content, Mapping) else None
    asked = [
        str(message["content"])
        for message in (messages if isinstance(messages, Sequence) and not isinstance(messages, str) else ())
        if isinstance(message, Mapping) and message.get("role") == "user" and message.get("content")
    ]
    return asked[-1].strip() if asked else ""


def _training_labels(store: Store, questions: Mapping[str, str]) -> list[LabelledResponse]:
    """The study's own reference labels of the train split."""
    from gnomon.calibration.labels.views import reference_labels
    from gnomon.judging.kinds import LabelledResponse

    labels = reference_labels(store, load_settings(store).label_view)
    rows = labels[labels["split"] == str(Split.TRAIN)].set_index("trial")
    names = (*CORE_FACTS, *further_names())
    return [
        LabelledResponse(
            trial.answer,
            facts_from_answers({name: _plain(rows.at[trial.id, name]) for name in names}),
            questions.get(trial.condition.protocol, ""),
        )
        for trial in store.load_trials(list(rows.index))
    ]


def _plain(value: object) -> str | bool | None:
    """A value of a frame as a fact's answer; a missing one is None."""
    if isinstance(value, str):
        return value
    return None if value is None or value != value else bool(value)  # noqa: PLR0124 - NaN
