"""The funnel of labels: how many of a study's label events each estimate uses."""

from __future__ import annotations

from gnomon.calibration.labels.views import label_events, standing_labels, true_labels
from gnomon.calibration.observations.frames import MEASURING
from gnomon.calibration.results.label_funnel import LabelFunnel
from gnomon.data.records import Arm
from gnomon.data.storage.store import Store

NET_ARMS = (str(Arm.INJECTION), str(Arm.CONTROL))


def label_funnel(store: Store, view: str) -> LabelFunnel:
    """Counts of labels from all events to the trials that measure net detection in the audit.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    """
    events = label_events(store)
    labels = true_labels(store, view)
    measuring = labels["split"].isin([str(split) for split in MEASURING])
    return LabelFunnel(
        view=view,
        events=len(events),
        trials=standing_labels(events)["trial"].nunique(),
        labelled=len(labels),
        measuring=int(measuring.sum()),
        net_detection=int((measuring & labels["arm"].isin(NET_ARMS)).sum()),
    )
