"""Rates by arm and their difference from control: every task against its chance level and against nothing added.

Estimands, over the design or in one cell: the rate of the event of a task (of yes for a yes-or-no task, of the right
answer else) in an arm; injection less control; rate less chance. For a task read from logits the probability of the
event takes the place of the event itself, which needs fewer trials for the same interval. Timing (is a claim made
before the concept is named?) is such a rate; which of two is stronger is one of pairs: both orders are averaged first.

Assumptions and intervals: `crossed_means`, `contrast_limits`. `probability` is P(above chance), or P(above 0) of a
difference; under a flat prior, from the interval's own distribution.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.measure_results import MeasuredEstimate
from gnomon.stats.measures.measured_contrasts import (
    Cell,
    ContrastPlan,
    ContrastTerm,
    ObserveTrials,
    difference_terms,
    estimate_contrast,
)
from gnomon.stats.measures.measured_trials_frame import (
    LOGIT,
    PROBABILITY,
    RATE,
    Scale,
    control_arm,
    correct_values,
    is_yes_no,
    select_trials,
    yes_values,
)

ARM_RATE, DIFFERENCE = "rate", "difference"


def arm_rate(
    frame: pd.DataFrame, subject: str, task: str, arm: str, cell: Cell | None = None, *, scale: Scale | None = None
) -> MeasuredEstimate | None:
    """Rate of a task's event in one arm, against chance where chance is known; None without trials.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject, task, arm : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    scale : {"logit", "probability", "rate"}, optional
        By default the probability of the event where logits were read, else the rate.
    """
    chance = chance_level(frame, subject, task)
    plan = ContrastPlan(
        ARM_RATE,
        (ContrastTerm(task, arm, 1.0, cell),),
        scale or usual_scale(frame, subject, task),
        event_observer(frame, subject, task),
        reference=chance if chance is not None and scale != LOGIT else 0.0,
    )
    return estimate_contrast(frame, subject, plan)


def control_difference(
    frame: pd.DataFrame,
    subject: str,
    task: str,
    cell: Cell | None = None,
    *,
    scale: Scale | None = None,
    arm: str = INJECTION,
) -> MeasuredEstimate | None:
    """Rate of a task's event in an arm less that in its control arm; None where either has no trials.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject, task : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    scale : {"logit", "probability", "rate"}, optional
        By default the probability of the event where logits were read, else the rate.
    arm : str, default "injection"
    """
    control = control_arm(frame, subject, task)
    if control is None or control == arm:
        return None
    plan = ContrastPlan(
        DIFFERENCE,
        difference_terms(task, control, cell, arm),
        scale or usual_scale(frame, subject, task),
        event_observer(frame, subject, task),
    )
    return estimate_contrast(frame, subject, plan)


def usual_scale(frame: pd.DataFrame, subject: str, task: str) -> Scale:
    """Probability of the event where logits of this task were read, else the rate.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject, task : str
    """
    rows = _task_rows(frame, subject, task)
    read = rows["log_odds_yes"] if is_yes_no(rows) else rows["p_correct"]
    return PROBABILITY if read.notna().any() else RATE


def event_observer(frame: pd.DataFrame, subject: str, task: str) -> ObserveTrials:
    """How the event of a task is observed: yes for a yes-or-no task, the right answer else.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject, task : str
    """
    return yes_values if is_yes_no(_task_rows(frame, subject, task)) else correct_values


def chance_level(frame: pd.DataFrame, subject: str, task: str) -> float | None:
    """What guessing gives, averaged over trials; None where a task has no chance level.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject, task : str
    """
    rows = _task_rows(frame, subject, task)
    steered = select_trials(frame, subject, task, INJECTION)
    known = (steered if len(steered) else rows)["chance"].dropna()
    return float(np.mean(known)) if len(known) else None


def _task_rows(frame: pd.DataFrame, subject: str, task: str) -> pd.DataFrame:
    return frame[(frame["subject"] == subject) & (frame["task"] == task)]
