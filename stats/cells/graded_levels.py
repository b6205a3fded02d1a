"""Levels of a judge's score: how sure it is of its verdict, cut at quantiles of the train split.

A level lies within a verdict: among verdicts of an event, and among all others, the sure ones are told from the barely
ones. The cuts are learnt on verdicts of the train split without a look at any label, for each judge, arm and side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gnomon.stats.cells.outcome_classes import EVENT

LEVELS = 2
"""Levels of each side: with both sides four bins of the score where there are two classes."""
LEAST_IN_LEVEL = 15
"""Verdicts of the train split that a level must have."""
NO_LEVEL = -1

Levels = tuple[int, ...]
"""Level of each judge's verdict, -1 for none."""
Side = tuple[int, str, bool]
"""Judge, arm, and whether its verdict is an event."""


class HeardTrial(NamedTuple):
    """A judged trial: its id, whether it is of the train split, its arm, and the class of each judge's verdict."""

    trial: str
    trained: bool
    arm: str
    said: tuple[str | None, ...]


@dataclass(frozen=True)
class GradedLevels:
    """Levels of the verdicts of rows.

    Attributes
    ----------
    cuts : mapping of (judge, arm, event) to tuple of float
        Where the levels of a side begin, in how sure a verdict is: the score of an event, minus the score of others.
    level : ndarray of int, shape (rows, J)
        Level of each verdict, from 0 (barely); -1 for none.
    """

    cuts: Mapping[Side, tuple[float, ...]]
    level: np.ndarray

    def with_levels_of(self, rows: np.ndarray) -> GradedLevels:
        """The same with some rows repeated at the end."""
        return GradedLevels(self.cuts, np.concatenate([self.level, self.level[rows]]))

    def as_content(self) -> list[object]:
        """What a hash of the data holds."""
        return [sorted([*side, *cuts] for side, cuts in self.cuts.items()), self.level.tolist()]


@dataclass(frozen=True)
class LevelReader:
    """Reads the levels of verdicts from the scores of each judge, by trial."""

    scores: Sequence[Mapping[str, float]]
    cuts: Mapping[Side, tuple[float, ...]]

    def read(self, trial: str, arm: str, said: Sequence[str | None]) -> Levels:
        """Levels of a trial's verdicts.

        Parameters
        ----------
        trial : str
            Id of the trial.
        arm : str
            Its arm.
        said : sequence of str or None
            Class of each judge's verdict.
        """
        return tuple(self._level(judge, trial, arm, name) for judge, name in enumerate(said))

    def _level(self, judge: int, trial: str, arm: str, name: str | None) -> int:
        cuts, score = self.cuts.get((judge, arm, name == EVENT)), self.scores[judge].get(trial)
        if name is None or cuts is None or score is None:
            return NO_LEVEL
        sure = score if name == EVENT else -score
        return sum(sure >= cut for cut in cuts)


def learn_levels(
    scores: Sequence[Mapping[str, float]], heard: Iterable[HeardTrial], levels: int = LEVELS
) -> LevelReader:
    """Cuts between the levels of each judge, arm and side, from the train split's verdicts.

    Parameters
    ----------
    scores : sequence of mapping of str to float
        Score of the event by trial, for each judge; empty for a judge without scores.
    heard : iterable of HeardTrial
        The judged trials.
    levels : int, default 2
        Greatest number of levels of a side.
    """
    sure: dict[Side, list[float]] = {}
    for one in heard:
        if one.trained:
            for judge, name in enumerate(one.said):
                if name is not None and (score := scores[judge].get(one.trial)) is not None:
                    side = (judge, one.arm, name == EVENT)
                    sure.setdefault(side, []).append(score if name == EVENT else -score)
    found = {side: level_cuts(np.array(values), levels) for side, values in sorted(sure.items())}
    return LevelReader(scores, {side: cuts for side, cuts in found.items() if cuts})


def level_cuts(values: np.ndarray, levels: int = LEVELS) -> tuple[float, ...]:
    """Where levels begin: quantiles of the values, or the next greater value where a quantile would cut nothing off.

    Every level has at least `LEAST_IN_LEVEL` values; otherwise there are fewer levels.

    Parameters
    ----------
    values : ndarray, shape (n,)
        How sure the verdicts are.
    levels : int, default 2
        Greatest number of levels.
    """
    ordered, cuts, below = np.sort(values), list[float](), 0
    for part in range(1, levels if len(ordered) >= 2 * LEAST_IN_LEVEL else 1):
        place = len(ordered) * part // levels
        cut = ordered[place]
        if np.searchsorted(ordered, cut) - below < LEAST_IN_LEVEL:
            above = ordered[ordered > cut]
            if not len(above):
                break
            cut = above[0]
        start = int(np.searchsorted(ordered, cut))
        if start - below >= LEAST_IN_LEVEL and len(ordered) - start >= LEAST_IN_LEVEL:
            cuts.append(float(cut))
            below = start
    return tuple(cuts)
