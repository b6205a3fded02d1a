"""Verdict patterns of a study's arms with labels: the input of the joint posterior of several judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.calibration.labels.views import true_labels
from gnomon.calibration.observations.frames import (
    arms_in,
    fit_judges,
    judge_frame,
    judge_splits,
    trial_frame,
    verdicts_with_outcomes,
)
from gnomon.calibration.observations.verdict_table import VerdictTable
from gnomon.calibration.posterior.judge_panel import MISSING, VerdictPatterns
from gnomon.data.arms import identified_arms
from gnomon.data.errors import NotEnoughDataError, UnknownNameError
from gnomon.data.outcomes import Outcome
from gnomon.data.records import IMPORTED
from gnomon.data.storage.store import Store

MAX_PANEL = 4
UNHEARD = "no judge has read any of these transcripts: run 'gnomon judge' first"

Question = Literal["event", "not_denied"]


@dataclass(frozen=True, slots=True)
class ArmVerdicts:
    """One arm's judged trials by the verdicts of the judges, with and without label."""

    arm: str
    judges: tuple[str, ...]
    counts: VerdictPatterns

    def arm_name(self, pattern: int) -> str:
        """A pattern in words: "careful yes, brisk no"."""
        words = {1: "yes", 0: "no", MISSING: "silent"}
        said = zip(self.judges, self.counts.verdicts[pattern], strict=True)
        return ", ".join(f"{judge} {words[int(verdict)]}" for judge, verdict in said)


@dataclass(frozen=True, slots=True)
class ArmPatterns(ArmVerdicts):
    """One arm's judged trials: `trials` with their `pattern` (a row of `counts.verdicts`) and `truth` (NaN if
    unlabelled).
    """

    trials: pd.DataFrame

    def open_trials(self) -> list[list[str]]:
        """Ids of the unlabelled trials of each pattern."""
        free = self.trials[self.trials["truth"].isna()]
        return [free.loc[free["pattern"] == s, "trial"].tolist() for s in range(len(self.counts.verdicts))]


@dataclass(frozen=True, slots=True)
class PanelReading:
    """Verdicts of a panel of judges: versions and names in order, and their verdicts, one row each."""

    versions: tuple[str, ...]
    names: tuple[str, ...]
    heard: pd.DataFrame

    def arm_counts(self, labels: pd.DataFrame, question: Question = "event") -> Mapping[str, ArmVerdicts]:
        """Verdict patterns by arm, as of `arms_of`.

        Parameters
        ----------
        labels : pandas.DataFrame
            Reference labels.
        question : {"event", "not_denied"}, default "event"
            What verdicts and labels are read for.
        """
        return arms_of(self, labels, question)


@dataclass(frozen=True, slots=True)
class PanelTable:
    """Verdicts of a panel of judges in a table of verdicts: versions and names in order, and the splits in use."""

    versions: tuple[str, ...]
    names: tuple[str, ...]
    table: VerdictTable
    splits: tuple[str, ...]

    def arm_counts(self, labels: pd.DataFrame, question: Question = "event") -> Mapping[str, ArmVerdicts]:
        """Verdict patterns by arm, for the trials that at least one of the judges read.

        Parameters
        ----------
        labels : pandas.DataFrame
            One row per labelled trial (`views.reference_labels_of`), taken as the truth.
        question : {"event", "not_denied"}, default "event"
            As in `arms_of`.
        """
        kinds, inside = self.table.kinds, self.table.is_split(self.splits)
        yes = np.append(_answers_to(kinds, question).fillna(0).to_numpy(dtype=np.int64), 0)
        code = np.zeros(len(inside), dtype=np.int64)
        for version in self.versions:
            kind = self.table.counted_kinds(version)
            code = code * 3 + np.where(kind >= 0, yes[kind] + 1, 0)
        truth = np.full(len(inside), 2, dtype=np.int64)
        told = _answers_to(labels, question).set_axis(labels["trial"])
        places = self.table.places_of(labels["trial"].tolist())
        truth[places] = told.reindex(self.table.trials.iloc[places]).to_numpy(dtype=np.int64)
        read = np.flatnonzero(inside & (code > 0))
        arm, keys = self.table.cells["arm"].to_numpy()[self.table.cell[read]], code[read] * 3 + truth[read]
        found = {}
        for name in arms_in(pd.DataFrame({"arm": self.table.cells["arm"].unique()})):
            number = np.bincount(keys[arm == name], minlength=3 ** (len(self.versions) + 1)).reshape(-1, 3)
            if number.any():
                found[name] = ArmVerdicts(name, self.names, _patterns_of(number, len(self.versions)))
        return found


def panel_table(table: VerdictTable, judges: pd.DataFrame, splits: Sequence[str] | None = None) -> PanelTable:
    """The panel of an audit, as `panel_reading` chooses it.

    Parameters
    ----------
    table : VerdictTable
        Verdicts of these judges.
    judges : pandas.DataFrame
        Judge versions as of `frames.judge_frame`, one of each name; the first `MAX_PANEL` count.
    splits : sequence of str, optional
        As in `panel_reading`.

    Raises
    ------
    NotEnoughDataError
        If there is no verdict.
    """
    known = judges.head(MAX_PANEL)
    inside = table.is_split(wanted := _panel_splits(known, splits))
    if not any((table.counted_kinds(version)[inside] >= 0).any() for version in known["version"]):
        raise NotEnoughDataError(UNHEARD)
    return PanelTable(tuple(known["version"]), tuple(known["name"]), table, wanted)


