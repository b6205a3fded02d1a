"""Labels by the guideline that raters followed: agreement, judge error, and what a changed clause moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from gnomon.calibration.agreement.coefficients import krippendorff_alpha
from gnomon.calibration.agreement.pairwise import CODES, MIN_ITEMS
from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.comparison.comparison_results import ComparedJudge
from gnomon.calibration.comparison.paired_proportions import PairedCounts, mcnemar_test, paired_difference
from gnomon.calibration.comparison.policy_results import (
    JudgeByPolicy,
    MovedLabel,
    PolicyChange,
    PolicyDocument,
    PolicyJudgeErrors,
    PolicyLabels,
)
from gnomon.calibration.comparison.policy_sentences import policy_sentences
from gnomon.calibration.error_rates.confusion import confusion_from_rows, judged_trials, pair_with_labels
from gnomon.calibration.labels.sampling_strata import BY_VERDICT
from gnomon.calibration.labels.undecided_facts import with_readings
from gnomon.calibration.labels.views import (
    KEYS,
    label_events,
    reference_labels_of,
    standing_labels,
    truth_rule,
)
from gnomon.calibration.numerics.proportions import newcombe_difference, wilson_interval
from gnomon.calibration.observations.frames import arms_in, judge_frame, with_outcomes
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.facts import CORE_FLAGS
from gnomon.data.records import Exposure, LabelPolicy, RaterRole, Split
from gnomon.data.results import Estimate, finite_estimate
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings

NO_POLICY = "no guideline recorded"
FEWEST_PAIRED = 20
"""Fewest trials labelled under both guidelines for a paired comparison alone."""


def policy_document(store: Store, view: str | None = None) -> PolicyDocument:
    """Labels, agreement and judge error by guideline, and each guideline against the one before it.

    Estimands: for the labels of each guideline, each judge's error rates (as the audit's) and the raters' agreement;
    for two guidelines, the difference of the event's share, and of each judge's agreement with the label, on the
    trials that are labelled under both. There the same trials are compared, so that the difference is the guideline's
    (and the time's and the raters', where those changed with it): paired intervals and McNemar's exact test
    (`paired_proportions`). Trials labelled under one of them only are different trials; their difference by arm, with
    Newcombe's interval, is given where fewer than 20 are labelled under both, and assumes that trials were chosen
    alike. Judges are measured on dev, and train if none learnt from labels; never on test.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : str, optional
        Label view, by default the study's.

    Raises
    ------
    NotEnoughDataError
        If no label of the view has a guideline.
    """
    view = view or load_settings(store).label_view
    labels = labels_by_policy(store, view)
    if not (labels["policy"] != "").any():
        raise NotEnoughDataError(
            f"label policies: no {view} label says which guideline its rater followed: name it in [labels] guideline, "
            "or import labels with --guideline FILE"
        )
    known = versions_with_verdicts(store)
    judges = [find_version(known, version) for version in judge_frame(store)["version"]]
    splits = splits_before_test(*judges) if judges else (str(Split.DEV),)
    versions = [judge.version for judge in judges]
    judged = dict(zip(versions, judged_trials(store, versions, splits=splits), strict=True)) if versions else {}
    order = labels.groupby("policy")["created_at"].min().sort_values(kind="stable").index.tolist()
    parts = {str(policy): labels[labels["policy"] == policy] for policy in order}
    rule = truth_rule(store)
    truths = {policy: reference_labels_of(part, rule) for policy, part in parts.items()}
    texts = store.label_policies()
    found = PolicyDocument(
        view=view,
        splits=splits,
        policies=tuple(
            _policy_labels(policy, part, truths[policy], texts.get(policy), judges, judged)
            for policy, part in parts.items()
        ),
        changes=tuple(_policy_change((a, b), truths, judges, judged) for a, b in pairwise(parts)),
        words=(),
    )
    return found.model_copy(update={"words": policy_sentences(found)})


def labels_by_policy(store: Store, view: str) -> pd.DataFrame:
    """The label of each rater on each trial under each guideline, with its outcome and event.

    As `labels.views.rater_labels`, but a rater who labelled a trial again under another guideline has a row for each.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}
        Label view, within each guideline.
    """
    standing = standing_labels(label_events(store))
    if view == "blind":
        standing = standing[standing["exposure"] == str(Exposure.BLIND)]
    keys = [*KEYS, "policy"]
    ordered = standing.assign(since=standing.groupby(keys)["created_at"].transform("min")).sort_values(
        [*keys, "revision"]
    )
    chosen = ordered.drop_duplicates(keys, keep="first" if view == "first" else "last")
    typed = chosen.astype(dict.fromkeys(CORE_FLAGS, bool))
    rule = load_settings(store).rule
    return with_readings(with_outcomes(typed, rule).reset_index(drop=True), rule)


def _policy_labels(
    policy: str,
    labels: pd.DataFrame,
    truth: pd.DataFrame,
    known: LabelPolicy | None,
    judges: Sequence[ComparedJudge],
    judged: Mapping[str, pd.DataFrame],
) -> PolicyLabels:
    agreement, alpha, reason = _rater_agreement(labels)
    return PolicyLabels(
        policy=policy,
        name=known.name if known else (policy or NO_POLICY),
        text=known.text if known else None,
        labels=len(labels),
        trials=int(labels["trial"].nunique()),
        raters=tuple(sorted(map(str, labels["rater"].unique()))),
        since=str(labels["created_at"].min()) or None,
        until=str(labels["created_at"].max()) or None,
        base_rates=_base_rates(truth),
        agreement=agreement,
        alpha=alpha,
        agreement_reason=reason,
        judges=tuple(row for judge in judges for row in _judge_errors(judge, judged[judge.version], truth)),
    )


def _base_rates(truth: pd.DataFrame) -> dict[str, Estimate]:
    rates = {}
    for arm in arms_in(truth):
        events = truth.loc[truth["arm"] == arm, "event"]
        rates[arm] = Estimate.from_interval(wilson_interval(float(events.sum()), float(len(events))))
    return rates


def _rater_agreement(labels: pd.DataFrame) -> tuple[Estimate | None, Estimate | None, str | None]:
    """Share of equal outcomes of two raters, and alpha, on trials that verdicts did not choose."""
    rated = labels[(labels["role"] == str(RaterRole.RATER)) & ~labels["stratum"].isin(BY_VERDICT)]
    wide = rated.assign(code=rated["outcome"].map(CODES)).pivot(index="trial", columns="rater", values="code")
    values = wide.to_numpy(dtype=float)
    twice = (~np.isnan(values)).sum(axis=1) >= 2
    if int(twice.sum()) < MIN_ITEMS:
        return None, None, f"{int(twice.sum())} trials that two raters labelled: a coefficient needs {MIN_ITEMS}"
    same = [_equal_pairs(row[~np.isnan(row)]) for row in values[twice]]
    agreement = wilson_interval(float(np.sum(same)), float(len(same)))
    try:
        alpha = finite_estimate(krippendorff_alpha(values))
    except NotEnoughDataError:
        alpha = None
    return finite_estimate(agreement), alpha, None


def _equal_pairs(codes: np.ndarray) -> float:
    """Share of pairs of ratings that are equal."""
    counts = np.unique(codes, return_counts=True)[1]
    n = len(codes)
    return float((counts * (counts - 1)).sum() / (n * (n - 1)))


def _judge_errors(judge: ComparedJudge, judged: pd.DataFrame, truth: pd.DataFrame) -> list[PolicyJudgeErrors]:
    named = {f"true_{name}": truth[name] for name in ("outcome", "event", "passed")}
    table = truth[["trial", "stratum", "probability", "exposure"]].assign(**named)
    (evidence,) = pair_with_labels([judged], table)
    pairs = evidence.pairs
    if not len(pairs):
        return []
    rows = []
    for arm, part in [(None, pairs), *((arm, pairs[pairs["arm"] == arm]) for arm in arms_in(pairs))]:
        counts = confusion_from_rows(part)
        rates = {name: getattr(counts, name) for name in ("sensitivity", "specificity", "accuracy", "youden")}
        shown = {name: finite_estimate(rate) for name, rate in rates.items()}
        rows.append(PolicyJudgeErrors(judge=judge.judge, version=judge.version, arm=arm, labelled=len(part), **shown))
    return rows


def _policy_change(
    pair: tuple[str, str],
    truths: Mapping[str, pd.DataFrame],
    judges: Sequence[ComparedJudge],
    judged: Mapping[str, pd.DataFrame],
) -> PolicyChange:
    a, b = pair
    both = truths[a].merge(truths[b], on="trial", suffixes=("_a", "_b"))
    first, second = both["event_a"].to_numpy(dtype=bool), both["event_b"].to_numpy(dtype=bool)
    differ = both[both["outcome_a"] != both["outcome_b"]]
    rows = [_judge_by_policy(judge, judged[judge.version], both) for judge in judges]
    compared = [row for row in rows if row.trials]
    return PolicyChange(
        a=a,
        b=b,
        both=len(both),
        moved=len(differ),
        to_event=int((~first & second).sum()),
        from_event=int((first & ~second).sum()),
        event_difference=_paired_estimate(first, second),
        p_exact=_paired_p(first, second),
        unpaired={} if len(both) >= FEWEST_PAIRED else _unpaired_differences(truths[a], truths[b]),
        judges=tuple(compared),
        best_a=_best_judge(compared, "a"),
        best_b=_best_judge(compared, "b"),
        items=tuple(
            MovedLabel(trial=row["trial"], arm=row["arm_a"], a=row["outcome_a"], b=row["outcome_b"])
            for row in differ.sort_values(["arm_a", "trial"]).to_dict("records")
        ),
    )


def _judge_by_policy(judge: ComparedJudge, judged: pd.DataFrame, both: pd.DataFrame) -> JudgeByPolicy:
    rows = both.merge(judged[["trial", "event"]], on="trial")
    said = rows["event"].to_numpy(dtype=bool)
    first, second = (said == rows[f"event_{side}"].to_numpy(dtype=bool) for side in ("a", "b"))
    n = float(len(rows))
    shares = [finite_estimate(wilson_interval(float(right.sum()), n)) if n else None for right in (first, second)]
    return JudgeByPolicy(
        judge=judge.judge,
        version=judge.version,
        trials=len(rows),
        a=shares[0],
        b=shares[1],
        difference=_paired_estimate(first, second),
        p_exact=_paired_p(first, second),
    )


def _paired_estimate(first: np.ndarray, second: np.ndarray) -> Estimate | None:
    """Share of the second minus share of the first on the same trials."""
    if not len(first):
        return None
    cells = (first & second, first & ~second, ~first & second, ~first & ~second)
    return finite_estimate(paired_difference(PairedCounts(*(float(cell.sum()) for cell in cells))))


def _paired_p(first: np.ndarray, second: np.ndarray) -> float | None:
    if not len(first):
        return None
    return mcnemar_test(int((first & ~second).sum()), int((~first & second).sum())).exact


def _unpaired_differences(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, Estimate]:
    found = {}
    for arm in arms_in(a):
        first, second = (part.loc[part["arm"] == arm, "event"] for part in (a, b))
        if len(first) and len(second):
            counts = (float(second.sum()), float(len(second)), float(first.sum()), float(len(first)))
            found[arm] = Estimate.from_interval(newcombe_difference(*counts))
    return found


def _best_judge(rows: Sequence[JudgeByPolicy], side: str) -> str | None:
    """The judge that agrees most often; None with fewer than two judges, or where two agree equally often."""
    shares: dict[str, float] = {}
    for row in rows:
        share = row.a if side == "a" else row.b
        if share is not None:
            shares[row.judge] = share.value
    best = [name for name, share in shares.items() if share == max(shares.values())]
    return best[0] if len(shares) > 1 and len(best) == 1 else None
