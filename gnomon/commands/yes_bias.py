"""Bias towards yes: how often a subject says yes to questions whose answer is no, with and without a vector."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.console import format_rate, print_status
from gnomon.data.records import Arm
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import trials
from gnomon.data.yes_no import says_yes


def summarize_yes_bias(store: Store, subject: str) -> dict[str, Any]:
    """Report the share of "yes" answers to questions whose correct answer is no, with and without steering.

    Answers containing neither yes nor no count as not yes.

    Parameters
    ----------
    store : Store
        The study's store.
    subject : str
        Name of the subject.

    Returns
    -------
    dict
        For `steered` and `plain`: counts `yes`, `unclear` and `of`, and `rate` with a 95 % interval (Wilson).
    """
    column = trials.c
    query = select(column.answer, column.strength).where(
        column.subject == subject, column.arm == str(Arm.MISMATCHED), column.error.is_(None)
    )
    rows = store.read_frame(query)
    document = {
        name: _yes_counts(rows.loc[(rows["strength"] != 0) == steered, "answer"].tolist()) for name, steered in KINDS
    }
    parts = [f"{_yes_phrase(document[name])} {words}" for name, words in WORDS if document[name]["of"]]
    if parts:
        print_status(f"{subject}: asked questions whose answer is no, it said yes in {', in '.join(parts)}")
    return document


KINDS = (("steered", True), ("plain", False))
WORDS = (("steered", "with a vector"), ("plain", "without"))


def _yes_counts(answers: list[str]) -> dict[str, Any]:
    read = [says_yes(answer) for answer in answers]
    yes = sum(one is True for one in read)
    rate = wilson_interval(yes, len(read)) if read else None
    figure = None if rate is None else {"value": rate.value, "low": rate.low, "high": rate.high, "level": rate.level}
    return {"yes": yes, "unclear": sum(one is None for one in read), "of": len(read), "rate": figure}


def _yes_phrase(part: dict[str, Any]) -> str:
    rate = part["rate"]
    return f"{part['yes']} of {part['of']} ({format_rate(rate['low'])} to {format_rate(rate['high'])})"
