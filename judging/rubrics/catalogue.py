"""The rubrics by name: `blind` asks for facts, `informed` for pass or fail."""

from __future__ import annotations

from gnomon.data.errors import UnknownNameError
from gnomon.judging.rubrics.blind import BLIND, BlindRubric
from gnomon.judging.rubrics.informed import INFORMED, InformedRubric

AnyRubric = BlindRubric | InformedRubric

RUBRICS: dict[str, AnyRubric] = {BLIND.name: BLIND, INFORMED.name: INFORMED}


def rubric_named(name: str) -> AnyRubric:
    """The rubric with the name `name`.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the known names.
    """
    if name not in RUBRICS:
        raise UnknownNameError(f"rubric '{name}' is not known: choose from {', '.join(RUBRICS)}")
    return RUBRICS[name]
