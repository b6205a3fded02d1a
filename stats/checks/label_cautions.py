"""Cautions on the labels of a corrected fit: declared a random sample, chosen by verdicts in fact."""

from __future__ import annotations

from sqlalchemy import select

from gnomon.calibration.audit.narrative import nonrandom_sentence
from gnomon.calibration.error_rates.label_randomness import compare_labelled, declares_choice, significant_choices
from gnomon.calibration.results.error_rates import NonrandomLabels
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import labels as label_table
from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.model.judge_confusion import arms_present


def label_cautions(store: Store, patterns: VerdictPatternCells) -> list[str]:
    """A sentence for each arm whose labels are declared random and depend on a judge's verdicts.

    The comparison is that of `label_randomness.nonrandom_labels`, corrected for all judges and arms; of several judges
    the one with the smallest p-value is told. The fit conditions on verdicts and is right where nothing else chose the
    labels.

    Parameters
    ----------
    store : Store
        Store of the study, for the strata that its labels declare.
    patterns : VerdictPatternCells
        What the fit is made from.
    """
    declared = store.read_frame(select(label_table.c.stratum, label_table.c.probability).distinct())
    if declares_choice(declared) or EVENT not in patterns.classes:
        return []
    checks = [each for arm in arms_present(patterns) for each in _compare_judges(patterns, arm)]
    found = sorted(significant_choices(checks), key=lambda each: each.p_value)
    worst = [next((each for each in found if each.arm == arm), None) for arm in arms_present(patterns)]
    sentences = [nonrandom_sentence(each) for each in worst if each is not None]
    return [f"{sentence[:1].upper()}{sentence[1:]}." for sentence in sentences]


def _compare_judges(patterns: VerdictPatternCells, arm: str) -> list[NonrandomLabels]:
    here = (patterns.frame["arm"] == arm).to_numpy()[patterns.cell]
    event = patterns.classes.index(EVENT)
    found = []
    for said in patterns.verdict.T:
        parts = []
        for known in (patterns.label >= 0, patterns.label < 0):
            rows = here & known & (said >= 0)
            parts.append((int(patterns.count[rows & (said == event)].sum()), int(patterns.count[rows].sum())))
        found.append(compare_labelled(arm, *parts))
    return found
