"""The audit: which judges can be trusted, in which arms, by which labels; one document, ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import pandas as pd

from gnomon.calibration.agreement.pairwise import agreement_of_groups, agreement_of_pairs, reading_patterns
from gnomon.calibration.audit import narrative
from gnomon.calibration.audit.contradictions import audit_contradictions
from gnomon.calibration.audit.drift import (
    UnlabelledDrift,
    drift_of_labels,
    drift_table,
    unlabelled_drift,
)
from gnomon.calibration.audit.repeats import repeat_consistency
from gnomon.calibration.audit.revisions import audit_revisions
from gnomon.calibration.correction.by_stratum import error_strata, overall_error_rates
from gnomon.calibration.correction.evidence import correction_evidence, reason_not_correctable
from gnomon.calibration.correction.methods import NO_PANEL, clipped_sentence, corrected_estimates
from gnomon.calibration.correction.panel_summary import empty_panel, of_panel
from gnomon.calibration.error_rates.confusion import (
    LabelledEvidence,
    by_arm,
    class_table,
    confusion_from_rows,
    pair_counts_with_labels,
    reference_table,
    spoken_versions,
    verdict_states,
    youden_differences,
)
from gnomon.calibration.error_rates.dependence import EventPatterns, event_patterns
from gnomon.calibration.error_rates.judged_counts import JudgedTrials, count_judged, trial_counts
from gnomon.calibration.error_rates.label_randomness import nonrandom_labels
from gnomon.calibration.labels.label_counts import label_funnel
from gnomon.calibration.labels.selecting_judges import stratifying_versions
from gnomon.calibration.labels.truth_summary import summarize_truth
from gnomon.calibration.labels.views import (
    VIEWS,
    label_events,
    one_label_reading,
    rater_labels,
    true_labels,
)
from gnomon.calibration.numerics.number_formats import coefficient_with_interval
from gnomon.calibration.numerics.proportions import CLIPPED
from gnomon.calibration.observations.frames import arms_in, judge_frame, judge_splits
from gnomon.calibration.observations.verdict_table import VerdictTable, read_verdict_table
from gnomon.calibration.posterior.verdict_patterns import UNHEARD, PanelTable, panel_table
from gnomon.calibration.results.agreement import Agreement
from gnomon.calibration.results.audit import (
    AuditDocument,
    ContradictionAudit,
    JudgeAudit,
    JudgeEstimates,
    MethodComparison,
    RevisedConfusion,
    RevisionAudit,
    ViewAudit,
)
from gnomon.calibration.results.error_rates import (
    ClassCell,
    ConfusionCells,
    NonrandomLabels,
    RepeatConsistency,
    YoudenByArm,
    YoudenDifference,
)
from gnomon.calibration.results.label_funnel import LabelFunnel
from gnomon.calibration.results.panel import PanelSummary
from gnomon.calibration.results.truth_summary import TruthSummary
from gnomon.calibration.sequential.look_record import count_test_looks, record_look
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import Arm, Exposure, Split, VerdictState
from gnomon.data.results import Estimate, finite_estimate
from gnomon.data.storage.store import Store


class _JudgeRow(Protocol):
    """One row of `judge_frame` with the column that `_measure_judges` adds."""

    name: str
    version: str
    kind: str
    newest: bool


@dataclass(frozen=True, slots=True)
class _ViewFacts:
    """What one view of the labels says besides each judge's errors."""

    funnel: LabelFunnel
    truth: TruthSummary
    agreement: Agreement
    together: PanelSummary


@dataclass(frozen=True, slots=True)
class _SharedFacts:
    """What does not depend on the view."""

    revisions: RevisionAudit
    contradictions: ContradictionAudit
    test_split_looks: int


@dataclass(frozen=True, slots=True)
class _Measured:
    """Judges (frame of `judge_frame`), the study's arms, every verdict, each judge's verdicts as counts and in time,
    the states of its calls, its repeat consistency, and the panel.
    """

    judges: pd.DataFrame
    arms: Sequence[str]
    splits: Sequence[str] | None
    table: VerdictTable
    judged: Sequence[JudgedTrials]
    drift: Mapping[str, UnlabelledDrift]
    states: pd.DataFrame
    repeats: Mapping[str, RepeatConsistency | None]
    panel: PanelTable | None
    said: EventPatterns


