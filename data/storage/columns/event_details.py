"""What the details of events hold that commands read again, by kind: an event of another kind may say anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DetailPart:
    """One part of an event's detail: its type, as Python and messages call it, and whether it may be missing."""

    type: type
    called: str
    is_optional: bool = False


_TEXT, _OBJECT = DetailPart(str, "text"), DetailPart(dict, "object")
READ_AGAIN: Mapping[str, Mapping[str, DetailPart]] = {
    "environment": {"subject": _TEXT, "environment": _OBJECT},
    "fit_asked_again": {"fit": _TEXT},
    "import": {"new": DetailPart(dict, "object", is_optional=True)},
    "judge_cached": {"version": DetailPart(str, "text", is_optional=True)},
    "judge_run": {"judge": _TEXT, "new": DetailPart(int, "whole number")},
    "judge_wasted": {"version": DetailPart(str, "text", is_optional=True)},
    "prompts": {"subject": _TEXT, "prompts": _OBJECT},
    "settings_changed": {"changed": DetailPart(list, "list", is_optional=True)},
    "subject_files": {"subject": _TEXT},
    "transcript_seen": {"rater": _TEXT, "trial": _TEXT},
}
"""By kind of event, what commands read of its detail."""


def detail_problem(kind: object, detail: object) -> str:
    """What the detail of an event lacks; empty if nothing.

    Parameters
    ----------
    kind : str
        Kind of the event.
    detail : dict of str to object
        Its detail.
    """
    for name, part in READ_AGAIN.get(str(kind), {}).items():
        value = detail.get(name) if isinstance(detail, Mapping) else None
        if type(value) is not part.type and not (part.is_optional and value is None):
            return f"has no {part.called} '{name}'"
    return ""
