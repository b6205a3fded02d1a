"""The audit in sentences: how well labels support corrections, what is lacking, and what revised labels show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gnomon.calibration.numerics.multiple_testing import format_p
from gnomon.calibration.numerics.number_formats import coefficient_with_interval
from gnomon.calibration.results.audit import JudgeEstimates, LabelRevisions, RevisedConfusion
from gnomon.calibration.results.error_rates import (
    ConfusionCells,
    CorrectionEvidence,
    EvidenceLevel,
    NonrandomLabels,
    YoudenDifference,
)
from gnomon.data.records import Arm
from gnomon.data.results import Estimate

SIGNIFICANT = 0.05
EQUAL_WEIGHTS = 0.5
CHOICE_VERBS = {"verdict": "have a positive verdict", "dispute": "are disputed between judges"}
NEEDED = (str(Arm.INJECTION), str(Arm.CONTROL))
"""Arms that net detection needs."""


def needed_arms(arms: Iterable[str]) -> list[str]:
    """Of an audit's arms those that the main estimate needs: those of net detection, or all where it has none."""
    there = list(arms)
    return [arm for arm in NEEDED if arm in there] or there


def correctability_sentence(judge: JudgeEstimates, view: str) -> str:
    """How well this view's labels support a correction of this judge's rates, in which strata, and what is lacking.

    Parameters
    ----------
    judge : JudgeEstimates
        What the labels say of the judge.
    view : str
        Name of the view of the labels.
    """
    if not judge.labelled:
        return f"Cannot be corrected: {'; '.join(judge.reasons)}."
    may = [arm for arm, yes in judge.correctable_arms.items() if yes]
    return " ".join([_main_clause(judge, view, may), *further_sentences(judge)])


def further_sentences(judge: JudgeEstimates) -> list[str]:
    """What else a reader of a correction must know: strata, exposure of the labels, arms that differ, selection."""
    may = [arm for arm, yes in judge.correctable_arms.items() if yes]
    parts = [_stratum_sentence(judge, may), _exposure_phrase(judge.exposure)]
    parts.append(_difference_clause(judge.youden.differences))
    if judge.nonrandom_labels:
        arms = _join_names([each.arm for each in judge.nonrandom_labels])
        parts.append(f"Caution: the labels of {arms} do not look like a random sample (see below).")
    return [part for part in parts if part]


def _main_clause(judge: JudgeEstimates, view: str, may: Sequence[str]) -> str:
    shown = _join_names([f"{arm} ({evidence_phrase(judge.evidence[arm])})" for arm in may])
    by = f"by {_counted_noun(judge.labelled, view + ' label')}"
    why = "; ".join(judge.reasons)
    if judge.correctable:
        elsewhere = f" Not elsewhere: {why}." if why else ""
        weak = [arm for arm in needed_arms(judge.evidence) if not judge.evidence[arm].is_sufficient]
        caution = f"with weak evidence in {_join_names(weak)}, " if weak else ""
        return f"Can be corrected {by}, {caution}each arm by its own error rates: {shown}.{elsewhere}"
    also = f" It can in {shown}." if may else ""
    what = " for net detection" if set(NEEDED) <= set(judge.evidence) else ""
    return f"Cannot be corrected{what} {by}: {why}.{also}"


def evidence_phrase(evidence: CorrectionEvidence) -> str:
    """Youden's J, level and labels behind it: "Youden's J 0.90 (0.82 to 0.95); strong evidence, 40 events and ..."."""
    return f"{_youden_phrase(evidence.youden)}; {level_phrase(evidence)}"


def level_phrase(evidence: CorrectionEvidence) -> str:
    """Level and the labels behind it: "strong evidence, 40 events and 62 others labelled"."""
    counts = f"{_counted_noun(evidence.positives, 'event')} and {_counted_noun(evidence.negatives, 'other')} labelled"
    effective = evidence.effective_positives + evidence.effective_negatives
    if evidence.positives + evidence.negatives - effective > EQUAL_WEIGHTS:
        counts += f", worth {evidence.effective_positives:.0f} and {evidence.effective_negatives:.0f} as weighted"
    level = "inverted" if evidence.level is EvidenceLevel.INVERTED else f"{evidence.level} evidence"
    return f"{level}, {counts}"


def needs_sentences(judge: JudgeEstimates) -> Iterable[str]:
    """What the evidence of each arm below moderate needs for the next level."""
    for arm, evidence in judge.evidence.items():
        if evidence.needs and not evidence.is_sufficient:
            yield f"{arm.capitalize()}: {evidence.needs}."