@one_label_reading()
def audit_study(
    store: Store, *, view: str = "blind", judges: Sequence[str] | None = None, splits: Sequence[str] | None = None
) -> ViewAudit:
    """Measure judges against the labels of one view.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    judges : sequence of str, optional
        Names or versions; by default the newest version of each judge with verdicts.
    splits : sequence of str, optional
        Splits to measure on. By default all for judges that were imported with their verdicts, and all but
        `train` for others, which may have been trained on it.

    Notes
    -----
    Every call that measures on labels of the test split is logged as an event and counted.
    """
    measured = _measure_judges(store, judge_frame(store, judges), splits)
    labels = {view: reference_table(store, view)}
    found = {view: pair_counts_with_labels(measured.judged, labels[view])}
    seen = _view_facts(store, measured, view, found[view], [])
    entries = _judge_entries(measured, found)
    comparison = _method_comparisons(measured, found, {view: seen.together})
    shared = _shared_facts(store, measured, found)
    return ViewAudit(
        view=view,
        labelled=len(labels[view]),
        judges=entries,
        comparison=comparison,
        funnel=seen.funnel,
        disagreements=seen.truth.disagreements,
        adjudicated=seen.truth.adjudicated,
        truth=seen.truth,
        agreement=seen.agreement,
        together=seen.together,
        revisions=shared.revisions,
        contradictions=shared.contradictions,
        test_split_looks=shared.test_split_looks,
    )


@one_label_reading()
def audit_views(
    store: Store,
    *,
    views: Sequence[str] = VIEWS,
    judges: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
) -> AuditDocument:
    """Measure every judge version against the labels of each view; `gnomon calibrate` prints the result.

    Parameters
    ----------
    store : Store
        Store of the study.
    views : sequence of {"blind", "first", "current"}, default all
        Label views to measure against.
    judges : sequence of str, optional
        Names or versions; by default every version with verdicts.
    splits : sequence of str, optional
        As in `audit_study`.

    Notes
    -----
    A call that measures on labels of the test split is one look, for any number of views and judges, unless its labels,
    verdicts and rules are those of an earlier look (`sequential.look_record`).
    """
    measured = _measure_judges(store, judge_frame(store, spoken_versions(store) if judges is None else judges), splits)
    labels = {view: reference_table(store, view) for view in views}
    found = {view: pair_counts_with_labels(measured.judged, labels[view]) for view in views}
    panels: list[_KnownPanel] = []
    each = {view: _view_facts(store, measured, view, found[view], panels) for view in views}
    entries = _judge_entries(measured, found)
    comparison = _method_comparisons(measured, found, {view: part.together for view, part in each.items()})
    shared = _shared_facts(store, measured, found)
    return AuditDocument(
        views=tuple(views),
        labelled={view: len(part) for view, part in labels.items()},
        judges=entries,
        comparison=comparison,
        funnel={view: part.funnel for view, part in each.items()},
        disagreements={view: part.truth.disagreements for view, part in each.items()},
        adjudicated={view: part.truth.adjudicated for view, part in each.items()},
        truth={view: part.truth for view, part in each.items()},
        agreement={view: part.agreement for view, part in each.items()},
        together={view: part.together for view, part in each.items()},
        revisions=shared.revisions,
        contradictions=shared.contradictions,
        test_split_looks=shared.test_split_looks,
    )


