"""The rubrics by name: `blind` asks for facts, `informed` for pass or fail."""

from __future__ import annotations

from collections.abc import Callable

from gnomon.data.errors import UnknownNameError
from gnomon.judging.rubrics.blind import BlindRubric, current_blind_rubric
from gnomon.judging.rubrics.informed import InformedRubric, current_informed_rubric

AnyRubric = BlindRubric | InformedRubric

RUBRICS: dict[str, Callable[[], AnyRubric]] = {"blind": current_blind_rubric, "informed": current_informed_rubric}


def rubric_named(name: str) -> AnyRubric:
    """The rubric with the name `name`, asking for the facts that are registered now.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the known names.
    """
    if name not in RUBRICS:
        raise UnknownNameError(f"rubric '{name}' is not known: choose from {', '.join(RUBRICS)}")
    return RUBRICS[name]()
