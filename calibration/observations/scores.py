"""What judges that grade gave beside their verdicts, unrounded."""

from __future__ import annotations

import pandas as pd
from sqlalchemy import select

from gnomon.calibration.observations.frames import is_readable
from gnomon.data.records import VerdictState
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import trials, verdicts


def score_frame(store: Store, version: str) -> pd.DataFrame:
    """Scores of the first verdict of one judge version on each answered trial of the design that has any.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.

    Returns
    -------
    pandas.DataFrame
        One row per trial, in the order of trial ids: trial, and one column for each name of a score; NaN where a trial
        has no such score.
    """
    query = (
        select(verdicts.c.trial, verdicts.c.scores)
        .join(trials, trials.c.id == verdicts.c.trial)
        .where(
            verdicts.c.judge == version,
            verdicts.c.sample == 0,
            verdicts.c.state == str(VerdictState.OK),
            verdicts.c.scores.is_not(None),
            *is_readable(store),
        )
        .order_by(verdicts.c.trial)
    )
    rows = store.read_frame(query)
    scores = pd.DataFrame(rows["scores"].tolist(), index=rows.index, dtype=float)
    return pd.concat([rows[["trial"]], scores], axis=1)