def _measure_judges(store: Store, judges: pd.DataFrame, splits: Sequence[str] | None) -> _Measured:
    versions, newest = judges["version"].tolist(), judge_frame(store)["version"].tolist()
    stratifying = stratifying_versions(store)
    table = read_verdict_table(store, [*versions, *newest, *stratifying, *spoken_versions(store)])
    labelled = label_events(store, "everyone")["trial"].unique().tolist()
    named = zip(judges["version"].tolist(), judges["kind"].tolist(), strict=True)
    own = [(str(version), judge_splits(str(kind), splits)) for version, kind in named]
    panel = _panel_table(table, judges, splits)
    members = () if panel is None else panel.versions
    return _Measured(
        judges=judges.assign(newest=judges["version"].isin(newest)),
        arms=arms_in(table.cells),
        splits=splits,
        table=table,
        judged=count_judged(table, own, stratifying, labelled),
        drift=_drift_by_version(table, own, labelled),
        states=verdict_states(store, versions),
        repeats=repeat_consistency(store, versions),
        panel=panel,
        said=event_patterns(table, [each for each in own if each[0] in members]),
    )


def _drift_by_version(
    table: VerdictTable, own: Sequence[tuple[str, Sequence[str]]], labelled: Sequence[str]
) -> dict[str, UnlabelledDrift]:
    places = pd.Index(table.places_of(labelled))
    return {version: unlabelled_drift(drift_table(table, version, splits), places) for version, splits in own}


@dataclass(frozen=True, slots=True, eq=False)
class _KnownPanel:
    """The joint posterior by some labels: views with the same labels have the same."""

    labels: pd.DataFrame
    found: Sequence[LabelledEvidence]
    summary: PanelSummary

    def is_of(self, labels: pd.DataFrame, found: Sequence[LabelledEvidence]) -> bool:
        """Whether it rests on these labels and this evidence."""
        same = all(one.pairs.equals(other.pairs) for one, other in zip(self.found, found, strict=True))
        return same and self.labels.equals(labels)


def _view_facts(
    store: Store, measured: _Measured, view: str, found: Sequence[LabelledEvidence], panels: list[_KnownPanel]
) -> _ViewFacts:
    read = reading_patterns(measured.table, measured.judges, rater_labels(store, view, "everyone"), measured.splits)
    return _ViewFacts(
        funnel=label_funnel(store, view),
        truth=summarize_truth(store, view),
        agreement=Agreement(pairs=tuple(agreement_of_pairs(read)), groups=tuple(agreement_of_groups(read))),
        together=_panel_summary(measured, true_labels(store, view), found, panels),
    )


def _panel_summary(
    measured: _Measured, labels: pd.DataFrame, found: Sequence[LabelledEvidence], known: list[_KnownPanel]
) -> PanelSummary:
    if measured.panel is None:
        return empty_panel(UNHEARD)
    labels = labels[["trial", "arm", "outcome", "event"]]
    for panel in known:
        if panel.is_of(labels, found):
            return panel.summary
    evidence = dict(zip(measured.judges["version"], found, strict=True))
    summary = of_panel(measured.panel, labels, evidence, said=measured.said)
    known.append(_KnownPanel(labels, found, summary))
    return summary


def _shared_facts(store: Store, measured: _Measured, found: Mapping[str, list[LabelledEvidence]]) -> _SharedFacts:
    """Parts of the document that do not depend on the view; logs the look at the test split."""
    changed = audit_revisions(store)
    confusion = _first_and_current(store, measured, found) if changed.n else ()
    words = narrative.revision_sentences(changed, confusion)
    looks = _count_looks(store, measured, found)
    return _SharedFacts(
        revisions=RevisionAudit(**vars(changed), confusion=confusion, words=words),
        contradictions=audit_contradictions(store, measured.table),
        test_split_looks=looks,
    )


def _first_and_current(
    store: Store, measured: _Measured, found: Mapping[str, list[LabelledEvidence]]
) -> tuple[RevisedConfusion, ...]:
    """Counts of pass and fail of each judge by the labels as first given and as they are now."""
    first, current = (
        found[view] if view in found else pair_counts_with_labels(measured.judged, reference_table(store, view))
        for view in ("first", "current")
    )
    return tuple(
        RevisedConfusion(
            judge=judge.name,
            version=judge.version,
            first=_cell_counts(first[place].pairs),
            current=_cell_counts(current[place].pairs),
        )
        for place, judge in enumerate(_judge_rows(measured))
    )