def _panel_splits(known: pd.DataFrame, splits: Sequence[str] | None) -> tuple[str, ...]:
    learnt = (known["kind"] != IMPORTED).any()
    return judge_splits("" if learnt else IMPORTED, splits)


def _patterns_of(number: NDArray[np.int64], judges: int) -> VerdictPatterns:
    """Patterns from the number of trials by code of the verdicts (base 3, the first judge highest) and label."""
    there = np.flatnonzero(number.any(axis=1))
    digits = [there // 3 ** (judges - 1 - place) % 3 for place in range(judges)]
    verdicts = np.array(digits, dtype=np.int64).T - 1
    return VerdictPatterns(verdicts, number[there, 2].copy(), number[there, :2].copy())


def panel_reading(
    store: Store,
    *,
    judges: Sequence[str] | None = None,
    subject: str | None = None,
    splits: Sequence[str] | None = None,
    heard: pd.DataFrame | None = None,
) -> PanelReading:
    """The verdicts for the joint posterior of several judges, independent of labels.

    Parameters
    ----------
    store : Store
        Store of the study.
    judges : sequence of str, optional
        Names or versions; by default those that the fit uses (`frames.fit_judges`).
    subject : str, optional
        Only this subject's trials.
    splits : sequence of str, optional
        Splits to use; by default all but train if any judge is not imported, since it may have been trained on it.
    heard : pandas.DataFrame, optional
        Verdicts of these judges (`frames.verdicts_with_outcomes`), if already read.

    Raises
    ------
    NotEnoughDataError
        If there is no verdict.
    UnknownNameError
        If the subject has no trial.
    """
    known = fit_judges(store) if judges is None else judge_frame(store, judges).head(MAX_PANEL)
    wanted = _panel_splits(known, splits)
    if subject is not None and subject not in (there := set(trial_frame(store)["subject"])):
        raise UnknownNameError(
            f"subject '{subject}' has no trial in this study: it has {', '.join(sorted(there)) or 'none'}"
        )
    heard = verdicts_with_outcomes(store, known["version"].tolist()) if heard is None else heard
    kept = heard["judge"].isin(known["version"]) & heard["split"].isin(wanted)
    kept &= (heard["subject"] == subject) | (subject is None)
    if not kept.any():
        raise NotEnoughDataError(UNHEARD)
    return PanelReading(tuple(known["version"]), tuple(known["name"]), heard[kept])


def arms_of(reading: PanelReading, labels: pd.DataFrame, question: Question = "event") -> dict[str, ArmPatterns]:
    """Verdict patterns by arm, for the trials that at least one of the judges read.

    Parameters
    ----------
    reading : PanelReading
        Verdicts of the panel.
    labels : pandas.DataFrame
        One row per labelled trial (`views.reference_labels_of`), taken as the truth.
    question : {"event", "not_denied"}, default "event"
        What verdicts and labels are read for: the event, or, outside the injection arm, anything but a denial
        (including refusals and incoherence), as the raw net detection counts.
    """
    said = reading.heard.assign(said=_answers_to(reading.heard, question))
    wide = said.pivot(index="trial", columns="judge", values="said").reindex(columns=list(reading.versions))
    truth = _answers_to(labels, question).set_axis(labels["trial"])
    arm = reading.heard.drop_duplicates("trial").set_index("trial")["arm"].reindex(wide.index)
    return {each: _arm_patterns(each, reading.names, wide[arm == each], truth) for each in arms_in(reading.heard)}


def arm_patterns(
    store: Store,
    view: str = "blind",
    *,
    judges: Sequence[str] | None = None,
    subject: str | None = None,
    question: Question = "event",
    splits: Sequence[str] | None = None,
) -> dict[str, ArmPatterns]:
    """Verdict patterns by arm of a store's verdicts with the labels of one view (`panel_reading`, then `arms_of`).

    Parameters
    ----------
    store : Store
        Store of the study.
    view : {"blind", "first", "current"}, default "blind"
        Label view (`gnomon.calibration.labels.views`).
    judges : sequence of str, optional
        Names or versions; by default the first `MAX_PANEL` with verdicts.
    subject : str, optional
        Only this subject's trials.
    question : {"event", "not_denied"}, default "event"
        As in `arms_of`.
    splits : sequence of str, optional
        As in `panel_reading`.
    """
    reading = panel_reading(store, judges=judges, subject=subject, splits=splits)
    return arms_of(reading, true_labels(store, view), question)


def _answers_to(rows: pd.DataFrame, question: Question) -> pd.Series[float]:
    counted = rows["event"]
    if question == "not_denied":
        counted = counted.where(rows["arm"].isin(identified_arms()), rows["outcome"] != str(Outcome.DENIED))
    return counted.astype(float)


def _arm_patterns(arm: str, judges: tuple[str, ...], wide: pd.DataFrame, truth: pd.Series[float]) -> ArmPatterns:
    known = truth.reindex(wide.index).to_numpy(dtype=float)
    counts = VerdictPatterns.pattern_counts(wide.to_numpy(dtype=float), known)
    rows = np.where(wide.isna(), MISSING, wide).astype(np.int64)
    place = {tuple(row): number for number, row in enumerate(counts.verdicts.tolist())}
    pattern = [place[tuple(row)] for row in rows.tolist()]
    return ArmPatterns(arm, judges, counts, pd.DataFrame({"trial": wide.index, "pattern": pattern, "truth": known}))
