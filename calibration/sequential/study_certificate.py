"""A certificate on the rate of one arm of a study: what is stated, the counts behind it, what a decision would take.

The labels are those of one view that no verdict chose: a random sample of the judged trials. The judge's train split is
left out where it learnt from labels. Formulas, assumptions and sources stand in `certificates`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

import pandas as pd

from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.error_rates.confusion import Reading, collect_evidence
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.numerics.number_formats import format_percent
from gnomon.calibration.observations.frames import study_arms
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.calibration.sequential.certificates import (
    CertificateCounts,
    certificate_bounds,
    corrected_rate,
    decide_certificate,
)
from gnomon.calibration.sequential.look_charges import spent_error
from gnomon.calibration.sequential.sequential_results import Certificate, CertificateOutcome
from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError, NotEnoughDataError, UnknownNameError
from gnomon.data.records import Split
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

STATEMENT = re.compile(r"\s*([a-z][a-z0-9_]*)\.([a-z_]+)\s*([<>])\s*(\d*\.?\d+)\s*(%?)\s*")
EXAMPLE = "write it like 'control.claim < .05'"
PASS = "pass"
EVENT = "event"
GROWTH = (1.25, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0)
"""Factors of labels, then of labels and trials, that are tried for a decision."""


@dataclass(frozen=True, slots=True)
class RateStatement:
    """That the rate of an arm's event, or pass, is below or above a bound."""

    text: str
    arm: str
    what: str
    below: bool
    bound: float

    @property
    def reading(self) -> Reading:
        """The binary variable that is counted."""
        return "passed" if self.what == PASS else "event"


@dataclass(frozen=True, slots=True)
class CertificatePlan:
    """How a statement is tested.

    Attributes
    ----------
    error : float
        Greatest probability of a wrong decision.
    anytime : bool
        Whether one may look again after each label; else this look is charged for (`look`).
    look : int
        Which fixed look at the statement this is, from 1.
    view : str or None
        Label view; None for the study's.
    subject : str or None
        Only this model; None for all together.
    """

    error: float = 0.05
    anytime: bool = True
    look: int = 1
    view: str | None = None
    subject: str | None = None


def parse_statement(text: str, arms: list[str]) -> RateStatement:
    """A statement such as `control.claim < .05` or `injection.identified > 20 %`.

    Parameters
    ----------
    text : str
        ARM.WHAT, `<` or `>`, and a fraction or percentage. WHAT is `event` (what counts in the arm), its own name
        (`claim`, or `identified` in arms that count it), or `pass`.
    arms : list of str
        Arms with verdicts.

    Raises
    ------
    InputError
        If it is no statement, or the bound is not between 0 and 1.
    UnknownNameError
        If the arm or what is counted is not known.
    """
    found = STATEMENT.fullmatch(text)
    if found is None:
        raise InputError(f"statement '{text}': cannot be read: {EXAMPLE}")
    arm, what, sign, number, percent = found.groups()
    if arm not in arms:
        raise UnknownNameError(f"statement '{text}': arm '{arm}' has no verdict: choose from {_nearest(arm, arms)}")
    event = "identified" if ARMS[arm].counts_identified else "claim"
    names = [EVENT, event, PASS]
    if what not in names:
        raise UnknownNameError(
            f"statement '{text}': '{arm}.{what}' is not counted: choose from "
            f"{', '.join(f'{arm}.{name}' for name in names)}"
        )
    bound = float(number) / (100 if percent else 1)
    if not 0 < bound < 1:
        raise InputError(f"statement '{text}': the bound {bound:g} is not between 0 and 1: {EXAMPLE}")
    return RateStatement(text.strip(), arm, PASS if what == PASS else EVENT, sign == "<", bound)


def _nearest(name: str, known: list[str]) -> str:
    return ", ".join(get_close_matches(name, known, n=3) or known)


