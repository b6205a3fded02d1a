"""Whether a judge's errors travel: from models, concepts, protocols, dates or another study to where they are used.

Estimand: for each arm the difference of the judge's sensitivity, and of its specificity, for the event, between the
trials where errors would be used and those where they were learnt. Assumes that labels are the truth and that labelled
trials of a place are a random sample of it; labels chosen by verdicts are weighted, with effective numbers of trials.
It conditions on the labels, the judge version and the margin that was said beforehand. The test split is never read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import select

from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.error_rates.confusion import (
    ConfusionCounts,
    collect_evidence,
    confusion_from_rows,
    verdict_times,
)
from gnomon.calibration.numerics.proportions import Count
from gnomon.calibration.observations.frames import arms_in, trial_frame
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.calibration.observations.trial_fields import field_values
from gnomon.calibration.transport.equivalence import DEFAULT_ERROR, RateCounts, RateName, decide_transport
from gnomon.calibration.transport.transport_results import TransportAudit, TransportDecision, TransportOutcome
from gnomon.data.errors import UnknownNameError
from gnomon.data.records import PLACES
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import protocols as protocol_table
from gnomon.data.storage.tables import trials as trial_table
from gnomon.data.study_settings import ExternalRow, load_settings

_COLUMN = {"subject": "subject", "concept": "target", "protocol": "protocol", "date": "date"}
STUDY = "study"
_EVENT = "event"
_EMPTY: Count = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class TransportPlan:
    """What is said beforehand: the margin, the greatest probability of a wrong decision, and where errors are learnt.

    Attributes
    ----------
    margin : float or None
        Greatest difference of a rate that does not matter; None if none was said.
    error : float
        Greatest probability of a wrong pass, and of a wrong fail, in the family.
    learnt : tuple of str
        Places where the errors are learnt; empty for "all the others", for each place in turn.
    """

    margin: float | None
    error: float = DEFAULT_ERROR
    learnt: tuple[str, ...] = ()


def audit_transport(
    store: Store, judge: str, axis: str, plan: TransportPlan | None = None, *, view: str | None = None
) -> TransportAudit:
    """Whether one judge version's errors are the same in each place of a study as elsewhere in it.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str
        Name of the judge (its newest version), a version or the beginning of one.
    axis : str
        What places differ in: `subject`, `concept`, `protocol`, `date`, or a field that trials carry (`field_names`),
        such as `language`.
    plan : TransportPlan, optional
        Margin, error and where errors are learnt; by default those of the study's settings, learnt on all others.
    view : str, optional
        Label view; by default the study's.

    Returns
    -------
    TransportAudit
        One decision for each place that has trials with a verdict.

    Raises
    ------
    InputError
        If no trial has such a field.
    UnknownNameError
        If the judge has no verdict, or a place in `plan.learnt` does not exist.
    """
    settings = load_settings(store)
    chosen = plan or planned_transport(store)
    asked = find_version(versions_with_verdicts(store), judge)
    splits = splits_before_test(asked)
    found = collect_evidence(store, [asked.version], view or settings.label_view, splits=splits)[0]
    column = _COLUMN.get(axis, axis)
    judged, pairs = (_with_places(store, asked.version, axis, rows) for rows in (found.judged, found.pairs))
    names = sorted(judged[column].dropna().astype(str).unique())
    if unknown := [name for name in chosen.learnt if name not in names]:
        raise UnknownNameError(f"{axis} '{unknown[0]}': has no verdict of {judge}: choose from {', '.join(names)}")
    places = {
        name: _rates_between(pairs[_elsewhere(pairs[column], name, chosen.learnt)], pairs[pairs[column] == name])
        for name in names
        if name not in chosen.learnt
    }
    without = int(pairs[column].isna().sum()) if axis not in PLACES else 0
    return _as_audit(asked.judge, asked.version, axis, chosen, decide_places(places, chosen), without)


def planned_transport(store: Store) -> TransportPlan:
    """The margin and the error that the study said beforehand."""
    settings = load_settings(store).transport
    return TransportPlan(margin=settings.margin, error=settings.error)


def decide_places(places: Mapping[str, Sequence[RateCounts]], plan: TransportPlan) -> list[TransportDecision]:
    """Decisions for several places under one plan.

    Parameters
    ----------
    places : mapping of str to sequence of RateCounts
        Rates compared in each place.
    plan : TransportPlan
        Margin and error.
    """
    return decide_transport(places, plan.margin, error=plan.error)


def audit_external(
    store: Store, external: Sequence[ExternalRow], plan: TransportPlan | None = None, *, view: str | None = None
) -> list[TransportAudit]:
    """Whether errors that come from another study (`[[fit.external]]`) may be used on this one.

    Each arm of each judge is a place: what was learnt elsewhere is compared with this study's own labels. Where the
    study says `[transport] by`, each value of these fields in an arm is one, and the errors must hold in each.

    Parameters
    ----------
    store : Store
        Store of the study.
    external : sequence of ExternalRow
        Labelled trials of other studies.
    plan : TransportPlan, optional
        Margin and error; by default the study's.
    view : str, optional
        Label view; by default the study's.

    Returns
    -------
    list of TransportAudit
        One for each judge in `external`, in order; the family is that of its arms.
    """
    chosen = plan or planned_transport(store)
    by = load_settings(store).transport.by
    audits = []
    for judge in dict.fromkeys(each.judge for each in external):
        mine = [each for each in external if each.judge == judge]
        version, pairs = _own_pairs(store, judge, view or load_settings(store).label_view)
        arms = dict.fromkeys(each.arm for each in mine)
        parts = {
            name: (arm, rows)
            for arm in arms
            for name, rows in _places_in_arm(store, version, arm, pairs[pairs["arm"] == arm], by)
        }
        places = {
            name: [
                RateCounts(arm, rate, learnt, used)
                for (rate, learnt), used in zip(_external_counts(mine, arm), _rate_counts(rows), strict=True)
                if learnt[1]
            ]
            for name, (arm, rows) in parts.items()
        }
        waived = {each.arm for each in mine if each.unchecked}
        decisions = [
            each.model_copy(
                update={"unchecked": parts[each.name][0] in waived and each.outcome is not TransportOutcome.PASS}
            )
            for each in decide_places(places, chosen)
        ]
        audits.append(_as_audit(judge, version, STUDY, chosen, decisions))
    return audits


def _places_in_arm(
    store: Store, version: str, arm: str, pairs: pd.DataFrame, by: Sequence[str]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """An arm's labelled trials as a whole, or those of each value that some fields have in its trials, labelled or not.

    Trials without a value are a place too: errors are used on them as on the others.
    """
    every = trial_frame(store) if by else pd.DataFrame({"arm": []})
    every = every[every["arm"] == arm]
    if every.empty:  # nothing to divide by: the arm as a whole is not shown either
        yield arm, pairs
        return
    for name in by:
        known = _with_places(store, version, name, every)
        places = (f"{name} " + known[_COLUMN.get(name, name)]).fillna(f"no {name}")
        for place in sorted(places.unique()):
            wanted = set(known.loc[places == place, "trial"])
            yield f"{arm}, {place}", pairs[pairs["trial"].isin(wanted)]


def _own_pairs(store: Store, judge: str, view: str) -> tuple[str, pd.DataFrame]:
    """Newest version of a judge and its verdicts on labelled trials; none where it has no verdict here."""
    known = versions_with_verdicts(store)
    if judge not in set(known["name"]):
        return "", pd.DataFrame({"trial": [], "arm": [], "event": [], "true_event": [], "weight": []})
    asked = find_version(known, judge)
    return asked.version, collect_evidence(store, [asked.version], view, splits=splits_before_test(asked))[0].pairs


def _external_counts(rows: Iterable[ExternalRow], arm: str) -> list[tuple[RateName, Count]]:
    """Right verdicts and trials of both rates in counts of another study."""
    mine = [each for each in rows if each.arm == arm]
    counts: list[tuple[RateName, Count]] = []
    rates: tuple[tuple[RateName, bool], ...] = (("sensitivity", True), ("specificity", False))
    for rate, wanted in rates:
        known = [each for each in mine if (each.truth == _EVENT) == wanted]
        right = sum(each.n for each in known if (each.said == _EVENT) == wanted)
        counts.append((rate, (float(right), float(sum(each.n for each in known)))))
    return counts


def _with_places(store: Store, version: str, axis: str, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with the column that tells places apart. Raises `InputError` if no trial has such a field."""
    if axis == "protocol":
        names = select(trial_table.c.id.label("trial"), protocol_table.c.name.label("protocol"))
        known = store.read_frame(names.join(protocol_table, protocol_table.c.hash == trial_table.c.protocol))
        return rows.merge(known, on="trial", how="left")
    if axis == "date":
        times = verdict_times(store, [version])
        days = times[["trial"]].assign(date=_day_names(times["at"]))
        return rows.merge(days, on="trial", how="left")
    if axis not in PLACES:
        return rows.merge(field_values(store, axis).rename(columns={"value": axis}), on="trial", how="left")
    return rows


