"""The history of a score: what the scorer gave first, and what people made of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIELDS = ("value", "answer", "explanation", "metadata")
UNCHANGED = "UNCHANGED"
NO_AUTHOR = "inspect-editor"
"""Rater of an edit whose author is not named."""

ScoreState = dict[str, object]


@dataclass(frozen=True, slots=True)
class ScoreEditing:
    """A person's edit of a score.

    Attributes
    ----------
    author, at, reason : str, object, str
        Who edited it, when, and why.
    state : dict
        The score as the person left it. Its metadata are those that the edit gave: the scorer's own say nothing of a
        value that a person set.
    sets_value : bool
        Whether the edit gave a value, or changed other things only.
    about : mapping of str to object
        Further data that the author gave with the edit.
    """

    author: str
    at: object
    reason: str
    state: ScoreState
    sets_value: bool
    about: Mapping[str, object]


def trace_history(score: Mapping[str, object]) -> tuple[ScoreState | None, list[ScoreEditing]]:
    """The scorer's own score, None if a person added it, and the edits in their order.

    Parameters
    ----------
    score : mapping of str to object
        A score of an Inspect sample, with or without `history`.
    """
    now: ScoreState = {name: score.get(name) for name in FIELDS}
    told = score.get("history")
    history = [entry for entry in told if isinstance(entry, Mapping)] if isinstance(told, list) else []
    if not history:
        return now, []
    first = None if isinstance(history[0].get("provenance"), Mapping) else _changed_state(now, history[0])
    if first is not None and not first["metadata"]:
        first["metadata"] = None  # Inspect's history writes {} where the score has none
    state = first if first is not None else dict.fromkeys(FIELDS)
    edits = []
    for entry in history if first is None else history[1:]:
        state = _changed_state(state, entry)
        known = entry.get("provenance")
        origin = known if isinstance(known, Mapping) else {}
        about, given = origin.get("metadata"), entry.get("metadata", UNCHANGED)
        author, reason = origin.get("author"), origin.get("reason")
        edits.append(
            ScoreEditing(
                author=author if isinstance(author, str) and author.strip() else NO_AUTHOR,
                at=origin.get("timestamp"),
                reason=reason if isinstance(reason, str) else "",
                state={**state, "metadata": None if given == UNCHANGED else given},
                sets_value=entry.get("value", UNCHANGED) != UNCHANGED,
                about=about if isinstance(about, Mapping) else {},
            )
        )
    return first, edits


def _changed_state(before: ScoreState, entry: Mapping[str, object]) -> ScoreState:
    return {name: before[name] if entry.get(name, UNCHANGED) == UNCHANGED else entry[name] for name in FIELDS}
