"""A judge's verdicts against labels: counts, error rates with intervals, Youden's J by arm; corrects nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from sqlalchemy import case, exists, func, or_, select

from gnomon.calibration.error_rates.judged_counts import JudgedTrials, judged_rows, trial_counts
from gnomon.calibration.error_rates.label_randomness import nonrandom_labels
from gnomon.calibration.labels.sampling_strata import AUDIT, BY_VERDICT, RANDOM, UNCERTAIN
from gnomon.calibration.labels.selecting_judges import stratifying_versions
from gnomon.calibration.labels.views import true_labels
from gnomon.calibration.numerics.effective_counts import effective_count
from gnomon.calibration.numerics.proportions import Count, difference_interval, newcombe_difference, wilson_interval
from gnomon.calibration.observations.frames import arms_in, frame_of, judge_frame, judge_splits
from gnomon.calibration.observations.shared_reading import known_or_read
from gnomon.calibration.observations.verdict_table import VerdictTable, read_verdict_table
from gnomon.data.outcomes import Outcome
from gnomon.data.records import Arm, IntervalEstimate, VerdictState
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import judges as judge_table
from gnomon.data.storage.tables import verdicts as verdict_table
from gnomon.data.study_settings import load_settings

Reading = Literal["event", "passed"]
CLASSES = ("refused", "event", "incoherent", "rest")


@dataclass(frozen=True, slots=True)
class ConfusionCounts:
    """A judge's confusion counts and error rates on labelled trials.

    tp, fp, fn and tn are plain counts. `positives` and `negatives` are (correct, all) among true positives and
    negatives, in effective numbers of trials where labels are weighted, and are what the intervals are computed from.
    An estimate is None if there is no trial to count.
    """

    tp: int
    fp: int
    fn: int
    tn: int
    positives: Count
    negatives: Count
    sensitivity: IntervalEstimate | None
    specificity: IntervalEstimate | None
    accuracy: IntervalEstimate | None
    youden: IntervalEstimate | None


@dataclass(frozen=True, slots=True)
class LabelledEvidence:
    """The data that measure a judge: `judged` trials of the splits in use, and the labelled `pairs` among them.

    `judged` has one row for each trial, or one for each kind of trial with their number (`judged_counts.trial_counts`).
    """

    judged: pd.DataFrame
    pairs: pd.DataFrame


def collect_evidence(
    store: Store, versions: Sequence[str], view: str, *, splits: Sequence[str] | None = None
) -> list[LabelledEvidence]:
    """For each judge version its verdicts, and those on labelled trials together with the label of one view.

    Trials of the train split are excluded unless `splits` names it or the judge is imported: a judge may have been
    trained on them.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    view : str
        Label view (`gnomon.calibration.labels.views`).
    splits : sequence of str, optional
        Splits to measure on, by default those of `judge_splits`.

    Returns
    -------
    list of LabelledEvidence
        `judged`, one row per trial with an ok verdict: trial, subject, arm, target, split, disputed, said (which judges
        see an event) and the verdict's outcome, event and passed. `pairs` adds stratum, exposure, the label's
        true_outcome, true_event and true_passed, and weight (see `inverse_inclusion_weights`).
    """
    return pair_with_labels(judged_trials(store, versions, splits=splits), reference_table(store, view))


def judged_trials(store: Store, versions: Sequence[str], *, splits: Sequence[str] | None = None) -> list[pd.DataFrame]:
    """The `judged` frames of `collect_evidence`, which are the same in every view of the labels.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    splits : sequence of str, optional
        Splits to measure on, by default those of `judge_splits`.

    Returns
    -------
    list of pandas.DataFrame
        One frame per version, with the columns of `JUDGED`, in the order of its verdicts.
    """
    table = store.read_frame(select(judge_table.c.version, judge_table.c.kind))
    kinds = dict(zip(table["version"], table["kind"], strict=True))
    own = [(version, judge_splits(str(kinds.get(version)), splits)) for version in versions]
    stratifying = stratifying_versions(store)
    heard = _verdicts_of(store, frozenset([*judge_frame(store)["version"], *stratifying, *versions]))
    key = ("judged", store, heard.versions, tuple(own), tuple(stratifying))
    return [rows.copy(deep=False) for rows in known_or_read(key, lambda: judged_rows(heard, own, stratifying))]


def _verdicts_of(store: Store, versions: frozenset[str]) -> VerdictTable:
    names = sorted(versions)
    return known_or_read(("table", store, versions), lambda: read_verdict_table(store, names, with_order=True))


def reference_table(store: Store, view: str) -> pd.DataFrame:
    """The reference label of each trial in a view, with the column names that `pair_with_labels` merges.

    Parameters
    ----------
    store : Store
        Store of the study.
    view : str
        Label view (`gnomon.calibration.labels.views`).

    Returns
    -------
    pandas.DataFrame
        Columns trial, stratum, probability, exposure, true_outcome, true_event, true_passed.
    """
    labels = true_labels(store, view)
    named = {f"true_{name}": labels[name] for name in ("outcome", "event", "passed")}
    return labels[["trial", "stratum", "probability", "exposure"]].assign(**named)


def pair_with_labels(judged: Sequence[pd.DataFrame], truth: pd.DataFrame) -> list[LabelledEvidence]:
    """Join verdicts with labels, and weight the labelled trials.

    Parameters
    ----------
    judged : sequence of pandas.DataFrame
        Frames of `judged_trials`, one per judge version.
    truth : pandas.DataFrame
        Labels of one view (`reference_table`).

    Returns
    -------
    list of LabelledEvidence
        One for each frame, in their order.
    """
    return [_labelled_evidence(each, each, truth) for each in judged]


def pair_counts_with_labels(judged: Sequence[JudgedTrials], truth: pd.DataFrame) -> list[LabelledEvidence]:
    """As `pair_with_labels`, from counts of the judged trials and rows of those with a label.

    Parameters
    ----------
    judged : sequence of JudgedTrials
        For each judge version its counts, and its labelled trials in any view.
    truth : pandas.DataFrame
        Labels of one view (`reference_table`).
    """
    return [_labelled_evidence(each.labelled, each.counts, truth) for each in judged]


def _labelled_evidence(rows: pd.DataFrame, judged: pd.DataFrame, truth: pd.DataFrame) -> LabelledEvidence:
    both = rows.merge(truth, on="trial").sort_values("trial").reset_index(drop=True)
    return LabelledEvidence(judged, both.assign(weight=inverse_inclusion_weights(both, judged)))


def inverse_inclusion_weights(labelled: pd.DataFrame, judged: pd.DataFrame) -> pd.Series[float]:
    """Inverse-inclusion-probability weights of labelled trials (relative scale).

    Labels chosen because judges dispute a transcript are not a random sample. If there are any, each label stands for
    judged / labelled of the trials of its arm with the same disputed status: that is the inverse of its realised
    inclusion probability over all calls to the queue, and leaves P(truth | verdicts), which the choice does not affect,
    unchanged. Labels chosen for their expected information (`uncertain`) were drawn by arm and by which judges see an
    event, so each then stands for the trials that agree in that. So do labels of an arm whose choice was not
    declared and whose verdicts do not look random (`label_randomness`); then labels of each arm stand for all its
    judged trials. Otherwise labels of the queue's random draws weigh 1, and all others
    the inverse of their recorded inclusion probability.

    Parameters
    ----------
    labelled : pandas.DataFrame
        Labelled trials of one judge, with columns trial, arm, event, disputed, said, stratum and probability.
    judged : pandas.DataFrame
        All its judged trials, with columns arm, event, disputed and said: one row each, or counts.

    Returns
    -------
    pandas.Series of float
        Weight of each labelled trial, with the index of `labelled`.
    """
    if labelled["stratum"].isin(BY_VERDICT).any():
        return _stratum_weights(labelled, judged, "said" if (labelled["stratum"] == UNCERTAIN).any() else "disputed")
    alike = labelled["stratum"].isin([AUDIT, RANDOM])
    weight = (1 / labelled["probability"]).where(~alike, 1.0)
    chosen = labelled["arm"].isin({each.arm for each in nonrandom_labels(labelled, judged)})
    if not chosen.any():
        return weight
    to_all = trial_counts(judged).groupby(judged["arm"]).sum().reindex(labelled["arm"]).to_numpy()
    weight = weight * to_all / weight.groupby(labelled["arm"]).transform("sum")
    return _stratum_weights(labelled, judged, "said").where(chosen, weight)


def _stratum_weights(labelled: pd.DataFrame, judged: pd.DataFrame, by: str) -> pd.Series[float]:
    """Judged / labelled trials of each label's arm with the same value of a column."""
    kind = ["arm", by]
    seen = labelled.groupby(kind).size()
    number = trial_counts(judged).groupby([judged[name] for name in kind]).sum()
    ratio = number.reindex(seen.index) / seen
    index = pd.MultiIndex.from_frame(labelled[kind])
    return pd.Series(ratio.reindex(index).to_numpy(dtype=float), index=labelled.index)