def _day_names(times: pd.Series[pd.Timestamp]) -> pd.Series[str]:
    """The day of each time, such as 2026-02-28: a million times are of a few days."""
    days = times.dt.floor("D")
    return days.map({day: f"{day:%Y-%m-%d}" for day in days.dropna().unique()})


def _elsewhere(column: pd.Series[str], name: str, learnt: Sequence[str]) -> pd.Series[bool]:
    return column.isin(learnt) if learnt else column.notna() & (column != name)


def _rates_between(learnt: pd.DataFrame, used: pd.DataFrame) -> list[RateCounts]:
    """Both rates in each arm that has labels in either place."""
    rates: list[RateCounts] = []
    for arm in arms_in(pd.concat([learnt, used], ignore_index=True)):
        there, here = (_rate_counts(rows[rows["arm"] == arm]) for rows in (learnt, used))
        rates.append(RateCounts(arm, "sensitivity", there[0], here[0]))
        rates.append(RateCounts(arm, "specificity", there[1], here[1]))
    return rates


def _rate_counts(rows: pd.DataFrame) -> tuple[Count, Count]:
    """(right, of) of the sensitivity and of the specificity; whole numbers where labels count equally."""
    if rows.empty:
        return _EMPTY, _EMPTY
    counted: ConfusionCounts = confusion_from_rows(rows)
    if rows["weight"].nunique() == 1:
        return (float(counted.tp), float(counted.tp + counted.fn)), (float(counted.tn), float(counted.tn + counted.fp))
    return counted.positives, counted.negatives


