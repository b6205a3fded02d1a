"""Trial ids behind an audit figure: a cell of the confusion matrix, or the disagreements of a pair."""

from __future__ import annotations

from gnomon.calibration.agreement.pairwise import reading_table
from gnomon.calibration.error_rates.confusion import both_classes, collect_evidence, judged_trials
from gnomon.calibration.labels.views import rater_labels
from gnomon.calibration.observations.frames import judge_frame
from gnomon.data.errors import UnknownNameError
from gnomon.data.storage.store import Store


def trials_in_confusion_cell(store: Store, judge: str, view: str, *, arm: str, truth: str, verdict: str) -> list[str]:
    """Ids of the labelled trials that one cell of `confusion.class_table` counts, in order.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str
        Name or version of the judge.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    arm : str
        Arm of the cell.
    truth : str
        Class by label, one of `confusion.CLASSES`.
    verdict : str
        Class by verdict, one of `confusion.CLASSES`.

    Raises
    ------
    UnknownNameError
        If no verdict of that judge is stored, or the view is not known.
    """
    version = str(judge_frame(store, [judge])["version"].iloc[0])
    pairs = collect_evidence(store, [version], view)[0].pairs
    by_label, by_judge = both_classes(pairs)
    return sorted(pairs.loc[(pairs["arm"] == arm) & (by_label == truth) & (by_judge == verdict), "trial"])


def trials_where_they_disagree(store: Store, view: str, one: tuple[str, str], other: tuple[str, str]) -> list[str]:
    """Ids of the trials that two judges or raters both read with different outcomes (`pairwise.pair_agreement` counts
    them).

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    one : (str, str)
        Kind ("judge", "rater", "model" or "rule") and name.
    other : (str, str)
        Kind and name of the second.

    Raises
    ------
    UnknownNameError
        If one of them read nothing in this view.
    """
    judges = judge_frame(store)
    labels = rater_labels(store, view, "everyone")
    wide = reading_table(judges, judged_trials(store, judges["version"].tolist()), labels)
    for kind, name in (one, other):
        if (kind, name) not in wide.columns:
            raise UnknownNameError(f"{kind} '{name}': read nothing in the {view} view: open the cell from Judges again")
    both = wide[[one, other]].dropna()
    return [str(trial) for trial in both.index[both[one] != both[other]]]