def certify_rate(store: Store, statement: str, judge: str, plan: CertificatePlan | None = None) -> Certificate:
    """Test a statement on a true rate with a judge's verdicts and the labels.

    Parameters
    ----------
    store : Store
        Store of the study.
    statement : str
        As for `parse_statement`.
    judge : str
        Name of the judge (its newest version), a version or the beginning of one.
    plan : CertificatePlan, optional
        Error, looks, view and model.

    Returns
    -------
    Certificate
        Shown, refuted or undecided.

    Raises
    ------
    InputError
        If the statement or the error makes no sense.
    UnknownNameError
        If arm, model or judge is not known.
    NotEnoughDataError
        If the labels are no random sample of the trials.
    """
    plan = plan or CertificatePlan()
    if not 0 < plan.error < 0.5:
        raise InputError(f"error {plan.error:g}: is not between 0 and .5: write .05 for one wrong decision in twenty")
    stated = parse_statement(statement, study_arms(store, judged=True))
    asked = find_version(versions_with_verdicts(store), judge)
    view = plan.view or load_settings(store).label_view
    splits = (*splits_before_test(asked), str(Split.TEST))
    found = collect_evidence(store, [asked.version], view, splits=splits)[0]
    judged, pairs = (_of_arm(rows, stated.arm, plan.subject) for rows in (found.judged, found.pairs))
    if plan.subject is not None and judged.empty:
        there = sorted(found.judged["subject"].unique())
        raise UnknownNameError(f"model '{plan.subject}': {judge} read no {stated.arm} trial of it: {', '.join(there)}")
    random = pairs[~pairs["stratum"].isin(BY_VERDICT)]
    if random["probability"].nunique() > 1:
        raise NotEnoughDataError(
            f"'{stated.text}': labels of the {stated.arm} arm were chosen with unequal chances, and a certificate "
            "needs a random sample: label one (queue random)"
        )
    counts = _certificate_counts(judged, random, stated.reading)
    error = plan.error if plan.anytime else spent_error(plan.look, plan.error)
    bounds = certificate_bounds(counts, error=error, anytime=plan.anytime)
    outcome, low, high = decide_certificate(bounds, stated.bound, below=stated.below)
    made = Certificate(
        statement=stated.text,
        judge=asked.judge,
        version=asked.version,
        view=view,
        subject=plan.subject,
        arm=stated.arm,
        what=stated.what,
        below=stated.below,
        bound=stated.bound,
        error=plan.error,
        anytime=plan.anytime,
        look=plan.look,
        outcome=outcome,
        estimate=corrected_rate(counts),
        low=low,
        high=high,
        ways=bounds,
        judged=int(counts.judged[1]),
        labelled=len(random),
        needs=_needs(counts, stated, error, plan.anytime) if outcome is CertificateOutcome.UNDECIDED else None,
        words="",
    )
    return made.model_copy(update={"words": certificate_sentences(made)})


def _of_arm(rows: pd.DataFrame, arm: str, subject: str | None) -> pd.DataFrame:
    return rows[(rows["arm"] == arm) & (True if subject is None else rows["subject"] == subject)]


def _certificate_counts(judged: pd.DataFrame, pairs: pd.DataFrame, reading: Reading) -> CertificateCounts:
    truth, said = pairs[f"true_{reading}"].astype(bool), pairs[reading].astype(bool)
    return CertificateCounts(
        judged=(float(judged[reading].astype(bool).sum()), float(len(judged))),
        hits=(float((said & truth).sum()), float(truth.sum())),
        alarms=(float((said & ~truth).sum()), float((~truth).sum())),
    )


def _needs(counts: CertificateCounts, stated: RateStatement, error: float, anytime: bool) -> str:
    """The smallest growth of labels, or of labels and trials, that decides if the shares stay as they are."""
    labels, trials = counts.labelled[1], counts.judged[1]
    if not labels:
        return f"label a random sample of the {stated.arm} arm"
    for with_trials in (False, True):
        for factor in GROWTH:
            more = counts.grown(factor, factor if with_trials else 1.0)
            if not with_trials and more.labelled[1] > trials:
                continue
            bounds = certificate_bounds(more, error=error, anytime=anytime)
            outcome, _, _ = decide_certificate(bounds, stated.bound, below=stated.below)
            if outcome is not CertificateOutcome.UNDECIDED:
                told = f"about {round(labels * (factor - 1))} more random labels of the {stated.arm} arm"
                told += f" and {round(trials * (factor - 1))} more trials" if with_trials else ""
                return f"{told}, if the shares stay as they are, and it would be {outcome}"
    return (
        f"more than {GROWTH[-1]:g} times the labels and trials, if the shares stay as they are: the rate is too near "
        "the bound, or the judge too poor"
    )


def certificate_sentences(found: Certificate) -> str:
    """What is shown, by which limits, with what error, and what a decision would take."""
    when = "at all times: one may look again after each label" if found.anytime else _fixed_clause(found)
    rate = "pass rate" if found.what == PASS else "rate of events"
    whom = f" of {found.subject}" if found.subject else ""
    told = (
        f"'{found.statement}' is {found.outcome}: by {found.judge} ({found.judged:,} trials judged, {found.labelled:,} "
        f"labelled at random), the true {rate}{whom} in the {found.arm} arm lies between "
        f"{format_percent(found.low, 1)} and {format_percent(found.high, 1)}; a wrong decision has a probability of at "
        f"most {100 * found.error:g} % {when}."
    )
    return f"{told} To decide: {found.needs}." if found.needs else told


def _fixed_clause(found: Certificate) -> str:
    spent = spent_error(found.look, found.error)
    return f"over all fixed looks together (this is look {found.look}, which spends {format_percent(spent, 2)})"
