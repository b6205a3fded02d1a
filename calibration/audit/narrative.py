"""The audit in sentences: which rates may be corrected, why others may not, and what revised labels show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gnomon.data.records import IntervalEstimate

SIGNIFICANT = 0.05
COUNTS = ("tp", "fp", "fn", "tn")


def correctability_sentence(entry: dict[str, Any]) -> str:
    """Whether this judge's rates may be corrected by this view's labels, in which strata, and why not in others.

    Parameters
    ----------
    entry : dict of str to object
        One of the audit's `judges`: labels (the view), labelled, exposure, strata, youden, correctable,
        correctable_arms and reasons.
    """
    if not entry["labelled"]:
        return f"Cannot be corrected: {'; '.join(entry['reasons'])}."
    may = [arm for arm, yes in entry["correctable_arms"].items() if yes]
    parts = [_main_clause(entry, may), _stratum_sentence(entry, may), _exposure_phrase(entry["exposure"])]
    parts.append(_difference_clause(entry["youden"]["differences"]))
    return " ".join(part for part in parts if part)


def _main_clause(entry: dict[str, Any], may: Sequence[str]) -> str:
    shown = _join_names([f"{arm} ({_youden_phrase(entry['youden']['by_arm'][arm])})" for arm in may])
    by = f"by {_counted_noun(entry['labelled'], entry['labels'] + ' label')}"
    why = "; ".join(entry["reasons"])
    if entry["correctable"]:
        elsewhere = f" Not elsewhere: {why}." if why else ""
        return f"Can be corrected {by}, each arm by its own error rates: {shown}.{elsewhere}"
    also = f" It can in {shown}." if may else ""
    return f"Cannot be corrected for net detection {by}: {why}.{also}"


def _difference_clause(differences: Sequence[dict[str, Any]]) -> str:
    pairs = [
        f"between {each['a']} and {each['b']}"
        for each in differences
        if each["difference"].low > 0 or each["difference"].high < 0
    ]
    return f"Its errors differ {_join_names(pairs)}: use each arm's own rates, never one for all." if pairs else ""


def _exposure_phrase(exposure: dict[str, int]) -> str:
    """Warning that labels given after a verdict are not an independent measure of it."""
    after, unknown = exposure.get("after_verdict", 0), exposure.get("unknown", 0)
    told = [f"{after} came after a verdict was seen"] if after else []
    told += [f"of {unknown} nobody knows what had been seen"] if unknown else []
    return f"Caution: {_join_names(told)}, so they may have followed the judge." if told else ""


def _youden_phrase(estimate: IntervalEstimate) -> str:
    return f"Youden's J {estimate.value:.2f}, {estimate.low:.2f} to {estimate.high:.2f}"


def _stratum_sentence(entry: dict[str, Any], may: Sequence[str]) -> str:
    """How many concepts and subjects could be corrected by their own labels, in correctable arms."""
    counts, lacking = [], False
    for kind in ("concept", "subject"):
        rows = [row for row in entry["strata"] if row[kind] is not None and row["arm"] in may]
        if len({row[kind] for row in rows}) > 1:
            good = sum(row["correctable"] for row in rows)
            lacking |= good < len(rows)
            counts.append(f"{good} of {len(rows)} {kind}s")
    if not counts:
        return ""
    rest = "; for the others use the rates pooled within their arm" if lacking else ""
    return f"Enough labels to correct {_join_names(counts)} separately (counted in each arm){rest}."


def revision_sentences(document: dict[str, Any]) -> str:
    """How labels were revised and what that shows.

    Parameters
    ----------
    document : dict of str to object
        The audit's `revisions`, with `confusion`.
    """
    if not document["n"]:
        return "No label was changed."
    after, toward, away = (document[key] for key in ("after_verdict", "toward_judge", "away_from_judge"))
    told = f"{_counted_noun(document['n'], 'label')} changed, {after} after a verdict had been seen"
    told += f" and {document['unknown']} with unknown exposure" if document["unknown"] else ""
    if not after:
        return f"{told}."
    told += f": {toward} towards the judges' verdicts, {away} away from them."
    return " ".join([told, *_sign_test_sentence(document), *_changed_sentence(document["confusion"])])


def _sign_test_sentence(document: dict[str, Any]) -> Iterable[str]:
    p, moved = document["p_value"], document["toward_judge"] + document["away_from_judge"]
    if p is None:
        return
    exact = "exact p < .001" if p < 0.001 else f"exact p {p:.3f}" if p < 1 else "exact p 1"
    if moved == 1:
        yield f"One revision is no evidence ({exact})."
    elif p < SIGNIFICANT:
        yield f"So many in one direction are unlikely by chance ({exact}): trust the blind labels."
    else:
        yield f"That may be chance ({exact})."


def _changed_sentence(confusions: Sequence[dict[str, Any]]) -> Iterable[str]:
    for each in confusions:
        first, current = each["first"], each["current"]
        if any(first[key] != current[key] for key in COUNTS):
            then, now = _four_counts(first), _four_counts(current)
            yield f"Against the labels as first given, {each['judge']} has {then}; against the current labels, {now}."


def _four_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{key.upper()} {counts[key]}" for key in COUNTS)


def _counted_noun(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _join_names(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
