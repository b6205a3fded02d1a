"""The audit: which judges can be trusted, in which arms, by which labels; one document, ready for JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import pandas as pd
from sqlalchemy import func, select

from gnomon.calibration.agreement.pairwise import group_agreement, pair_agreement, reading_table
from gnomon.calibration.audit import narrative
from gnomon.calibration.audit.contradictions import audit_contradictions
from gnomon.calibration.audit.drift import judge_drift, repeat_consistency
from gnomon.calibration.audit.revisions import audit_revisions
from gnomon.calibration.correction.by_stratum import error_strata, stratum_rates
from gnomon.calibration.correction.methods import Correction, corrected_estimates, reason_not_correctable
from gnomon.calibration.correction.panel_summary import empty_panel, of_panel
from gnomon.calibration.error_rates.confusion import (
    LabelledEvidence,
    by_arm,
    class_table,
    confusion_from_rows,
    judged_trials,
    pair_with_labels,
    reference_table,
    spoken_versions,
    verdict_states,
    verdict_times,
    verdicts_of,
    youden_differences,
)
from gnomon.calibration.labels.views import VIEWS, rater_disagreements, rater_labels, reference_labels_of
from gnomon.calibration.observations.frames import judge_frame, judge_splits
from gnomon.calibration.posterior.verdict_patterns import UNHEARD, PanelReading, panel_reading
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.records import Arm, Exposure, IntervalEstimate, Split, VerdictState
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import events

LOOK = "test_split_look"
NEEDED = (Arm.INJECTION, Arm.CONTROL)


@dataclass(frozen=True, slots=True)
class _Measured:
    """Judges (frame of `judge_frame`), their verdicts, states and times of their calls, and their repeat
    consistency.
    """

    judges: pd.DataFrame
    splits: Sequence[str] | None
    judged: Sequence[pd.DataFrame]
    states: pd.DataFrame
    times: pd.DataFrame
    repeats: dict[str, Any]
    panel: PanelReading | None


def audit_study(
    store: Store, *, view: str = "blind", judges: Sequence[str] | None = None, splits: Sequence[str] | None = None
) -> dict[str, Any]:
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

    Returns
    -------
    dict
        `view` and the keys of `audit_views`, with comparison, agreement, disagreements and labelled (trials with
        a label) of this view alone.

    Notes
    -----
    Every call that measures on labels of the test split is logged as an event and counted.
    """
    measured = _measure_judges(store, judge_frame(store, judges), splits)
    labels = {view: reference_table(store, view)}
    found = {view: pair_with_labels(measured.judged, labels[view])}
    seen = _view_document(store, measured, view, found[view])
    plain: dict[str, Any] = _json_ready(
        {
            "view": view,
            "labelled": len(labels[view]),
            "judges": _judge_entries(measured, found),
            "comparison": _method_comparisons(measured, found, {view: seen["together"]}),
            **seen,
            **_common_document(store, measured, found),
        }
    )
    return plain


