"""The worth of a study's panel of judges, and of its raters: store in, `PanelWorth` out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.comparison.labelled_readings import labelled_readings, said_column
from gnomon.calibration.error_rates.confusion import judged_trials
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.labels.views import rater_labels
from gnomon.calibration.numerics.effective_counts import effective_number
from gnomon.calibration.numerics.proportions import wilson_interval
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.calibration.observations.frames import arms_in, judge_frame
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.calibration.panel_worth.panel_results import (
    Basis,
    EffectiveMembers,
    MajorityVote,
    MemberWorth,
    PanelDocument,
    PanelWorth,
)
from gnomon.calibration.panel_worth.panel_sentences import panel_sentences
from gnomon.calibration.panel_worth.panel_votes import further_majority, majority_errors, weighted_vote
from gnomon.calibration.panel_worth.vote_correlation import effective_votes, kish_number
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import RaterRole, Split
from gnomon.data.results import Estimate, finite_estimate
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

FEWEST_COMPLETE = 20
"""Fewest labelled trials that every member read for an error of votes."""
FURTHER = (1, 2)
"""Panels that are predicted: so many members more."""
Texts = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class PanelReadings:
    """What the members of a panel say of the same trials.

    Attributes
    ----------
    members : sequence of (str, str or None)
        Name and version (None for raters) of each member.
    said : array (trials, members)
        1 where a member sees the event, 0 where not, NaN where it did not read.
    arm : array of str (trials,)
        Arm of each trial.
    truth : array of bool (trials,) or None
        Whether the label sees the event; None where no label is used.
    weight : array (trials,)
        Inverse inclusion probabilities.
    """

    members: Sequence[tuple[str, str | None]]
    said: Floats
    arm: Texts
    truth: NDArray[np.bool_] | None
    weight: Floats

    @property
    def basis(self) -> Basis:
        """Whether errors given labels are correlated, or votes."""
        return "votes" if self.truth is None else "errors"

    @property
    def votes(self) -> Floats:
        """What is correlated: errors where labels are, else what members say."""
        if self.truth is None:
            return self.said
        wrong = (self.said != self.truth[:, None]).astype(float)
        return np.where(np.isnan(self.said), np.nan, wrong)

    @property
    def strata(self) -> NDArray[np.str_]:
        """Arm, and true class where labels are."""
        truth = np.zeros(len(self.arm), dtype=bool) if self.truth is None else self.truth
        return np.array([f"{arm} {flag}" for arm, flag in zip(self.arm, truth, strict=True)])

    def among(self, chosen: NDArray[np.bool_]) -> PanelReadings:
        """The readings of some trials."""
        truth = None if self.truth is None else self.truth[chosen]
        return PanelReadings(self.members, self.said[chosen], self.arm[chosen], truth, self.weight[chosen])


def judge_panel_worth(
    store: Store, *, view: str | None = None, judges: Sequence[str] | None = None, confidence: float = 0.95
) -> PanelWorth:
    """What a study's judges are worth together.

    Estimands: the effective number of judges (`vote_correlation.effective_votes`), with the correlation of errors given
    the label within arm and true class where labels are, else that of what judges say within arms; the error of
    majority votes of fewer members, as observed, and of more, as predicted; weights and error of a weighted vote
    (`panel_votes`). Assumes that labels are the truth; labels chosen with unequal probabilities are weighted back.
    Trials are those of the dev split, and of train if no judge learnt from labels; never test.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : str, optional
        Label view, by default the study's.
    judges : sequence of str, optional
        Names, versions or beginnings of versions; by default the newest version of each judge with verdicts.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two judges.
    """
    view = view or load_settings(store).label_view
    wanted = judge_frame(store)["version"].tolist() if judges is None else judges
    known = versions_with_verdicts(store)
    panel = [find_version(known, name) for name in dict.fromkeys(wanted)]
    if len(panel) < 2:
        raise NotEnoughDataError(f"a panel's worth: {len(panel)} judge with verdicts: it needs two")
    splits = splits_before_test(*panel)
    members = [(judge.judge, judge.version) for judge in panel]
    versions = [judge.version for judge in panel]
    rows = labelled_readings(store, versions, view, splits)
    read = _from_rows(members, rows, [said_column(version) for version in versions], has_truth=True)
    if not _is_enough(read):
        read, splits = _votes_of_judges(store, members, versions), tuple(map(str, Split))
    return _measure_panel("judges", read, view, splits, confidence)


def rater_panel_worth(store: Store, *, view: str | None = None, confidence: float = 0.95) -> PanelWorth:
    """What a study's raters are worth together.

    As `judge_panel_worth`, with the adjudicator's label as the truth where there are enough, else the correlation of
    what raters say within arms, which is high where they rightly agree: then it says how much a further rater repeats,
    not how far raters err together. Labels of trials that verdicts chose are left out.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : str, optional
        Label view, by default the study's.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.

    Raises
    ------
    NotEnoughDataError
        If there are fewer than two raters.
    """
    view = view or load_settings(store).label_view
    labels = rater_labels(store, view)
    labels = labels[~labels["stratum"].isin(BY_VERDICT)]
    given = labels[labels["role"] == str(RaterRole.RATER)]
    names = sorted(map(str, given["rater"].unique()))
    if len(names) < 2:
        raise NotEnoughDataError(f"raters' worth: {len(names)} rater with labels: it needs two")
    wide = given.pivot(index="trial", columns="rater", values="event")[names].astype(float)
    arms = given.drop_duplicates("trial").set_index("trial")["arm"]
    final = labels[labels["role"] == str(RaterRole.ADJUDICATOR)].drop_duplicates("trial").set_index("trial")["event"]
    rows = wide.assign(arm=arms.reindex(wide.index), truth=final.reindex(wide.index), weight=1.0)
    members: list[tuple[str, str | None]] = [(name, None) for name in names]
    read = _from_rows(members, rows.dropna(subset=["truth"]), names, has_truth=True)
    if not _is_enough(read):
        read = _from_rows(members, rows, names, has_truth=False)
    return _measure_panel("raters", read, view, tuple(map(str, Split)), confidence)


def panel_document(store: Store, view: str | None = None) -> PanelDocument:
    """What a study's judges, and its raters, are worth together; a group of fewer than two is null, with the reason.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : str, optional
        Label view, by default the study's.
    """
    found: list[PanelWorth | None] = []
    reasons = []
    for measure in (judge_panel_worth, rater_panel_worth):
        try:
            found.append(measure(store, view=view))
        except NotEnoughDataError as why:
            found.append(None)
            reasons.append(str(why))
    return PanelDocument(judges=found[0], raters=found[1], reasons=tuple(reasons))


def panel_of_version(store: Store, version: str, view: str) -> PanelWorth | None:
    """The worth of the study's judges with one version among them, for its card; None where it is the only judge.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : str
        Label view.
    """
    known = versions_with_verdicts(store)
    mine = find_version(known, version)
    newest = judge_frame(store)
    others = newest.loc[newest["name"] != mine.judge, "version"].tolist()
    if not others:
        return None
    return judge_panel_worth(store, view=view, judges=[version, *others])


def _from_rows(
    members: Sequence[tuple[str, str | None]], rows: pd.DataFrame, columns: Sequence[str], *, has_truth: bool
) -> PanelReadings:
    said = np.column_stack([rows[name].to_numpy(dtype=np.float64, na_value=np.nan) for name in columns])
    truth = rows["truth"].to_numpy(dtype=bool) if has_truth else None
    return PanelReadings(members, said, rows["arm"].to_numpy(dtype=object), truth, rows["weight"].to_numpy(dtype=float))


def _is_enough(read: PanelReadings) -> bool:
    return int(((~np.isnan(read.said)).sum(axis=1) >= 2).sum()) >= FEWEST_COMPLETE


def _votes_of_judges(store: Store, members: Sequence[tuple[str, str | None]], versions: Sequence[str]) -> PanelReadings:
    """What judges say of all trials that they read."""
    frames = [each.set_index("trial") for each in judged_trials(store, versions)]
    wide = pd.DataFrame({name: each["event"].astype(float) for name, each in zip(versions, frames, strict=True)})
    arms = pd.concat([each["arm"] for each in frames])
    arms = arms[~arms.index.duplicated()]
    rows = wide.assign(arm=arms.reindex(wide.index), weight=1.0)
    return _from_rows(members, rows, list(versions), has_truth=False)


def _measure_panel(
    group: str, read: PanelReadings, view: str, splits: tuple[str, ...], confidence: float
) -> PanelWorth:
    whole = _effective_members(None, read, confidence)
    arms = arms_in(pd.DataFrame({"arm": read.arm}))
    parts = [_effective_members(arm, read.among(np.asarray(read.arm == arm)), confidence) for arm in arms]
    complete = read.among(np.asarray(~np.isnan(read.said).any(axis=1)))
    has_votes = complete.truth is not None and len(complete.arm) >= FEWEST_COMPLETE
    weights, weighted = _weighted_vote(complete, confidence) if has_votes else (None, None)
    found = PanelWorth(
        group="judges" if group == "judges" else "raters",
        basis=read.basis,
        view=view,
        splits=splits,
        complete=len(complete.arm) if complete.truth is not None else 0,
        arms=(whole, *parts),
        votes=tuple(_majority_votes(complete, whole, confidence)) if has_votes else (),
        weighted=weighted,
        members=tuple(_member_worths(read, weights, confidence)),
        words=(),
    )
    return found.model_copy(update={"words": panel_sentences(found)})


def _effective_members(arm: str | None, read: PanelReadings, confidence: float) -> EffectiveMembers:
    twice = (~np.isnan(read.said)).sum(axis=1) >= 2
    part = read.among(twice)
    try:
        votes = effective_votes(part.votes, part.strata, weight=part.weight, confidence=confidence)
    except NotEnoughDataError as why:
        return EffectiveMembers(
            arm=arm, trials=len(part.arm), base_rate=_base_rate(part), correlation=None, effective=None, reason=str(why)
        )
    return EffectiveMembers(
        arm=arm,
        trials=votes.units,
        base_rate=_base_rate(part),
        correlation=finite_estimate(votes.correlation),
        effective=finite_estimate(votes.effective),
        reason=None,
    )


def _base_rate(read: PanelReadings) -> Estimate | None:
    """Share of events: by label, else by members' votes."""
    if not len(read.arm):
        return None
    event = np.nanmean(read.said, axis=1) if read.truth is None else read.truth.astype(float)
    effective = effective_number(read.weight)
    share = min(float(read.weight @ event / read.weight.sum()), 1.0)
    return finite_estimate(wilson_interval(share * effective, effective))