def nonrandom_sentence(labels: NonrandomLabels) -> str:
    """That labels declared random do not look so, and what is done about it."""
    p = format_p(labels.p_value)
    shares = [f"{100 * share:.3g} %" for share in (labels.labelled_positive, labels.unlabelled_positive)]
    return (
        f"labels of the {labels.arm} arm do not look like a random sample: {shares[0]} of the "
        f"{labels.labelled:,} labelled trials {CHOICE_VERBS[labels.by]}, {shares[1]} of the {labels.unlabelled:,} "
        f"others (Fisher's exact {p}). Corrected estimates are right only if nothing but "
        "the verdicts chose the labels: import stratum and probability of each, or label a random sample"
    )


def _difference_clause(differences: Sequence[YoudenDifference]) -> str:
    pairs = [f"between {each.a} and {each.b}" for each in differences if each.excludes_zero]
    return f"Its errors differ {_join_names(pairs)}: use each arm's own rates, never one for all." if pairs else ""


def _exposure_phrase(exposure: Mapping[str, int]) -> str:
    """Warning that labels given after a verdict are not an independent measure of it."""
    after, unknown = exposure.get("after_verdict", 0), exposure.get("unknown", 0)
    told = [f"{after} came after a verdict was seen"] if after else []
    told += [f"of {unknown} nobody knows what had been seen"] if unknown else []
    return f"Caution: {_join_names(told)}, so they may have followed the judge." if told else ""


def _youden_phrase(estimate: Estimate | None) -> str:
    if estimate is None:
        return "Youden's J unknown"
    return f"Youden's J {coefficient_with_interval(estimate)}"


def _stratum_sentence(judge: JudgeEstimates, may: Sequence[str]) -> str:
    """How many concepts and models could be corrected by their own labels, in correctable arms."""
    counts, lacking = [], False
    for kind, said in (("concept", "concepts"), ("subject", "models")):
        rows = [row for row in judge.strata if getattr(row, kind) is not None and row.arm in may]
        if len({getattr(row, kind) for row in rows}) > 1:
            good = sum(row.correctable for row in rows)
            lacking |= good < len(rows)
            counts.append(f"{good} of {len(rows)} {said}")
    if not counts:
        return ""
    rest = "; for the others use the rates pooled within their arm" if lacking else ""
    return f"Enough labels for moderate evidence in {_join_names(counts)} separately (counted in each arm){rest}."


def revision_sentences(revisions: LabelRevisions, confusion: Sequence[RevisedConfusion]) -> str:
    """How labels were revised and what that shows.

    Parameters
    ----------
    revisions : LabelRevisions
        All revisions of labels.
    confusion : sequence of RevisedConfusion
        Each judge's confusion matrix by the labels as first given and as they are now.
    """
    if not revisions.n:
        return "No label was changed."
    after, toward, away = revisions.after_verdict, revisions.toward_judge, revisions.away_from_judge
    told = f"{_counted_noun(revisions.n, 'label')} changed, {after} after a verdict had been seen"
    told += f" and {revisions.unknown} with unknown exposure" if revisions.unknown else ""
    if not after:
        return f"{told}."
    told += f": {toward} towards the judges' verdicts, {away} away from them."
    return " ".join([told, *_sign_test_sentence(revisions), *_changed_sentence(confusion)])


def _sign_test_sentence(revisions: LabelRevisions) -> Iterable[str]:
    p, moved = revisions.p_value, revisions.toward_judge + revisions.away_from_judge
    if p is None:
        return
    exact = f"exact {format_p(p)}"
    if moved == 1:
        yield f"One revision is no evidence ({exact})."
    elif p < SIGNIFICANT:
        yield f"So many in one direction are unlikely by chance ({exact}): trust the blind labels."
    else:
        yield f"That may be chance ({exact})."


def _changed_sentence(confusions: Sequence[RevisedConfusion]) -> Iterable[str]:
    for each in confusions:
        if each.first != each.current:
            then, now = _four_counts(each.first), _four_counts(each.current)
            yield f"Against the labels as first given, {each.judge} has {then}; against the current labels, {now}."


def _four_counts(counts: ConfusionCells) -> str:
    return f"TP {counts.tp}, FP {counts.fp}, FN {counts.fn}, TN {counts.tn}"


def _counted_noun(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _join_names(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
