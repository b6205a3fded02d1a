"""Frame of published counts of tasks: one row for each cell, which stands for many trials."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sqlalchemy import not_, select

from gnomon.calibration.measures.measured_trials import NUMBERS, TEXTS
from gnomon.data.storage.design_scope import report_counts
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import counts, subjects


def measured_counts(store: Store) -> pd.DataFrame:
    """Counts of every task that judges do not read, with the columns of `measured_trials` and one more.

    A row is a cell: `n` is its number of trials, and `correct` the share of them that was right. `chance` is what the
    source says of guessing, `k` the number of options that it follows from, and `item` the source's protocol.

    Parameters
    ----------
    store : Store
        The study's store.

    Returns
    -------
    DataFrame
        With the columns `TEXTS`, `NUMBERS` and `n`; no row where nothing was counted.
    """
    query = select(counts, subjects.c.parameters).join(subjects, subjects.c.name == counts.c.subject)
    order = (counts.c.subject, counts.c.measure, counts.c.arm, counts.c.cell)
    rows = store.read_frame(query.where(not_(report_counts())).order_by(*order))
    made = pd.DataFrame(index=rows.index, columns=[*TEXTS, *NUMBERS], dtype=object)
    for name in ("subject", "arm", "concept", "span", "protocol", "parameters", "layer", "depth", "strength", "chance"):
        made[name] = rows[name]
    chance = rows["chance"].astype(float)
    made["trial"], made["task"], made["item"] = rows["cell"], rows["measure"], rows["protocol"]
    made["k"] = (1 / chance).round()
    made["correct"] = rows["event"] / rows["n"]
    texts = {name: made[name].astype(object).where(made[name].notna(), None) for name in TEXTS}
    numbers = {name: pd.to_numeric(made[name]).astype(float) for name in NUMBERS}
    return pd.DataFrame({**texts, **numbers, "n": rows["n"].astype(np.int64)})
