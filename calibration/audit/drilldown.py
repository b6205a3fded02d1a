"""The transcripts behind a figure of the audit: of a cell of what was taken for what, or of two who differ."""

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
    judge : str
        Name or version.
    view : {"blind", "first", "current"}
        Which labels count.
    arm, truth, verdict : str
        The cell: `truth` is the class by label, `verdict` the class by the judge (`confusion.CLASSES`).

    Raises
    ------
    UnknownNameError
        Where no verdict of that judge is stored, or the view is not known.
    """
    version = str(judge_frame(store, [judge])["version"].iloc[0])
    pairs = collect_evidence(store, [version], view)[0].pairs
    by_label, by_judge = both_classes(pairs)
    return sorted(pairs.loc[(pairs["arm"] == arm) & (by_label == truth) & (by_judge == verdict), "trial"])


def trials_where_they_disagree(store: Store, view: str, one: tuple[str, str], other: tuple[str, str]) -> list[str]:
    """Ids of the trials that two both read with different outcomes, of those that `matrix.pair_agreement` counts.

    Parameters
    ----------
    store : Store
    view : {"blind", "first", "current"}
        Which labels of raters count.
    one, other : (kind, name)
        As columns of `matrix.readings`: ("judge", name) or ("rater", name).

    Raises
    ------
    UnknownNameError
        Where one of them read nothing in this view.
    """
    judges = judge_frame(store)
    wide = reading_table(judges, judged_trials(store, judges["version"].tolist()), rater_labels(store, view))
    for kind, name in (one, other):
        if (kind, name) not in wide.columns:
            raise UnknownNameError(f"{kind} '{name}': read nothing in the {view} view: open the cell from Judges again")
    both = wide[[one, other]].dropna()
    return [str(trial) for trial in both.index[both[one] != both[other]]]
