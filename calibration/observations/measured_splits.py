"""The splits on which judges are measured without a look at the test split: one rule for all that is not the audit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from gnomon.data.records import IMPORTED, LEARNED, Split


class JudgeLearning(Protocol):
    """A judge version that says whether it learnt from the study's labels."""

    @property
    def learns_from_labels(self) -> bool:
        """Whether it was trained on labels of the train split, or shows them as examples."""


def learns_from_labels(kind: str, config: Mapping[str, object]) -> bool:
    """Whether a judge version was trained on labels of the train split, or shows them as examples.

    An imported judge learnt elsewhere, where the study's splits have no meaning.

    Parameters
    ----------
    kind : str
        Kind of the judge.
    config : mapping of str to JSON value
        What else determines its verdicts.
    """
    return kind == LEARNED or (kind != IMPORTED and bool(config.get("examples")))


def splits_before_test(*judges: JudgeLearning) -> tuple[str, ...]:
    """Splits on which judges are measured together: dev, and train if none of them learnt from it; never test."""
    learnt = any(judge.learns_from_labels for judge in judges)
    return (str(Split.DEV),) if learnt else (str(Split.TRAIN), str(Split.DEV))
