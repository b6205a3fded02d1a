"""Two judge versions of a study on the same labelled trials: differences, tests, and the trials that changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from gnomon.calibration.comparison.compared_versions import (
    find_version,
    related_versions,
    versions_with_verdicts,
)
from gnomon.calibration.comparison.comparison_results import (
    ArmComparison,
    ChangedItem,
    ComparedJudge,
    RubricComparison,
    TriedVersion,
)
from gnomon.calibration.comparison.comparison_sentences import comparison_sentences
from gnomon.calibration.comparison.labelled_readings import labelled_readings, outcome_column, said_column
from gnomon.calibration.comparison.paired_errors import PairedReadings, compare_arms, paired_test, readings_of
from gnomon.calibration.error_rates.confusion import Reading
from gnomon.calibration.labels.views import reference_labels
from gnomon.calibration.numerics.multiple_testing import holm_adjusted
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

WHOLE = "accuracy"
BY_CLASS = ("sensitivity", "specificity")
_PPlace = tuple[str, str | None, str]


def compare_rubrics(
    store: Store, a: str, b: str, *, view: str | None = None, reading: Reading = "event", confidence: float = 0.95
) -> RubricComparison:
    """Compare two judge versions on the labelled trials that both read.

    Estimands: for each arm and for all together, the second judge's sensitivity, specificity, accuracy, Youden's J and
    kappa with the label, minus the first's, among trials like those that both read. Assumes that labels are the truth
    and trials are independent; labels chosen with unequal probabilities are weighted back
    (`confusion.inverse_inclusion_weights`). Tests: McNemar's, exact. The primary test is that of accuracy in all arms
    together, adjusted by Holm's method over all versions of these judges (and of judges with one of their models) that
    read labelled trials, each against the first; sensitivity and specificity by arm are adjusted over those versions
    and all such tests. Trials are those of the dev split, and of train if neither judge learnt from labels; never test.

    Parameters
    ----------
    store : Store
        Store of the study.
    a, b : str
        Names, versions or beginnings of versions: what there was, and what is to be better.
    view : str, optional
        Label view, by default the study's.
    reading : {"event", "passed"}, default "event"
        What is compared.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.

    Raises
    ------
    UnknownNameError
        If no verdict of a judge is stored.
    InputError
        If both are the same version.
    NotEnoughDataError
        If both read no labelled trial of these splits in common.
    """
    known = versions_with_verdicts(store)
    first, second = find_version(known, a), find_version(known, b)
    if first.version == second.version:
        raise InputError(f"judges '{a}' and '{b}' are the same version {first.version[:12]}: name two to compare")
    view = view or load_settings(store).label_view
    others = related_versions(known, first, second)
    splits = splits_before_test(first, second)
    rows = labelled_readings(store, [judge.version for judge in (first, second, *others)], view, splits, reading)
    both = _rows_of_pair(rows, first, second)
    if not len(both):
        raise NotEnoughDataError(
            f"judges '{a}' and '{b}': no labelled trial of {' and '.join(splits)} that both read ({view} labels): "
            "label some, or run 'gnomon judge DIR --compare' on both"
        )
    tried = [judge for judge in others if len(_rows_of_pair(rows, first, judge))]
    arms = _adjusted(compare_arms(both, confidence=confidence), _family_tests(rows, first, [second, *tried]), second)
    found = RubricComparison(
        a=first,
        b=second,
        view=view,
        reading=reading,
        splits=splits,
        labelled=len(both),
        only_one_read=int(
            (rows[said_column(first.version)].notna() != rows[said_column(second.version)].notna()).sum()
        ),
        tried=tuple(_tried_version(rows, first, judge) for judge in tried),
        family=1 + len(tried),
        arms=arms,
        changed=_changed_items(both),
    )
    return found.model_copy(update={"words": comparison_sentences(found)})


def _only_one_read(rows: pd.DataFrame, a: ComparedJudge, b: ComparedJudge) -> int:
    first, second = (rows[said_column(judge.version)].notna() for judge in (a, b))
    return int((first != second).sum())


def _rows_of_pair(rows: pd.DataFrame, a: ComparedJudge, b: ComparedJudge) -> pd.DataFrame:
    """Labelled trials that both read, in the columns of `compare_arms`, with both outcomes."""
    both = rows.dropna(subset=[said_column(a.version), said_column(b.version)])
    renamed = {"a": both[said_column(a.version)].astype(bool), "b": both[said_column(b.version)].astype(bool)}
    outcomes = {"outcome_a": both[outcome_column(a.version)], "outcome_b": both[outcome_column(b.version)]}
    return both[["trial", "arm", "split", "label", "truth", "weight"]].assign(**renamed, **outcomes)


def _family_tests(rows: pd.DataFrame, first: ComparedJudge, others: Sequence[ComparedJudge]) -> dict[_PPlace, float]:
    """Exact p-values of every version against the first, by version, arm (None for all) and measure."""
    found: dict[_PPlace, float] = {}
    for judge in others:
        pair = _rows_of_pair(rows, first, judge)
        found[judge.version, None, WHOLE] = paired_test(readings_of(pair)).exact
        for arm, part in pair.groupby("arm"):
            read = readings_of(part)
            for measure, chosen in zip(BY_CLASS, (read.truth, ~read.truth), strict=True):
                if chosen.any():
                    found[judge.version, str(arm), measure] = _exact(read.among(chosen))
    return found


def _exact(read: PairedReadings) -> float:
    return paired_test(read).exact


def _adjusted(
    arms: Sequence[ArmComparison], tests: Mapping[_PPlace, float], second: ComparedJudge
) -> tuple[ArmComparison, ...]:
    """The arms with p-values adjusted by Holm's method: accuracy of all arms, and the tests by arm and class."""
    adjusted: dict[_PPlace, float] = {}
    for wanted in ((None,), tuple({place[1] for place in tests} - {None})):
        family = [place for place in tests if place[1] in wanted]
        adjusted |= dict(zip(family, holm_adjusted([tests[place] for place in family]), strict=True))
    return tuple(
        each.model_copy(
            update={
                "measures": tuple(
                    row.model_copy(update={"p_adjusted": adjusted.get((second.version, each.arm, row.measure))})
                    for row in each.measures
                )
            }
        )
        for each in arms
    )


