"""The published sweeps, trial counts by cell, as cells that a fit reads (`data/published/qwen_sweep_cells.csv`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gnomon.data.bundled import HERE
from gnomon.stats.cells.aggregation import CellCounts
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame

FILE = HERE / "published" / "qwen_sweep_cells.csv"
LAYERS = {"3B": 36, "7B": 28, "14B": 48, "32B": 64}
CLASSES = (REFUSED, EVENT, REST)


def published_sweep(subjects: Sequence[str], span: str, file: Path = FILE, *, with_depth: bool = True) -> CellCounts:
    """Counts of some subjects with one span: injected ones by concept, layer and strength; controls by subject.

    Parameters
    ----------
    subjects : sequence of str
        Sizes as the study writes them, "3B" to "32B".
    span : str
        "all" or "generation".
    file : Path, default FILE
        A table of the same columns.
    with_depth : bool, default True
        Whether the layers' depths are known, as they are not in many imported studies.
    """
    table = pd.read_csv(file)
    table = table[table["span"] == span]
    rows, counts = [], []
    for size in subjects:
        mine = table[table["subject"].str.contains(f"-{size}-")]
        own: dict[str, object] = {"subject": size, "parameters": float(size[:-1]) * 1e9, "span": span}
        quiet = mine[mine["arm"] == "control"][["passed", "failed"]].sum()
        rows.append({**own, "arm": "control"})
        counts.append([0, int(quiet["failed"]), int(quiet["passed"])])
        injected = mine[mine["arm"] == "injection"]
        for concept, layer, strength, hit, miss in injected[
            ["concept", "layer", "strength", "passed", "failed"]
        ].itertuples(index=False):
            place = {"layer": layer, **({"depth": layer / LAYERS[size]} if with_depth else {})}
            rows.append({**own, "arm": "injection", "concept": concept, "strength": strength, **place})
            counts.append([0, int(hit), int(miss)])
    return CellCounts(cell_frame(rows), CLASSES, pd.DataFrame(counts).to_numpy())