def _cell_counts(pairs: pd.DataFrame) -> ConfusionCells:
    counted = confusion_from_rows(pairs, "passed")
    return ConfusionCells(tp=counted.tp, fp=counted.fp, fn=counted.fn, tn=counted.tn)


def _judge_rows(measured: _Measured) -> list[_JudgeRow]:
    return cast("list[_JudgeRow]", list(measured.judges.itertuples(index=False)))


def _count_looks(store: Store, measured: _Measured, found: Mapping[str, list[LabelledEvidence]]) -> int:
    """Looks at the test split so far, with this one where it measures on labels of that split."""
    pairs = [each.pairs for every in found.values() for each in every]
    seen = {trial for rows in pairs for trial in rows.loc[rows["split"] == str(Split.TEST), "trial"]}
    if not seen:
        return count_test_looks(store)
    versions = measured.judges["version"].tolist()
    return record_look(store, {"views": list(found), "judges": versions, "labels": len(seen)})


def _judge_entries(measured: _Measured, found: Mapping[str, list[LabelledEvidence]]) -> tuple[JudgeAudit, ...]:
    entries = []
    for place, judge in enumerate(_judge_rows(measured)):
        known: list[tuple[pd.DataFrame, JudgeEstimates]] = []
        for view, every in found.items():
            pairs = every[place].pairs
            estimates = next((estimates for other, estimates in known if other.equals(pairs)), None)
            if estimates is None:
                estimates = _judge_estimates(measured, judge, every[place])
                known.append((pairs, estimates))
            entries.append(_judge_entry(measured, judge, estimates, view))
    return tuple(entries)


def _judge_entry(measured: _Measured, judge: _JudgeRow, estimates: JudgeEstimates, view: str) -> JudgeAudit:
    if not estimates.labelled:
        reason = f"no {view} label on a trial that this judge has judged: label some"
        estimates = estimates.model_copy(update={"reasons": (reason,)})
    return JudgeAudit(
        judge=judge.name,
        version=judge.version,
        kind=judge.kind,
        newest=bool(judge.newest),
        labels=view,
        splits=tuple(judge_splits(judge.kind, measured.splits)),
        **vars(estimates),
        consistency=measured.repeats[judge.version],
        verdict=narrative.correctability_sentence(estimates, view),
    )


def _judge_estimates(measured: _Measured, judge: _JudgeRow, found: LabelledEvidence) -> JudgeEstimates:
    """Estimates for one judge from the labels of one view."""
    rows = found.pairs
    youden = _youden_by_arm(rows)
    arms = _arms_with_labels(found, measured.arms)
    evidence = {arm: correction_evidence(arm, found) for arm in arms}
    obstacles = {arm: reason_not_correctable(each) for arm, each in evidence.items()}
    nonrandom = nonrandom_labels(rows, found.judged)
    own = measured.states[measured.states["judge"] == judge.version]
    shares = dict(zip(own["state"], own["share"].astype(float), strict=True))
    return JudgeEstimates(
        labelled=len(rows),
        exposure={str(kind): int((rows["exposure"] == str(kind)).sum()) for kind in Exposure},
        states=shares,
        overall=overall_error_rates(rows),
        strata=tuple(error_strata(found)),
        classes=tuple(ClassCell.model_validate(row) for row in class_table(rows).to_dict("records")),
        youden=youden,
        evidence=evidence,
        correctable=all(obstacles[arm] is None for arm in narrative.needed_arms(arms)),
        correctable_arms={arm: why is None for arm, why in obstacles.items()},
        weighted=bool(rows["weight"].nunique() > 1),
        nonrandom_labels=tuple(nonrandom),
        reasons=tuple(why for why in obstacles.values() if why),
        notes=(*_judge_notes(rows, youden, shares, nonrandom), *_clipped_notes(found, arms)),
        drift=drift_of_labels(measured.drift[judge.version], _truth_by_place(measured.table, rows)),
    )


def _truth_by_place(table: VerdictTable, rows: pd.DataFrame) -> pd.Series[bool]:
    """The label's event by row of the table; rows are in the order of trial ids, as the table is."""
    return rows["true_event"].set_axis(pd.Index(table.places_of(rows["trial"].tolist())))


