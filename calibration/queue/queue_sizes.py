"""How many trials each order of the label queue still holds for one rater, and how many disagreements are settled."""

from __future__ import annotations

from dataclasses import dataclass

from gnomon.calibration.labels.sampling_strata import ADJUDICATE, SECOND
from gnomon.calibration.labels.views import label_events, one_label_reading, rater_disagreements, standing_labels
from gnomon.calibration.queue.label_sampling import queue_state, relabelling_candidates
from gnomon.data.records import LabelKind
from gnomon.data.storage.store import Store


@dataclass(frozen=True, slots=True)
class QueueSizes:
    """Trials that a rater may be given, by order of the queue.

    Attributes
    ----------
    trials : int
        Trials with an answer.
    labelled : int
        Those of them with a standing label of any rater.
    unlabelled : int
        Those without, which this rater has not flagged either.
    disputed : int
        Unlabelled ones on which the judges of the fit reach different outcomes.
    second : int
        Trials that exactly one other rater has labelled and this one has not.
    twice : int
        Trials that two or more raters have labelled.
    disagreements, adjudicated : int
        Trials on which raters reach different outcomes, and those of them that are settled.
    adjudicable : int
        Disagreements that are not settled and on which this rater has said nothing.
    """

    trials: int
    labelled: int
    unlabelled: int
    disputed: int
    second: int
    twice: int
    disagreements: int
    adjudicated: int
    adjudicable: int


@one_label_reading()
def queue_sizes(store: Store, rater: str) -> QueueSizes:
    """Count the trials of each order of the queue; a trial that somebody holds at the moment counts.

    Parameters
    ----------
    store : Store
        Store of the study.
    rater : str
        Name of the rater.
    """
    state, events = queue_state(store), label_events(store)
    labels = standing_labels(events)
    done = set(labels["trial"])
    own = set(
        events.loc[(events["rater"] == rater) & (events["kind"] == str(LabelKind.FLAG)) & ~events["withdrawn"], "trial"]
    )
    unlabelled = [trial for trial in state.trials if trial not in done and trial not in own]
    apart = rater_disagreements(store, "current")
    return QueueSizes(
        trials=len(state.trials),
        labelled=sum(trial in done for trial in state.trials),
        unlabelled=len(unlabelled),
        disputed=sum(trial in state.disputed for trial in unlabelled),
        second=len(relabelling_candidates(store, rater, SECOND)),
        twice=int((labels.groupby("trial")["rater"].nunique() >= 2).sum()),
        disagreements=len(apart),
        adjudicated=int(apart["adjudicated"].sum()),
        adjudicable=len(relabelling_candidates(store, rater, ADJUDICATE)),
    )
