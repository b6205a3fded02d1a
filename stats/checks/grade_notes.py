"""What a fit says of a judge that counts with its scores."""

from __future__ import annotations

from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.inference.hierarchical import GRADED_VERSION


def grade_notes(patterns: VerdictPatternCells) -> str:
    """Sentences on the graded voices of a fit, with the cuts of each judge; empty where there are none.

    Parameters
    ----------
    patterns : VerdictPatternCells
        The study's verdicts and labels.
    """
    if patterns.graded is None:
        return ""
    told: dict[int, list[str]] = {}
    for (judge, arm, event), cuts in sorted(patterns.graded.cuts.items()):
        where = ", ".join(f"{cut if event else -cut:.3g}" for cut in cuts)
        told.setdefault(judge, []).append(f"{arm} {'events from' if event else 'others up to'} {where}")
    judges = "; ".join(f"{patterns.judges[judge]} ({', '.join(sides)})" for judge, sides in told.items())
    return (
        f"Model version {GRADED_VERSION}: verdicts count with how sure they are by their scores, in levels cut at "
        f"quantiles of the train split: {judges}. Assumes that a level depends on truth and verdict through the event "
        "alone, and on no other judge given these."
    )