def confusion_from_rows(rows: pd.DataFrame, reading: Reading = "event", *, confidence: float = 0.95) -> ConfusionCounts:
    """Counts and error rates of a judge on labelled trials, for the event or for the study's pass.

    Estimands: sensitivity P(judge positive | truth positive), specificity P(judge negative | truth negative), accuracy,
    and Youden's J = sensitivity + specificity - 1, for trials like the labelled ones. Assumes that labels are the
    truth. Intervals: Wilson's for the shares, Newcombe's for J (a difference of independent shares). With weights,
    shares are weighted and intervals use Kish's effective number of trials (sum w)^2 / sum w^2.

    Parameters
    ----------
    rows : pandas.DataFrame
        Labelled trials (`LabelledEvidence.pairs`).
    reading : {"event", "passed"}, default "event"
        Which binary variable is compared.
    confidence : float, default 0.95
        Nominal coverage of the intervals, 0 to 1.
    """
    truth = rows[f"true_{reading}"].to_numpy(dtype=bool)
    said = rows[reading].to_numpy(dtype=bool)
    weight = rows["weight"].to_numpy(dtype=float)
    positives, negatives = effective_count(said, truth, weight), effective_count(~said, ~truth, weight)
    every = effective_count(said == truth, np.ones_like(truth), weight)
    known = positives[1] > 0 and negatives[1] > 0
    wrong = (negatives[1] - negatives[0], negatives[1])
    return ConfusionCounts(
        tp=int((said & truth).sum()),
        fp=int((said & ~truth).sum()),
        fn=int((~said & truth).sum()),
        tn=int((~said & ~truth).sum()),
        positives=positives,
        negatives=negatives,
        sensitivity=wilson_interval(*positives, confidence=confidence) if positives[1] else None,
        specificity=wilson_interval(*negatives, confidence=confidence) if negatives[1] else None,
        accuracy=wilson_interval(*every, confidence=confidence) if every[1] else None,
        youden=newcombe_difference(*positives, *wrong, confidence=confidence) if known else None,
    )


