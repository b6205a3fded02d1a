"""What the battery's estimates are computed from: measured trials and published counts of tasks, in one frame.

Terminal, page and report take this frame, so that one estimand has one number everywhere.
"""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from gnomon.calibration.measures.measured_counts import measured_counts
from gnomon.calibration.measures.measured_trials import measured_trials
from gnomon.data.arms.battery_measures import BATTERY
from gnomon.data.storage.store import Store


def battery_trials(store: Store, subjects: Collection[str] = (), tasks: Collection[str] = ()) -> pd.DataFrame:
    """Every measured trial of the design as it stands, and every count of a task, of some models and tasks.

    Parameters
    ----------
    store : Store
        The study's store.
    subjects : collection of str
        Names of models; empty for all.
    tasks : collection of str
        Names of tasks; empty for all. Further scores of a task's trials come with it.

    Returns
    -------
    DataFrame
        Columns of `measured_trials` and `n`, the trials that a row stands for.
    """
    trials, counted = measured_trials(store).assign(n=1), measured_counts(store)
    frame = pd.concat([trials, counted], ignore_index=True) if len(counted) else trials
    wanted = {name for name, task in BATTERY.items() if task.asked_in in tasks} | set(tasks)
    kept = pd.Series(True, index=frame.index)
    if subjects:
        kept &= frame["subject"].isin(list(subjects))
    if tasks:
        kept &= frame["task"].isin(list(wanted))
    return frame[kept].reset_index(drop=True)
