"""Labels that leave the class open: a rater says of a fact that either answer would be right.

Such a label names a set of classes. It is a coarsened observation: its likelihood is the sum over the set. That is
right where raters leave a trial open as often whichever class of the set is its own (coarsened at random: Heitjan and
Rubin 1991, Annals of Statistics 19, 2244-2253). A label that names every class of its arm says nothing and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gnomon.calibration.labels.undecided_facts import DECIDES, label_readings
from gnomon.calibration.labels.views import reference_labels_of
from gnomon.calibration.observations.frames import facts_of_rows
from gnomon.data.outcomes import OutcomeRule
from gnomon.data.raters import TruthRule
from gnomon.data.records import Arm, Facts, RaterRole
from gnomon.stats.cells.outcome_classes import CLASSES, REST, is_class_possible, outcome_class

ClassSet = tuple[str, ...]
"""Classes that a label leaves open, in the order of `CLASSES`; empty for no such label."""
NO_SET = -1


@dataclass(frozen=True)
class OpenLabels:
    """Labels of rows that name a set of classes.

    Attributes
    ----------
    sets : ndarray of bool, shape (G, K)
        The sets that occur.
    label : ndarray of int, shape (rows,)
        The set that holds the truth of a row's trials for certain (an adjudicator said so, or labels are exact); -1 for
        none.
    ratings : ndarray of int, shape (rows, H)
        The set that each rater named; -1 for none.
    """

    sets: np.ndarray
    label: np.ndarray
    ratings: np.ndarray

    @property
    def there(self) -> np.ndarray:
        """Rows with such a label, shape (rows,)."""
        return np.asarray((self.label != NO_SET) | (self.ratings != NO_SET).any(axis=1))

    def with_silent_rows(self, many: int) -> OpenLabels:
        """The same with `many` further rows that have no such label."""
        return OpenLabels(
            self.sets,
            np.concatenate([self.label, np.full(many, NO_SET)]),
            np.concatenate([self.ratings, np.full((many, self.ratings.shape[1]), NO_SET)]),
        )

    def made_exact(self) -> OpenLabels:
        """The same where raters are never wrong: each row's first set is where its truth lies."""
        first = self.label.copy()
        for column in self.ratings.T:
            first = np.where(first == NO_SET, column, first)
        return OpenLabels(self.sets, first, np.zeros((len(first), 0), dtype=np.int64))


@dataclass(frozen=True)
class OpenLabelSets:
    """Labels of one view that leave the class open, by trial: the set that holds its truth, and each rater's set."""

    exact: Mapping[str, ClassSet]
    by_rater: Mapping[str, Mapping[str, ClassSet]]
    frame: pd.DataFrame
    """The labels of which these are."""

    @property
    def trials(self) -> set[str]:
        """Trials with such a label."""
        return {*self.exact, *self.by_rater}


def open_label_sets(labels: pd.DataFrame, truth: TruthRule, rule: OutcomeRule) -> OpenLabelSets:
    """The labels that leave the class open and yet exclude some.

    Where raters are voices, each rater's set is one more opinion, and an adjudicator's holds the truth unless another
    adjudicator decides. Otherwise the study's rule for the truth picks one of a trial's open labels, if none of its
    labels decides.

    Parameters
    ----------
    labels : pandas.DataFrame
        Labels of one view (`rater_labels`).
    truth : TruthRule
        The study's rule for the truth of its labels.
    rule : OutcomeRule
        The study's outcome rule.
    """
    if DECIDES not in labels or labels[DECIDES].all():
        return OpenLabelSets({}, {}, labels.iloc[:0])
    open_ = labels[~labels[DECIDES].astype(bool)]
    sets = pd.Series(list(_class_sets(open_, rule)), index=open_.index, dtype=object)
    open_ = open_.assign(classes=sets)[sets.map(bool).astype(bool)]
    decided = labels[labels[DECIDES].astype(bool)]
    final = open_["role"] == str(RaterRole.ADJUDICATOR)
    if truth.keeps_voices:
        settled = set(decided.loc[decided["role"] == str(RaterRole.ADJUDICATOR), "trial"])
        exact = open_[final & ~open_["trial"].isin(settled)].sort_values(["trial", "since", "rater"])
        told = open_[~final]
    else:
        alone = open_[~open_["trial"].isin(set(decided["trial"]))]
        exact, told = reference_labels_of(alone.drop(columns=DECIDES), truth), open_.iloc[:0]
    by_rater: dict[str, dict[str, ClassSet]] = {}
    for trial, rater, classes in zip(told["trial"], told["rater"], told["classes"], strict=True):
        by_rater.setdefault(str(trial), {})[str(rater)] = classes
    first = exact.drop_duplicates("trial")
    used = open_[open_["trial"].isin({*first["trial"], *by_rater})]
    return OpenLabelSets(dict(zip(first["trial"], first["classes"], strict=True)), by_rater, used)


def _class_sets(open_: pd.DataFrame, rule: OutcomeRule) -> Iterator[ClassSet]:
    """The classes of each label under every answer that its rater calls right; none where these are all of the arm."""
    columns = (open_["undecided"], open_["target"], open_["arm"])
    for facts, undecided, target, arm in zip(facts_of_rows(open_, rule.reads), *columns, strict=True):
        own = target if isinstance(target, str) else None
        found = _classes_of(label_readings(facts, undecided, own), rule, Arm(arm), own)
        yield () if found >= possible_classes(CLASSES, str(arm)) else tuple(one for one in CLASSES if one in found)


def _classes_of(readings: Iterable[Facts], rule: OutcomeRule, arm: Arm, target: str | None) -> set[str]:
    return {outcome_class(rule(each, arm, target), arm) for each in readings}


def possible_classes(known: Iterable[str], arm: str) -> set[str]:
    """Those of some classes that trials of an arm can be of.

    Parameters
    ----------
    known : iterable of str
        The classes.
    arm : str
        The arm.
    """
    return {name for name in known if is_class_possible(name, Arm(arm))}


def set_reader(known: tuple[str, ...]) -> Callable[[ClassSet, str], ClassSet]:
    """The function from a set and an arm to the set among the classes of a model; empty where it names all of them.

    A class that no source reports is part of the rest, as everywhere in the model.
    """

    def read(classes: ClassSet, arm: str) -> ClassSet:
        told = {one if one in known else REST for one in classes}
        if not told or told >= possible_classes(known, arm):
            return ()
        return tuple(one for one in known if one in told)

    return read