def by_arm(rows: pd.DataFrame, reading: Reading = "event") -> dict[str, ConfusionCounts]:
    """Confusion counts of each arm that has labelled trials, in the order of the arms.

    Parameters
    ----------
    rows : pandas.DataFrame
        Labelled trials (`LabelledEvidence.pairs`).
    reading : {"event", "passed"}, default "event"
        Which binary variable is compared.
    """
    return {arm: confusion_from_rows(rows[rows["arm"] == arm], reading) for arm in arms_in(rows)}


def by_concept(rows: pd.DataFrame, reading: Reading = "event") -> dict[tuple[str, str], ConfusionCounts]:
    """Confusion counts of each (arm, injected concept) that has labelled trials.

    Parameters
    ----------
    rows : pandas.DataFrame
        Labelled trials (`LabelledEvidence.pairs`).
    reading : {"event", "passed"}, default "event"
        Which binary variable is compared.
    """
    return {key: confusion_from_rows(part, reading) for key, part in group_rows(rows, "target").items()}


def group_rows(rows: pd.DataFrame, column: str) -> dict[tuple[str, str], pd.DataFrame]:
    """Rows of each (arm, value of a column), in the order of arms, then of values.

    Parameters
    ----------
    rows : pandas.DataFrame
        Frame with a column arm.
    column : str
        Column to group by, such as `target` or `subject`; rows without a value are left out.
    """
    order = list(Arm)
    found = rows.dropna(subset=[column]).groupby(["arm", column])
    named = {(str(arm), str(name)): part for (arm, name), part in found}
    return dict(sorted(named.items(), key=lambda item: (order.index(Arm(item[0][0])), item[0][1])))


def youden_differences(arms: dict[str, ConfusionCounts]) -> dict[tuple[str, str], IntervalEstimate]:
    """Difference of Youden's J between each pair of arms in which it is defined; arms are independent samples."""
    known = [(arm, each.youden) for arm, each in arms.items() if each.youden is not None]
    return {
        (one, other): difference_interval(first, second)
        for place, (one, first) in enumerate(known)
        for other, second in known[place + 1 :]
    }


def outcome_class(outcome: pd.Series[str], event: pd.Series[bool]) -> pd.Series[str]:
    """Class of each trial as the statistics count it: refused, event, incoherent or rest.

    Parameters
    ----------
    outcome : pandas.Series of str
        Outcome of each trial.
    event : pandas.Series of bool
        Whether the outcome is the event of the trial's arm.
    """
    plain = outcome.where(outcome.isin([Outcome.REFUSED, Outcome.INCOHERENT]), "rest")
    return plain.mask(event, "event")


