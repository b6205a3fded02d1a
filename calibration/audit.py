"""The audit: may these judges be trusted, in which arm, with which labels; one document, ready for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from sqlalchemy import func, select

from calibration.confusion import (
    Confusion,
    Evidence,
    by_arm,
    by_concept,
    class_table,
    confusion,
    evidence,
    verdict_states,
    youden_differences,
)
from calibration.correction import corrections, obstacle
from calibration.facts import MEASURING, judge_frame
from calibration.labels import disagreements, reference_labels, revisions
from calibration.matrix import group_agreement, pair_agreement, readings
from data.records import Arm, Estimate, Split, VerdictState
from data.store import Store
from data.tables import events

LOOK = "test_split_look"
NEEDED = (Arm.INJECTION, Arm.CONTROL)


def audit(
    store: Store, *, view: str = "blind", judges: Sequence[str] | None = None, splits: Sequence[str] = MEASURING
) -> dict[str, Any]:
    """Measure judges against the labels of one view.

    Parameters
    ----------
    store : Store
    view : {"blind", "first", "current"}
        Which labels count (`calibration.labels`).
    judges : sequence of str, optional
        Names or versions; by default the newest version of each judge that has spoken.
    splits : sequence of str
        Splits to measure on. Leave out `train` for any judge that may have learnt from it.

    Returns
    -------
    dict
        `judges`: for each one judge (name), version, kind, labels (trials measured on), states (share of calls by
        how they ended), overall and strata (tp, fp, fn, tn, sensitivity, specificity, accuracy, youden: at the top
        for the study's pass and fail, again under as_pass, and for the event under as_event), classes (outcome
        class by label and verdict), youden (of the event, by arm and differences), correctable (in injection and
        control both), correctable_arms, weighted, reasons (why it may not be corrected) and notes.
        `comparison`: event rate by judge, arm and method, with the reason where a method is refused.
        `agreement`: pairs and groups. `revisions`, `disagreements`, `labels` (trials with one in this view),
        `test_split_looks`. An estimate is {value, low, high, se, level, method}, or None where it is undefined.

    Notes
    -----
    Every call that measures on labels of the test split is logged as an event and counted.
    """
    known = judge_frame(store, judges)
    found = evidence(store, known["version"].tolist(), view, splits=splits)
    states = verdict_states(store, known["version"].tolist())
    wide = readings(store, known, view, splits=splits)
    _log_look(store, view, known, found)
    judged = list(zip(known.itertuples(), found, strict=True))
    document = {
        "view": view,
        "splits": [str(split) for split in splits],
        "labels": len(reference_labels(store, view)),
        "judges": [_judge(judge, each, states, view) for judge, each in judged],
        "comparison": [row for judge, each in judged for row in _comparison(str(judge.name), each)],
        "agreement": {"pairs": pair_agreement(wide), "groups": group_agreement(wide)},
        "revisions": revisions(store),
        "disagreements": len(disagreements(store, view)),
        "test_split_looks": looks(store),
    }
    plain: dict[str, Any] = _plain(document)
    return plain


def looks(store: Store) -> int:
    """How often judges were measured on the labels of the test split."""
    query = select(func.count().label("n")).select_from(events).where(events.c.kind == LOOK)
    return int(store.frame(query)["n"].iloc[0])


def _log_look(store: Store, view: str, known: pd.DataFrame, found: Sequence[Evidence]) -> None:
    seen = {trial for each in found for trial in each.pairs.loc[each.pairs["split"] == str(Split.TEST), "trial"]}
    if seen:
        store.log(LOOK, {"view": view, "judges": known["version"].tolist(), "labels": len(seen)})


def _judge(judge: Any, found: Evidence, states: pd.DataFrame, view: str) -> dict[str, Any]:
    rows = found.pairs
    arms = by_arm(rows)
    differences = youden_differences(arms)
    obstacles = {arm: obstacle(arm, found) for arm in _arms(found)}
    own = states[states["judge"] == judge.version]
    shares = dict(zip(own["state"], own["share"].astype(float), strict=True))
    unlabelled = [f"no {view} label stands on a transcript that this judge read: label some"]
    return {
        "judge": judge.name,
        "version": judge.version,
        "kind": judge.kind,
        "labels": len(rows),
        "states": shares,
        "overall": _both(rows),
        "strata": _strata(rows),
        "classes": class_table(rows).to_dict("records"),
        "youden": {
            "by_arm": {arm: each.youden for arm, each in arms.items()},
            "differences": [{"a": a, "b": b, "difference": each} for (a, b), each in differences.items()],
        },
        "correctable": all(obstacles[str(arm)] is None for arm in NEEDED),
        "correctable_arms": {arm: why is None for arm, why in obstacles.items()},
        "weighted": bool(rows["weight"].nunique() > 1),
        "reasons": [why for why in obstacles.values() if why] if len(rows) else unlabelled,
        "notes": _notes(rows, differences, shares),
    }


def _arms(found: Evidence) -> list[str]:
    """The arms that net detection needs, and those that were judged besides."""
    there = set(found.judged["arm"])
    return [str(arm) for arm in Arm if arm in NEEDED or arm in there]


def _both(rows: pd.DataFrame) -> dict[str, Any]:
    passed, event = _rates(confusion(rows, "passed")), _rates(confusion(rows, "event"))
    return {**passed, "as_pass": passed, "as_event": event}


def _strata(rows: pd.DataFrame) -> list[dict[str, Any]]:
    arms = [(arm, None, rows[rows["arm"] == arm]) for arm in by_arm(rows)]
    named = [(arm, name, rows[(rows["arm"] == arm) & (rows["target"] == name)]) for arm, name in by_concept(rows)]
    return [{"arm": arm, "concept": name, "labels": len(part), **_both(part)} for arm, name, part in [*arms, *named]]


def _rates(counted: Confusion) -> dict[str, Any]:
    return {key: value for key, value in asdict(counted).items() if key not in ("positives", "negatives")}


def _comparison(judge: str, found: Evidence) -> list[dict[str, Any]]:
    rows = []
    for arm in sorted(set(found.judged["arm"]), key=list(Arm).index):
        judged, labels = ((frame["arm"] == arm).sum() for frame in (found.judged, found.pairs))
        for method, figure in corrections(arm, found).items():
            shared = {"judge": judge, "arm": arm, "method": method, "judged": int(judged), "labels": int(labels)}
            refused = isinstance(figure, str)
            rows.append({**shared, "estimate": None if refused else figure, "reason": figure if refused else None})
    return rows


def _notes(rows: pd.DataFrame, differences: dict[tuple[str, str], Estimate], states: dict[str, float]) -> list[str]:
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


def _plain(value: Any) -> Any:
    """Estimates as dictionaries and numbers of numpy as Python's, so that the document is valid JSON."""
    if isinstance(value, Estimate):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value
