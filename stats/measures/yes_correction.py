"""Detection less the yes-shift, and what shifts the matched questions: a bias to yes, or answers less certain.

Estimands, in log-odds of yes or in rates of yes, over the design or in one cell, with N the question whether anything
is noticed, U matched questions of fact whose right answer is no, Y those whose right answer is yes; 1 with the vector,
0 without:

    yes-shift              U1 - U0
    yes-corrected          (N1 - N0) - (U1 - U0)
    bias                   ((U1 - U0) + (Y1 - Y0)) / 2
    flattening             ((U1 - U0) - (Y1 - Y0)) / 2
    beyond flattening      (N1 - N0) - [(U1 - U0) + s (N0 - U0)],  s = ((Y1 - Y0) - (U1 - U0)) / (Y0 - U0)

A subject that only says yes more often shifts all three questions up alike: yes-corrected is 0. One whose next token
only becomes less certain (log-odds l become (1 + s) l, s < 0) shifts U up and Y down: flattening above 0, bias about 0;
N then shifts by s N0, which yes-corrected detection meets only where N and U have the same baseline, and beyond
flattening at any baseline, because a line through the two kinds of questions predicts the shift at the baseline of N.

Assumes that N would shift as the matched questions do if nothing were noticed; beyond flattening, that shifts are
linear in the baseline. Formula: differences of means over concepts (`crossed_means`), the last by the delta method; it
is given only where Y0 - U0 is above `MIN_GAP`. Source: Hahami et al. (2025), the shift of unrelated questions; the
entropy account of Sridharan (2026).

*Nothing is left* where the upper limit of yes-corrected detection is below a margin: a one-sided equivalence statement
at .975. *Detection* where nothing else that raises answers can explain the shift. Suppose that the vector makes f(l) of
every log-odds l, where f rises and its slope is at most 1: any bias to yes, and any loss of certainty, whether it
shrinks log-odds or mixes answers with even odds. Then f(N0) <= f(U0) + max(N0 - U0, 0), so that of the two quantities

    yes-corrected          (N1 - N0) - (U1 - U0)
    above the matched      N1 - U1

one is at most 0: the first where N0 >= U0, the second where N0 <= U0. Detection is said where the lower limits of both
are above 0 in log-odds, in whichever scale the estimate is (an intersection-union test: its size is that of one limit,
.025), and the upper limit of the estimate is not below the margin. Where the first alone is above 0, the shift is
*explained*. Of answers in words without readings, log-odds are those of the rates, half an answer added to each count.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from gnomon.stats.estimand_registry import INJECTION
from gnomon.stats.measures.contrast_limits import odds_contrast
from gnomon.stats.measures.crossed_means import LIKE, THESE, crossed_means, trial_group
from gnomon.stats.measures.measure_results import MeasuredEstimate, YesCorrection, YesDiagnosis, YesVerdict
from gnomon.stats.measures.measured_contrasts import (
    Cell,
    ContrastPlan,
    ContrastTerm,
    contrast_of_groups,
    difference_terms,
    estimate_contrast,
    scaled_terms,
)
from gnomon.stats.measures.measured_trials_frame import (
    LOGIT,
    NOTICE,
    RATE,
    UNRELATED_NO,
    UNRELATED_YES,
    Scale,
    control_arm,
    select_trials,
    steered_cells,
    yes_values,
)

YES_SHIFT, YES_CORRECTED, SHIFT = "yes_shift", "yes_corrected", "shift"
ABOVE_MATCHED = "above_matched"
YES_BIAS, FLATTENING, BEYOND = "yes_bias", "flattening", "beyond_flattening"
MARGINS: dict[Scale, float] = {"logit": 0.5, "probability": 0.05, "rate": 0.05}
"""Largest corrected detection that counts as nothing, by scale: log-odds, or a share."""
MIN_GAP = 2.0
"""Smallest distance, in log-odds, between the baselines of both kinds of questions that carries a line."""


def yes_shift(
    frame: pd.DataFrame, subject: str, cell: Cell | None = None, *, scale: Scale = LOGIT, task: str = UNRELATED_NO
) -> MeasuredEstimate | None:
    """How far injection moves "yes" on a task, by default on questions whose right answer is no; None without trials.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    scale : {"logit", "probability", "rate"}
    task : str, default "unrelated_no"
    """
    control = control_arm(frame, subject, task)
    if control is None:
        return None
    name = YES_SHIFT if task == UNRELATED_NO else SHIFT
    terms = difference_terms(task, control, cell)
    return estimate_contrast(frame, subject, ContrastPlan(name, terms, scale, yes_values))


def yes_corrected_detection(
    frame: pd.DataFrame,
    subject: str,
    cell: Cell | None = None,
    *,
    scale: Scale = LOGIT,
    task: str = NOTICE,
    margin: float | None = None,
) -> YesCorrection | None:
    """Shift of the question less the yes-shift, with both and the verdict; None where a part has no trials.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    scale : {"logit", "probability", "rate"}
    task : str, default "notice"
        The question that is corrected.
    margin : float, optional
        Largest corrected detection that counts as nothing; by default that of `MARGINS`.
    """
    controls = [control_arm(frame, subject, each) for each in (task, UNRELATED_NO)]
    asked, matched = (
        difference_terms(each, control, cell) if control else ()
        for each, control in zip((task, UNRELATED_NO), controls, strict=True)
    )
    if not asked or not matched:
        return None
    plan = ContrastPlan(YES_CORRECTED, (*asked, *scaled_terms(matched, -1.0)), scale, yes_values)
    corrected = estimate_contrast(frame, subject, plan)
    notice = yes_shift(frame, subject, cell, scale=scale, task=task)
    unrelated = yes_shift(frame, subject, cell, scale=scale)
    if corrected is None or notice is None or unrelated is None:
        return None
    bound = MARGINS[scale] if margin is None else margin
    in_odds = corrected if scale == LOGIT else estimate_contrast(frame, subject, replace(plan, scale=LOGIT))
    level = replace(
        plan, estimand=ABOVE_MATCHED, terms=(plan.terms[0], plan.terms[2]), scale=LOGIT if in_odds else RATE
    )
    above = estimate_contrast(frame, subject, level)
    rises = _is_above_zero(in_odds) if in_odds else _rises_in_odds_of_rates(frame, subject, plan)
    return YesCorrection(
        corrected=corrected,
        notice=notice,
        unrelated=unrelated,
        margin=bound,
        verdict=correction_verdict(corrected, bound, is_explained=not (rises and _is_above_zero(above))),
        above=above,
    )


def correction_verdict(corrected: MeasuredEstimate, margin: float, *, is_explained: bool = False) -> YesVerdict:
    """What the interval of yes-corrected detection says against 0 and a margin.

    Parameters
    ----------
    corrected : MeasuredEstimate
    margin : float
        Largest value that counts as nothing.
    is_explained : bool
        Whether a bias to yes and a loss of certainty may raise the question as far.
    """
    limits = corrected.headline
    if limits is None:
        return "undecided"
    if limits.high < 0:
        return "below_zero"
    if limits.high < margin:
        return "nothing_left"
    if limits.low <= 0:
        return "undecided"
    return "explained" if is_explained else "detection"


def yes_diagnosis(frame: pd.DataFrame, subject: str, cell: Cell | None = None) -> YesDiagnosis | None:
    """Bias to yes and flattening of both kinds of matched questions, in log-odds; None where one kind was not asked.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    cell : (layer, strength), optional
        One cell; by default the whole design.
    """
    controls = {task: control_arm(frame, subject, task) for task in (UNRELATED_NO, UNRELATED_YES, NOTICE)}
    no, yes = controls[UNRELATED_NO], controls[UNRELATED_YES]
    if no is None or yes is None:
        return None
    falls, rises = difference_terms(UNRELATED_NO, no, cell), difference_terms(UNRELATED_YES, yes, cell)
    both = {YES_BIAS: 0.5, FLATTENING: -0.5}
    bias, flattening = (
        estimate_contrast(
            frame,
            subject,
            ContrastPlan(name, (*scaled_terms(falls, 0.5), *scaled_terms(rises, weight)), LOGIT, yes_values),
        )
        for name, weight in both.items()
    )
    certain = yes_shift(frame, subject, cell, task=UNRELATED_YES)
    if bias is None or flattening is None or certain is None:
        return None
    plain = controls[NOTICE]
    asked = difference_terms(NOTICE, plain, cell) if plain is not None else ()
    beyond = _beyond_flattening(frame, subject, (*asked, *falls, *rises)) if asked else None
    return YesDiagnosis(bias=bias, flattening=flattening, certain=certain, beyond=beyond)


def yes_corrections(frame: pd.DataFrame, subject: str, scale: Scale = LOGIT) -> list[YesCorrection]:
    """Yes-corrected detection over the whole design, if it has several cells, and by cell.

    Parameters
    ----------
    frame : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    subject : str
    scale : {"logit", "probability", "rate"}
    """
    cells: list[Cell | None] = list(steered_cells(frame, subject, (NOTICE, UNRELATED_NO), INJECTION))
    if len(cells) != 1:
        cells = [None, *cells]
    found = (yes_corrected_detection(frame, subject, cell, scale=scale) for cell in cells)
    return [each for each in found if each is not None]


def _beyond_flattening(frame: pd.DataFrame, subject: str, terms: tuple[ContrastTerm, ...]) -> MeasuredEstimate | None:
    """From terms in the order N1, N0, U1, U0, Y1, Y0."""
    trials = [select_trials(frame, subject, term.task, term.arm, term.cell) for term in terms]
    groups = [trial_group(term.task, rows, yes_values(rows, LOGIT)) for term, rows in zip(terms, trials, strict=True)]
    if not all(len(group.values) for group in groups):
        return None
    means = crossed_means(groups)
    if means.means[5] - means.means[3] < MIN_GAP:
        return None
    plan = ContrastPlan(BEYOND, terms, LOGIT, yes_values, gradient=_beyond_gradient)
    return contrast_of_groups(subject, plan, groups, means)


def _beyond_gradient(means: np.ndarray) -> np.ndarray:
    """Gradient of N1 - N0 - (U1 - U0) - s (N0 - U0), s = ((Y1 - Y0) - (U1 - U0)) / (Y0 - U0), at the means."""
    _, n0, u1, u0, y1, y0 = means
    gap, distance = y0 - u0, n0 - u0
    slope = ((y1 - y0) - (u1 - u0)) / gap
    return np.array(
        [
            1.0,
            -1.0 - slope,
            -1.0 + distance / gap,
            1.0 + slope - distance / gap - distance * slope / gap,
            -distance / gap,
            distance / gap + distance * slope / gap,
        ]
    )


def _is_above_zero(estimate: MeasuredEstimate | None) -> bool:
    return estimate is not None and estimate.headline is not None and estimate.headline.low > 0


def _rises_in_odds_of_rates(frame: pd.DataFrame, subject: str, plan: ContrastPlan) -> bool:
    """Whether the lower limit of a contrast of rates is above 0 on the scale of their log-odds."""
    trials = [select_trials(frame, subject, term.task, term.arm, term.cell) for term in plan.terms]
    groups = [
        trial_group(term.task, rows, yes_values(rows, RATE)) for term, rows in zip(plan.terms, trials, strict=True)
    ]
    if not all(len(group.values) for group in groups):
        return False
    means = crossed_means(groups)
    found = odds_contrast(means, np.array([term.weight for term in plan.terms]), LIKE) or odds_contrast(
        means, np.array([term.weight for term in plan.terms]), THESE
    )
    return found is not None and found.interval.low > 0
