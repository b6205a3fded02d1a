"""The rubrics by name and edition: `blind` asks for facts, `informed` for pass or fail.

A judge keeps the edition of its stored verdicts; a judge without any gets the newest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gnomon.data.errors import UnknownNameError
from gnomon.judging.rubrics.blind import BlindRubric, current_blind_rubric
from gnomon.judging.rubrics.first_blind import FirstBlindRubric, first_blind_rubric
from gnomon.judging.rubrics.first_informed import FirstInformedRubric, first_informed_rubric
from gnomon.judging.rubrics.informed import InformedRubric, current_informed_rubric

AnyRubric = BlindRubric | InformedRubric | FirstBlindRubric | FirstInformedRubric

RUBRICS: Mapping[str, Mapping[int, Callable[[], AnyRubric]]] = {
    "blind": {1: first_blind_rubric, 2: current_blind_rubric},
    "informed": {1: first_informed_rubric, 2: current_informed_rubric},
}
EDITIONS = (2, 1)
"""The editions of every rubric, newest first."""


def rubric_named(name: str, edition: int = EDITIONS[0]) -> AnyRubric:
    """The rubric with the name `name`, asking for the facts that are registered now.

    Parameters
    ----------
    name : str
        Name of the rubric.
    edition : int
        Its edition; by default the newest.

    Raises
    ------
    UnknownNameError
        If there is none; the message lists the known names or editions.
    """
    if name not in RUBRICS:
        raise UnknownNameError(f"rubric '{name}' is not known: choose from {', '.join(RUBRICS)}")
    if edition not in RUBRICS[name]:
        raise UnknownNameError(
            f"edition {edition} of rubric '{name}' is not known: choose from {', '.join(map(str, RUBRICS[name]))}"
        )
    return RUBRICS[name][edition]()