def _as_audit(
    judge: str, version: str, axis: str, plan: TransportPlan, decisions: Sequence[TransportDecision], without: int = 0
) -> TransportAudit:
    audit = TransportAudit(
        judge=judge,
        version=version,
        axis=axis,
        margin=plan.margin,
        error=plan.error,
        places=sum(each.p_within is not None for each in decisions),
        decisions=tuple(decisions),
        without=without,
        words="",
    )
    return audit.model_copy(update={"words": transport_sentences(audit)})


def transport_sentences(audit: TransportAudit) -> str:
    """What was decided, by which margin, with what error, in one to three sentences."""
    if audit.axis == STUDY:
        there = "another study"
    else:
        there = f"the other {audit.axis}s" if audit.axis in PLACES else f"trials of another {audit.axis}"
    if not audit.decisions:
        return f"Whether errors of {audit.judge} travel was not checked: no {audit.axis} to compare."
    if audit.margin is None:
        return f"Whether errors of {audit.judge} learnt on {there} hold was not checked: {audit.decisions[0].reason}."
    parts = [
        f"{outcome} for {', '.join(names)}"
        for outcome in TransportOutcome
        if (names := [each.name for each in audit.decisions if each.outcome is outcome])
    ]
    family = f", for all {audit.places} together" if audit.places > 1 else ""
    told = (
        f"Errors of {audit.judge} learnt on {there}, with a margin of {100 * audit.margin:g} points said beforehand "
        f"(a wrong pass has a probability of at most {100 * audit.error:g} %{family}): {'; '.join(parts)}."
    )
    if audit.without:
        told += f" Without a {audit.axis}, and left out: {audit.without} labelled trials."
    used = [each.name for each in audit.decisions if each.unchecked]
    return f"{told} Used unchecked, as the study file says: {', '.join(used)}." if used else told
