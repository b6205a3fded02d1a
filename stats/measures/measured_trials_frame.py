"""The frame of measured trials: one row a trial, what is observed of it on each scale, and its cells.

Knows the columns of `gnomon.calibration.measures` and no estimator. A row may stand for several trials (`n`); its
`correct` is then the share of them that is correct.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import pandas as pd
from scipy.special import expit

from gnomon.data.arms.battery_measures import NO, YES
from gnomon.data.errors import InputError
from gnomon.stats.estimand_registry import CONTROL

Scale = Literal["logit", "probability", "rate"]
"""What is averaged: log-odds of "yes", the probability of the event among the options, or the event itself (0, 1)."""
LOGIT: Final = "logit"
PROBABILITY: Final = "probability"
RATE: Final = "rate"
SHAM = "sham"
NOTICE, UNRELATED_NO, UNRELATED_YES = "notice", "unrelated_no", "unrelated_yes"
REQUIRED = ("subject", "task", "arm", "concept", "layer", "strength", "item", "correct")
NUMBERS = ("parameters", "layer", "depth", "strength", "k", "chance", "correct", "p_correct", "log_odds_yes", "score")
WORDS = ("concept", "item", "expected", "picked", "pair", "span")
CELL = ("layer", "strength")
"""Axes of a cell: a dose at a place."""


def checked_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with every column that estimators use, numbers as floats, text as text or None, `n` at least 1.

    Raises
    ------
    InputError
        If a column of the contract is missing, or `correct` lies outside 0 to 1.
    """
    if missing := [name for name in REQUIRED if name not in frame]:
        raise InputError(
            f"measured trials: no column {missing[0]!r}: give {', '.join(REQUIRED)} (docs/battery.md, 'The frame')"
        )
    made = frame.reset_index(drop=True).copy()
    for name in NUMBERS:
        made[name] = pd.to_numeric(made[name], errors="coerce").astype(float) if name in made else np.nan
    for name in WORDS:
        column = made[name] if name in made else pd.Series(None, index=made.index, dtype=object)
        made[name] = column.astype(object).where(column.notna(), None)
    made["n"] = pd.to_numeric(made["n"]).astype(float) if "n" in made else 1.0
    outside = made["correct"].notna() & ~made["correct"].between(0, 1)
    if outside.any():
        raise InputError(f"measured trials: 'correct' is {made['correct'][outside].iloc[0]:g}: give 0 to 1, or nothing")
    return made[made["n"] > 0].reset_index(drop=True)


def is_yes_no(trials: pd.DataFrame) -> bool:
    """Whether a task is answered by yes or no: it has a reading of both, or its right answers are "yes" and "no"."""
    return bool(trials["log_odds_yes"].notna().any() or trials["expected"].dropna().isin([YES, NO]).all()) and bool(
        trials["expected"].notna().any() or trials["log_odds_yes"].notna().any()
    )


def yes_values(trials: pd.DataFrame, scale: Scale) -> np.ndarray:
    """What is observed of "yes" in each trial, NaN where that scale has nothing.

    Parameters
    ----------
    trials : DataFrame
        Rows of `checked_frame`.
    scale : {"logit", "probability", "rate"}
        Log-odds of yes against no; probability of yes among the two; whether the answer is yes.

    Returns
    -------
    ndarray, shape (rows,)
    """
    if scale == LOGIT:
        return trials["log_odds_yes"].to_numpy(float)
    if scale == PROBABILITY:
        return np.asarray(expit(trials["log_odds_yes"].to_numpy(float)))
    correct, expected = trials["correct"].to_numpy(float), trials["expected"].to_numpy(object)
    said = np.where(expected == YES, correct, np.where(expected == NO, 1 - correct, np.nan))
    likeliest = (trials["log_odds_yes"] > 0).to_numpy(float)
    unknown = np.isnan(said) & trials["log_odds_yes"].notna().to_numpy()
    return np.asarray(np.where(unknown, likeliest, said), dtype=float)


def correct_values(trials: pd.DataFrame, scale: Scale) -> np.ndarray:
    """What is observed of the right answer in each trial, NaN where that scale has nothing.

    Parameters
    ----------
    trials : DataFrame
        Rows of `checked_frame`.
    scale : {"probability", "rate"}
        Probability of the right option among the options, or whether the answer is right.

    Raises
    ------
    InputError
        For log-odds, which a task with several options does not have.
    """
    if scale == LOGIT:
        raise InputError("log-odds are those of yes against no: use 'probability' or 'rate' for the right answer")
    return trials["p_correct" if scale == PROBABILITY else "correct"].to_numpy(float)


def select_trials(
    frame: pd.DataFrame, subject: str, task: str, arm: str, cell: Sequence[float] | None = None
) -> pd.DataFrame:
    """Trials of one subject, task and arm, over all cells or in one.

    Parameters
    ----------
    frame : DataFrame
        Rows of `checked_frame`.
    subject, task, arm : str
    cell : (layer, strength), optional
        Only this cell.
    """
    mine = np.ones(len(frame), dtype=bool)
    for name, wanted in (("subject", subject), ("task", task), ("arm", arm)):
        mine &= frame[name].to_numpy(object) == wanted
    if cell is not None:
        for axis, value in zip(CELL, cell, strict=True):
            mine &= np.isclose(frame[axis].to_numpy(float), value)
    return frame[mine]


def steered_cells(frame: pd.DataFrame, subject: str, tasks: Sequence[str], arm: str) -> list[tuple[float, float]]:
    """Cells (layer, strength) in which each of the tasks has trials of the arm, in their order.

    Parameters
    ----------
    frame : DataFrame
        Rows of `checked_frame`.
    subject : str
    tasks : sequence of str
    arm : str
    """
    found: list[set[tuple[float, float]]] = []
    for task in tasks:
        rows = select_trials(frame, subject, task, arm)[list(CELL)].dropna().drop_duplicates()
        found.append({(float(layer), float(strength)) for layer, strength in rows.itertuples(index=False)})
    return sorted(set.intersection(*found)) if found else []


def control_arm(frame: pd.DataFrame, subject: str, task: str) -> str | None:
    """The arm that injection is compared with: nothing added, else a hook of strength 0; None without either.

    Parameters
    ----------
    frame : DataFrame
        Rows of `checked_frame`.
    subject, task : str
    """
    arms = set(frame["arm"][(frame["subject"] == subject) & (frame["task"] == task)])
    return next((arm for arm in (CONTROL, SHAM) if arm in arms), None)