def _tried_version(rows: pd.DataFrame, first: ComparedJudge, judge: ComparedJudge) -> TriedVersion:
    read = readings_of(_rows_of_pair(rows, first, judge))
    counts = read.paired_counts()
    return TriedVersion(
        judge=judge.judge,
        version=judge.version,
        labelled=len(read.truth),
        accuracy_difference=counts.difference,
        p_exact=_exact(read),
    )


def _changed_items(both: pd.DataFrame) -> tuple[ChangedItem, ...]:
    """Trials on which both judges' outcomes differ, those that one of them has wrong first."""
    differ = both[both["outcome_a"] != both["outcome_b"]]
    right = {(True, True): "both", (True, False): "a", (False, True): "b", (False, False): "neither"}
    items = [
        ChangedItem(
            trial=row["trial"],
            arm=row["arm"],
            split=row["split"],
            label=row["label"],
            a=row["outcome_a"],
            b=row["outcome_b"],
            right=right[bool(row["a"] == row["truth"]), bool(row["b"] == row["truth"])],
        )
        for row in differ.to_dict("records")
    ]
    order = ("a", "b", "neither", "both")
    return tuple(sorted(items, key=lambda item: (order.index(item.right), item.arm, item.trial)))


def shared_labels(store: Store, view: str, splits: Sequence[str]) -> list[str]:
    """Ids of the labelled trials that a comparison is made on, in order.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : str
        Label view (`gnomon.calibration.labels.views`).
    splits : sequence of str
        Splits of the comparison (`splits_before_test`).
    """
    labels = reference_labels(store, view)
    return sorted(labels.loc[labels["split"].isin(splits), "trial"])