def _weighted_vote(complete: PanelReadings, confidence: float) -> tuple[Floats | None, Estimate | None]:
    if complete.truth is None:
        return None, None
    try:
        vote = weighted_vote(
            complete.said, complete.truth, complete.arm.astype(str), weight=complete.weight, confidence=confidence
        )
    except NotEnoughDataError:
        return None, None
    return vote.weights, finite_estimate(vote.error)


def _majority_votes(complete: PanelReadings, whole: EffectiveMembers, confidence: float) -> Iterator[MajorityVote]:
    """The vote of each number of members, and of more."""
    rho = None if whole.correlation is None else whole.correlation.value
    k = complete.said.shape[1]
    errors = majority_errors(complete.votes, weight=complete.weight, confidence=confidence)
    for m, error in enumerate(errors, start=1):
        yield MajorityVote(
            members=m,
            is_predicted=False,
            effective=None if rho is None else kish_number(m, rho),
            error=error.value,
            low=error.low,
            high=error.high,
        )
    for more in FURTHER:
        change = further_majority(complete.votes, complete.strata, k + more, weight=complete.weight)
        yield MajorityVote(
            members=k + more,
            is_predicted=True,
            effective=None if rho is None else kish_number(k + more, rho),
            error=min(max(errors[-1].value + change, 0.0), 1.0),
            low=None,
            high=None,
        )


def _member_worths(read: PanelReadings, weights: Floats | None, confidence: float) -> Iterator[MemberWorth]:
    for place, (name, version) in enumerate(read.members):
        there = ~np.isnan(read.said[:, place])
        yield MemberWorth(
            name=name,
            version=version,
            trials=int(there.sum()),
            error=_member_error(read, place, confidence),
            weight=None if weights is None else float(weights[place]),
            effective_without=_effective_without(read, place),
        )


def _member_error(read: PanelReadings, place: int, confidence: float) -> Estimate | None:
    there = ~np.isnan(read.said[:, place])
    if read.truth is None or not there.any():
        return None
    weight = read.weight[there]
    effective = effective_number(weight)
    share = min(float(weight @ read.votes[there, place] / weight.sum()), 1.0)
    return finite_estimate(wilson_interval(share * effective, effective, confidence=confidence))


def _effective_without(read: PanelReadings, place: int) -> float | None:
    votes = np.delete(read.votes, place, axis=1)
    if votes.shape[1] == 1:
        return 1.0
    try:
        return effective_votes(votes, read.strata, weight=read.weight).effective.value
    except NotEnoughDataError:
        return None