def both_classes(rows: pd.DataFrame) -> tuple[pd.Series[str], pd.Series[str]]:
    """The class by label and the class by verdict of labelled trials."""
    truth = outcome_class(rows["true_outcome"], rows["true_event"])
    return truth, outcome_class(rows["outcome"], rows["event"])


def class_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Outcome class by label and by verdict in each arm.

    Returns
    -------
    DataFrame
        Columns arm, truth, verdict, n (trials), of (labelled trials with that truth in that arm), effective (their
        effective number), share, low, high (weighted share n / of with Wilson's 95 % interval); every pair of classes
        of every arm whose truth occurs.
    """
    truth, verdict = both_classes(rows)
    table = []
    for arm in arms_in(rows):
        for true in CLASSES:
            here = ((rows["arm"] == arm) & (truth == true)).to_numpy()
            for said in CLASSES if here.any() else ():
                count = effective_count((verdict == said).to_numpy(), here, rows["weight"].to_numpy(dtype=float))
                share = wilson_interval(*count)
                n = int((here & (verdict == said).to_numpy()).sum())
                table.append((arm, true, said, n, int(here.sum()), count[1], share.value, share.low, share.high))
    return pd.DataFrame(table, columns=["arm", "truth", "verdict", "n", "of", "effective", "share", "low", "high"])


def verdict_states(store: Store, versions: Sequence[str]) -> pd.DataFrame:
    """How the calls of each judge version ended.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.

    Returns
    -------
    pandas.DataFrame
        Columns judge (version), state, n, share of the version's calls.
    """
    column, ok = verdict_table.c, str(VerdictState.OK)
    judge = func.coalesce(column.judge, "")  # not the index of judges, which would have every row looked up
    number = func.count().label("n")
    first = case((column.sample == 0, 1), else_=0)
    rare = select(judge.label("judge"), column.state, first.label("first"), number)
    rare = rare.where(or_(column.sample != 0, column.state != ok)).group_by(judge, column.state, first)
    with (
        store.read_transaction() as connection
    ):  # first verdicts are the rest: sorting them would take most of the time
        every = {
            row.judge: int(row.n) for row in connection.execute(select(column.judge, number).group_by(column.judge))
        }
        others = connection.execute(rare).all()
    for row in others:
        every[row.judge] -= row.n
    counts = [(row.judge, row.state, int(row.n)) for row in others if row.first and row.judge in versions]
    counts += [(version, ok, n) for version, n in every.items() if n and version in versions]
    frame = pd.DataFrame(sorted(counts), columns=["judge", "state", "n"])
    return frame.assign(share=frame["n"] / frame.groupby("judge")["n"].transform("sum"))


def spoken_versions(store: Store) -> list[str]:
    """Every judge version with a verdict: judges in the study's order, the newest version of each first.

    Versions that were asked about labelled trials only, for a comparison, are left out: those trials are no sample.
    """
    column = judge_table.c
    query = select(column.version, column.name).where(exists().where(verdict_table.c.judge == column.version))
    known = store.read_frame(query.order_by(column.created_at.desc(), column.version))
    known = known[~known["version"].isin(load_settings(store).candidates)]
    names = judge_frame(store)["name"].tolist()
    return [str(version) for name in names for version in known.loc[known["name"] == name, "version"]]


def verdict_times(store: Store, versions: Sequence[str], trials: Sequence[str] | None = None) -> pd.DataFrame:
    """Time of each version's first verdict on each trial.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    trials : sequence of str, optional
        Ids of the trials wanted; by default all.

    Returns
    -------
    pandas.DataFrame
        Columns trial, judge (version), at (UTC; missing if the stored time cannot be parsed).
    """
    asked = None if trials is None else tuple(trials)
    key = ("times", store, tuple(versions), asked)
    return known_or_read(key, lambda: _read_times(store, versions, trials)).copy(deep=False)


def _read_times(store: Store, versions: Sequence[str], trials: Sequence[str] | None) -> pd.DataFrame:
    column = verdict_table.c
    query = select(column.trial, column.judge, column.created_at)
    times = frame_of(store, query.where(column.sample == 0, column.judge.in_(list(versions))), trials)
    return times.assign(at=as_times(times["created_at"])).drop(columns="created_at")


def as_times(stamps: pd.Series[str]) -> pd.Series[pd.Timestamp]:
    """ISO 8601 time stamps as UTC times; invalid ones become missing."""
    return pd.to_datetime(stamps, utc=True, format="ISO8601", errors="coerce")