def audit_views(
    store: Store,
    *,
    views: Sequence[str] = VIEWS,
    judges: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
) -> dict[str, Any]:
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

    Returns
    -------
    dict
        `views`. `judges`, one entry for each version and view: judge (name), version, kind, newest (of its name),
        labels (the view), labelled (trials measured on), exposure (what their raters had seen), splits, states
        (share of calls by state), overall and strata (tp, fp, fn, tn, sensitivity, specificity, accuracy,
        youden: at the top for the study's pass and fail, again under as_pass, and for the event under as_event;
        strata also with pooled rates, correctable and reason), classes (outcome class by label and verdict), youden
        (of the event, by arm and differences), correctable (in injection and control both), correctable_arms,
        weighted, reasons (why it may not be corrected), notes, drift, consistency and verdict (in words).
        `comparison`: event rate by judge, view, arm and method, with the reason if a method is refused.
        `agreement` (pairs and groups), `together` (all judges: `correction.panel_summary`), `disagreements` and
        `labelled`, each by view. `revisions`, `contradictions` and `test_split_looks`. An estimate is
        {value, low, high, se, level, method}, or None if it is undefined.

    Notes
    -----
    A call that measures on labels of the test split counts as one look, for any number of views and judges.
    """
    measured = _measure_judges(store, judge_frame(store, spoken_versions(store) if judges is None else judges), splits)
    labels = {view: reference_table(store, view) for view in views}
    found = {view: pair_with_labels(measured.judged, labels[view]) for view in views}
    each = {view: _view_document(store, measured, view, found[view]) for view in views}
    plain: dict[str, Any] = _json_ready(
        {
            "views": list(views),
            "labelled": {view: len(part) for view, part in labels.items()},
            "judges": _judge_entries(measured, found),
            "comparison": _method_comparisons(measured, found, {view: part["together"] for view, part in each.items()}),
            **{
                key: {view: part[key] for view, part in each.items()}
                for key in ("disagreements", "agreement", "together")
            },
            **_common_document(store, measured, found),
        }
    )
    return plain


def count_test_looks(store: Store) -> int:
    """Number of times that judges were measured on labels of the test split."""
    query = select(func.count().label("n")).select_from(events).where(events.c.kind == LOOK)
    return int(store.read_frame(query)["n"].iloc[0])


def _measure_judges(store: Store, judges: pd.DataFrame, splits: Sequence[str] | None) -> _Measured:
    versions = judges["version"].tolist()
    newest = judges["version"].isin(judge_frame(store)["version"])
    heard = verdicts_of(store, versions)
    return _Measured(
        judges=judges.assign(newest=newest),
        splits=splits,
        judged=judged_trials(store, versions, splits=splits, heard=heard),
        states=verdict_states(store, versions),
        times=verdict_times(store, versions),
        repeats={version: repeat_consistency(store, version) for version in versions},
        panel=_panel_reading(store, judges, splits, heard),
    )


def _view_document(store: Store, measured: _Measured, view: str, found: Sequence[LabelledEvidence]) -> dict[str, Any]:
    labels = rater_labels(store, view)
    wide = reading_table(measured.judges, measured.judged, labels, measured.splits)
    agreement = {"pairs": pair_agreement(wide), "groups": group_agreement(wide)}
    everyone = _panel_document(measured, reference_labels_of(labels), found)
    return {"disagreements": len(rater_disagreements(store, view)), "agreement": agreement, "together": everyone}


def _panel_document(measured: _Measured, labels: pd.DataFrame, found: Sequence[LabelledEvidence]) -> dict[str, Any]:
    if measured.panel is None:
        return empty_panel(UNHEARD)
    return of_panel(measured.panel, labels, dict(zip(measured.judges["version"], found, strict=True)))


def _common_document(store: Store, measured: _Measured, found: dict[str, list[LabelledEvidence]]) -> dict[str, Any]:
    """Parts of the document that do not depend on the view; logs the look at the test split."""
    changed = audit_revisions(store)
    changed["confusion"] = _first_and_current(store, measured, found) if changed["n"] else []
    _log_look(store, measured, found)
    return {
        "revisions": {**changed, "words": narrative.revision_sentences(changed)},
        "contradictions": audit_contradictions(store),
        "test_split_looks": count_test_looks(store),
    }


def _first_and_current(
    store: Store, measured: _Measured, found: dict[str, list[LabelledEvidence]]
) -> list[dict[str, Any]]:
    """Counts of pass and fail of each judge by the labels as first given and as they are now."""
    views = {
        view: found[view] if view in found else pair_with_labels(measured.judged, reference_table(store, view))
        for view in ("first", "current")
    }
    return [
        {"judge": judge.name, "version": judge.version}
        | {view: _confusion_counts(every[place].pairs) for view, every in views.items()}
        for place, judge in enumerate(measured.judges.itertuples())
    ]


def _confusion_counts(pairs: pd.DataFrame) -> dict[str, int]:
    counted = confusion_from_rows(pairs, "passed")
    return {"tp": counted.tp, "fp": counted.fp, "fn": counted.fn, "tn": counted.tn}


def _log_look(store: Store, measured: _Measured, found: dict[str, list[LabelledEvidence]]) -> None:
    pairs = [each.pairs for every in found.values() for each in every]
    seen = {trial for rows in pairs for trial in rows.loc[rows["split"] == str(Split.TEST), "trial"]}
    if seen:
        versions = measured.judges["version"].tolist()
        store.log_event(LOOK, {"views": list(found), "judges": versions, "labels": len(seen)})


def _judge_entries(measured: _Measured, found: dict[str, list[LabelledEvidence]]) -> list[dict[str, Any]]:
    entries = []
    for place, judge in enumerate(measured.judges.itertuples()):
        known: list[tuple[pd.DataFrame, dict[str, Any]]] = []
        for view, every in found.items():
            pairs = every[place].pairs
            figures = next((figures for other, figures in known if other.equals(pairs)), None)
            if figures is None:
                figures = _judge_estimates(measured, judge, every[place])
                known.append((pairs, figures))
            entries.append(_judge_entry(measured, judge, figures, view))
    return entries


def _judge_entry(measured: _Measured, judge: Any, figures: dict[str, Any], view: str) -> dict[str, Any]:
    entry = {
        "judge": judge.name,
        "version": judge.version,
        "kind": judge.kind,
        "newest": bool(judge.newest),
        "labels": view,
        "splits": list(judge_splits(judge.kind, measured.splits)),
        **figures,
        "consistency": measured.repeats[judge.version],
    }
    if not entry["labelled"]:
        entry["reasons"] = [f"no {view} label on a trial that this judge has judged: label some"]
    return {**entry, "verdict": narrative.correctability_sentence(entry)}


def _judge_estimates(measured: _Measured, judge: Any, found: LabelledEvidence) -> dict[str, Any]:
    """Estimates for one judge from the labels of one view."""
    rows = found.pairs
    arms = by_arm(rows)
    differences = youden_differences(arms)
    obstacles = {arm: reason_not_correctable(arm, found) for arm in _arms_with_labels(found)}
    own, times = (frame[frame["judge"] == judge.version] for frame in (measured.states, measured.times))
    shares = dict(zip(own["state"], own["share"].astype(float), strict=True))
    return {
        "labelled": len(rows),
        "exposure": {str(kind): int((rows["exposure"] == str(kind)).sum()) for kind in Exposure},
        "states": shares,
        "overall": stratum_rates(rows),
        "strata": error_strata(found),
        "classes": class_table(rows).to_dict("records"),
        "youden": {
            "by_arm": {arm: each.youden for arm, each in arms.items()},
            "differences": [{"a": a, "b": b, "difference": each} for (a, b), each in differences.items()],
        },
        "correctable": all(obstacles[str(arm)] is None for arm in NEEDED),
        "correctable_arms": {arm: why is None for arm, why in obstacles.items()},
        "weighted": bool(rows["weight"].nunique() > 1),
        "reasons": [why for why in obstacles.values() if why],
        "notes": _judge_notes(rows, differences, shares),
        "drift": judge_drift(times, found),
    }


def _arms_with_labels(found: LabelledEvidence) -> list[str]:
    """Arms that net detection needs, and further arms with verdicts."""
    there = set(found.judged["arm"])
    return [str(arm) for arm in Arm if arm in NEEDED or arm in there]


def _method_comparisons(
    measured: _Measured, found: dict[str, list[LabelledEvidence]], together: dict[str, dict[str, Any]]
) -> list[dict[str, Any]]:
    return [
        {"judge": judge.name, "version": judge.version, "view": view, **row}
        for place, judge in enumerate(measured.judges.itertuples())
        for view, every in found.items()
        for row in _judge_comparison(every[place], _panel_by_arm(together[view]))
    ]


def _panel_by_arm(together: dict[str, Any]) -> Correction:
    """Event rate of each arm by all judges together, or the reason why there is none."""
    return {row["arm"]: row["independent"] or str(row["reason"]) for row in together["arms"]}


def _panel_reading(
    store: Store, judges: pd.DataFrame, splits: Sequence[str] | None, heard: pd.DataFrame
) -> PanelReading | None:
    """Verdicts of the newest version of each judge, read once for all views."""
    try:
        first = judges.drop_duplicates("name")["version"].tolist()
        return panel_reading(store, judges=first, splits=splits, heard=heard)
    except NotEnoughDataError:
        return None


def _judge_comparison(found: LabelledEvidence, panel: Correction) -> list[dict[str, Any]]:
    rows = []
    for arm in sorted(set(found.judged["arm"]), key=list(Arm).index):
        judged, labelled = ((frame["arm"] == arm).sum() for frame in (found.judged, found.pairs))
        for method, figure in corrected_estimates(arm, found, panel).items():
            shared = {"arm": arm, "method": method, "judged": int(judged), "labelled": int(labelled)}
            refused = isinstance(figure, str)
            rows.append({**shared, "estimate": None if refused else figure, "reason": figure if refused else None})
    return rows


def _judge_notes(
    rows: pd.DataFrame, differences: dict[tuple[str, str], IntervalEstimate], states: dict[str, float]
) -> list[str]:
    notes = [
        f"Youden's J differs between {a} and {b} by {each.value:+.2f} (95 % interval {each.low:+.2f} to "
        f"{each.high:+.2f}): one sensitivity and specificity for both arms would be wrong"
        for (a, b), each in differences.items()
        if each.low > 0 or each.high < 0
    ]
    lost = 1 - states.get(str(VerdictState.OK), 0.0)
    if lost > 0:
        notes.append(f"{100 * lost:.1f} % of its calls gave no verdict and count nowhere")
    if rows["weight"].nunique() > 1:
        notes.append("labels were chosen with unequal chances: rates are weighted back to all transcripts it read")
    return notes


def _json_ready(value: Any) -> Any:
    """Convert to strict JSON: estimates to dictionaries, NumPy numbers to Python's, numbers that are not finite to
    None.
    """
    if isinstance(value, IntervalEstimate) and not (math.isfinite(value.low) and math.isfinite(value.high)):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return _json_ready(asdict(value))
    if isinstance(value, dict):
        return {str(key): _json_ready(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_json_ready(part) for part in value]
    bare = value.item() if hasattr(value, "item") else value
    return None if isinstance(bare, float) and not math.isfinite(bare) else bare