def _youden_by_arm(rows: pd.DataFrame) -> YoudenByArm:
    arms = by_arm(rows)
    return YoudenByArm(
        by_arm={arm: finite_estimate(each.youden) for arm, each in arms.items()},
        differences=tuple(
            YoudenDifference(a=a, b=b, difference=finite_estimate(each))
            for (a, b), each in youden_differences(arms).items()
        ),
    )


def _arms_with_labels(found: LabelledEvidence, study: Sequence[str]) -> list[str]:
    """Arms with verdicts, and both that net detection needs unless the study injects nothing but has other arms."""
    needed = [arm for arm in narrative.NEEDED if arm in study or str(Arm.INJECTION) in study or not study]
    there = {*found.judged["arm"], *needed}
    return [str(arm) for arm in Arm if arm in there]


def _method_comparisons(
    measured: _Measured, found: Mapping[str, list[LabelledEvidence]], together: Mapping[str, PanelSummary]
) -> tuple[MethodComparison, ...]:
    return tuple(
        row
        for place, judge in enumerate(_judge_rows(measured))
        for view, every in found.items()
        for row in _judge_comparison(judge, view, every[place], together[view])
    )


def _panel_table(table: VerdictTable, judges: pd.DataFrame, splits: Sequence[str] | None) -> PanelTable | None:
    """Verdicts of the newest version of each judge, for all views."""
    try:
        return panel_table(table, judges.drop_duplicates("name"), splits)
    except NotEnoughDataError:
        return None


def _judge_comparison(
    judge: _JudgeRow, view: str, found: LabelledEvidence, panel: PanelSummary
) -> list[MethodComparison]:
    rows = []
    for arm in sorted(set(found.judged["arm"]), key=list(Arm).index):
        judged = int(trial_counts(found.judged)[found.judged["arm"] == arm].sum())
        labelled = int((found.pairs["arm"] == arm).sum())
        corrected = corrected_estimates(arm, found)
        estimates: dict[str, Estimate | str | None] = {
            method: each if isinstance(each, str) else finite_estimate(each) for method, each in corrected.items()
        }
        estimates["panel"] = _panel_estimate(arm, panel)
        for method, each in estimates.items():
            rows.append(
                MethodComparison(
                    judge=judge.name,
                    version=judge.version,
                    view=view,
                    arm=arm,
                    method=method,
                    judged=judged,
                    labelled=labelled,
                    estimate=None if isinstance(each, str) else each,
                    clipped=isinstance(each, Estimate) and each.method.endswith(CLIPPED),
                    reason=each if isinstance(each, str) else None,
                )
            )
    return rows


def _panel_estimate(arm: str, panel: PanelSummary) -> Estimate | str:
    """The event rate of an arm by all judges together, or why there is none."""
    row = next((row for row in panel.arms if row.arm == arm), None)
    if row is None:
        return NO_PANEL.format(arm=arm)
    return row.independent or str(row.reason)


def _clipped_notes(found: LabelledEvidence, arms: Sequence[str]) -> list[str]:
    """Corrections that left the range of a rate and were cut."""
    notes = [clipped_sentence(arm, found) for arm in arms]
    return [note for note in notes if note is not None]


def _judge_notes(
    rows: pd.DataFrame, youden: YoudenByArm, states: Mapping[str, float], nonrandom: Sequence[NonrandomLabels]
) -> list[str]:
    notes = [narrative.nonrandom_sentence(each) for each in nonrandom]
    notes += [
        f"Youden's J differs between {each.a} and {each.b} by "
        f"{coefficient_with_interval(difference, sign=True)}: one sensitivity and "
        "specificity for both arms would be wrong"
        for each in youden.differences
        if (difference := each.difference) and each.excludes_zero
    ]
    lost = 1 - states.get(str(VerdictState.OK), 0.0)
    if lost > 0:
        notes.append(f"{100 * lost:.1f} % of its calls gave no verdict and count nowhere")
    if rows["weight"].nunique() > 1 and not nonrandom:
        notes.append("labels were chosen with unequal chances: rates are weighted to all trials that it judged")
    return notes
