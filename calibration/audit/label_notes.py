"""What somebody who brings in labels must know of them: who gave them, where they disagree, how they were chosen."""

from __future__ import annotations

from gnomon.calibration.audit.narrative import nonrandom_sentence
from gnomon.calibration.error_rates.confusion import collect_evidence
from gnomon.calibration.error_rates.label_randomness import nonrandom_labels
from gnomon.calibration.labels.truth_summary import summarize_truth
from gnomon.calibration.observations.frames import judge_frame
from gnomon.calibration.results.error_rates import NonrandomLabels
from gnomon.data.records import Split
from gnomon.data.storage.store import Store


def label_notes(store: Store, view: str) -> list[str]:
    """Sentences on the labels of a view: machines among the raters, disagreements, labels chosen by verdicts.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    """
    truth = summarize_truth(store, view)
    told = [f"raters: {truth.words}"] if truth.needs_telling else []
    return [*told, *(f"caution: {nonrandom_sentence(each)}" for each in _chosen_by_verdicts(store, view))]


def _chosen_by_verdicts(store: Store, view: str) -> list[NonrandomLabels]:
    """For each arm the clearest sign, over all judges and splits, that verdicts chose its labels."""
    versions = judge_frame(store)["version"].tolist()
    every = collect_evidence(store, versions, view, splits=[str(split) for split in Split])
    checks = [check for found in every for check in nonrandom_labels(found.pairs, found.judged)]
    first: dict[str, NonrandomLabels] = {}
    for check in sorted(checks, key=lambda each: each.p_value):
        first.setdefault(check.arm, check)
    return list(first.values())
