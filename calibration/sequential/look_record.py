"""The recorded looks at the test split: one for each state of its labels, verdicts and rules, however often shown.

Opening a page, a report or `gnomon calibrate` again on what has been seen shows nothing new, and nobody can choose by
it; what can be chosen by is a number on other labels, other verdicts (a new judge version among them) or other rules.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from gnomon.calibration.error_rates.confusion import spoken_versions
from gnomon.calibration.labels.views import label_events
from gnomon.calibration.observations.frames import verdict_frame
from gnomon.data.facts import CORE_FACTS, PASSED, further_names
from gnomon.data.records import Split, canonical_hash
from gnomon.data.storage.engines import is_read_only
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

LOOK = "test_split_look"
STATE = "state"
"""Key of a look's detail: hash of what was seen. Looks that were recorded before there was one count one each."""
_LABEL = ("trial", "rater", "role", "revision", "kind", "exposure", "withdrawn", "counts", *CORE_FACTS, PASSED)


def count_test_looks(store: Store) -> int:
    """Number of times that judges were measured on labels of the test split with something new to see."""
    return len(store.event_details(LOOK))


def record_look(store: Store, detail: Mapping[str, object]) -> int:
    """Record a look at the test split, unless its labels, verdicts and rules are those of an earlier look.

    Parameters
    ----------
    store : Store
        Store of the study.
    detail : mapping of str to object
        Who looked, in JSON values: label views, judges and number of labels.

    Returns
    -------
    int
        Looks so far. One that a read-only study cannot keep is among them.
    """
    state, looks = state_of_test_split(store), store.event_details(LOOK)
    if any(look.get(STATE) == state for look in looks):
        return len(looks)
    if not is_read_only(store.engine):
        store.log_event(LOOK, {**detail, STATE: state})
    return len(looks) + 1


def state_of_test_split(store: Store) -> str:
    """Hash of all labels on trials of the test split, all verdicts on these trials, and the rules that read them.

    Neither the label view nor the judges that are looked at matter: views and judges of one state are one look.

    Parameters
    ----------
    store : Store
        Store of the study.
    """
    labels = label_events(store, "everyone")
    labels = labels[labels["split"] == str(Split.TEST)]
    trials = sorted(labels["trial"].unique().tolist())
    verdicts = verdict_frame(store, spoken_versions(store), trials)
    settings = load_settings(store)
    return canonical_hash(
        {
            "labels": _sorted_rows(labels[[*_LABEL, *further_names()]]),
            "verdicts": _sorted_rows(verdicts),
            "rules": [settings.rule, str(settings.truth)],
        }
    )


def _sorted_rows(frame: pd.DataFrame) -> list[list[str]]:
    return sorted([str(value) for value in row] for row in frame.itertuples(index=False, name=None))
