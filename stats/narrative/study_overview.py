"""Contents and gaps of a study, as counts from the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd
from sqlalchemy import func, select

from gnomon.calibration.labels.label_counts import label_funnel
from gnomon.calibration.labels.truth_summary import summarize_truth
from gnomon.calibration.labels.views import label_events, one_label_reading, reference_labels
from gnomon.calibration.measure_counts import MeasureCount, all_measure_counts
from gnomon.calibration.observations.frames import MEASURING, judge_frame
from gnomon.calibration.results.truth_summary import TruthSummary
from gnomon.data.arms import ARMS, ArmSpec, judged_arms
from gnomon.data.records import Exposure, LabelKind, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import design_conditions, design_trials, outside_sentence
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import PlannedDesign, StudySettings, load_settings
from gnomon.stats.narrative.caveats import external_caveats
from gnomon.stats.outdated_fits import outdated_fits
from gnomon.stats.results import StoredFit
from gnomon.stats.stored_fits import newest_fits

_trial = tables.trials.c
_verdict = tables.verdicts.c


@dataclass(frozen=True, slots=True)
class StudyOverview:
    """Counts of a study.

    `cells` has one row per condition (subject, arm, concept, strength, layer, span, protocol) with `n` answers and
    `failed` trials; `missing` the planned conditions that lack answers; `states` verdicts by judge and state; `labels`
    the reference label of each trial with its arm; `events` all label events of people; `truth` the rule that makes one
    truth of several raters' labels; `fits` the newest fit of each view;
    `measured` the counts of measures that judges do not read; `outside` says how many trials lie outside the design,
    `external` what is known of judges' errors that come from another study, `funnel` how many labels each estimate
    uses.
    """

    settings: StudySettings
    cells: pd.DataFrame
    missing: pd.DataFrame
    states: pd.DataFrame
    labels: pd.DataFrame
    events: pd.DataFrame
    fits: list[StoredFit]
    outdated: dict[str, tuple[str, ...]]
    truth: TruthSummary
    measured: list[MeasureCount]
    outside: str = ""
    external: tuple[str, ...] = ()
    funnel: str = ""

    @property
    def counts_only(self) -> bool:
        """Whether the study holds published counts and no transcripts."""
        return self.settings.counts_only

    @property
    def trial_count(self) -> int:
        """Number of answered trials."""
        return int(self.cells["n"].sum())

    @property
    def unjudged_count(self) -> dict[str, int]:
        """Answers without a verdict of any state, by judge, for judges that the study names or that have verdicts."""
        read = self.states.groupby("judge")["n"].sum()
        names = dict.fromkeys([*self.settings.judges, *read.index])
        readable = int(self.cells.loc[self.cells["arm"].isin(judged_arms()), "n"].sum())
        lacking = {name: readable - int(read.get(name, 0)) for name in names}
        return {name: number for name, number in lacking.items() if number > 0}

    @property
    def labelled_for_measuring(self) -> dict[str, int]:
        """Labels that measure judges (dev and test split) by judged arm, arms without one included."""
        usable = self.labels[self.labels["split"].isin([str(split) for split in MEASURING])]
        found = usable["arm"].value_counts()
        there = self.cells["arm"].drop_duplicates()
        return {str(arm): int(found.get(arm, 0)) for arm in there[there.isin(judged_arms())]}

    @property
    def can_be_fitted(self) -> bool:
        """Whether there is a verdict that counts, or published counts."""
        usable = self.states.loc[self.states["state"] == str(VerdictState.OK), "n"].sum()
        return self.counts_only or bool(usable)

    @property
    def stale_fits(self) -> bool:
        """Whether a fit is older than what it is of."""
        return bool(self.outdated)


@one_label_reading()
def summarize_study(store: Store) -> StudyOverview:
    """Count what the store holds."""
    settings = load_settings(store)
    cells = _cell_counts(store)
    judges = judge_frame(store)
    query = select(_verdict.judge, _verdict.state, func.count().label("n")).where(_verdict.sample == 0)
    if planned := design_conditions(store):
        query = query.join(tables.trials, _trial.id == _verdict.trial).where(*planned)
    states = store.read_frame(
        query.where(_verdict.judge.in_(list(judges["version"]))).group_by(_verdict.judge, _verdict.state)
    )
    states["judge"] = states["judge"].map(dict(zip(judges["version"], judges["name"], strict=True)))
    events = label_events(store)
    view = settings.label_view
    arms = events.drop_duplicates("trial")[["trial", "arm"]]
    labels = reference_labels(store, view).merge(arms, on="trial", how="left")
    return StudyOverview(
        settings=settings,
        cells=cells,
        missing=missing_trials(cells, settings.design),
        states=states,
        labels=labels,
        events=events,
        fits=sorted(newest_fits(store).values(), key=lambda fit: fit.view),
        outdated=outdated_fits(store),
        truth=summarize_truth(store, view),
        outside=outside_sentence(store),
        external=external_caveats(store),
        funnel="" if settings.counts_only else label_funnel(store, view).words,
        measured=all_measure_counts(store, [str(name) for name in cells["subject"].unique()]),
    )


def _cell_counts(store: Store) -> pd.DataFrame:
    axes = [_trial[name] for name in ("subject", "arm", "concept", "strength", "layer", "span")]
    answered = func.count().filter(_trial.error.is_(None)).label("n")
    failed = func.count(_trial.error).label("failed")
    query = select(*axes, tables.protocols.c.name.label("protocol"), answered, failed)
    query = query.join(tables.protocols, tables.protocols.c.hash == _trial.protocol).where(
        design_trials(), *design_conditions(store)
    )
    return store.read_frame(query.group_by(*axes, tables.protocols.c.name).order_by(*axes))


def distinct_values(values: pd.Series[Any]) -> list[str]:
    """The distinct values of a column in order, formatted."""
    found = values.dropna().drop_duplicates().sort_values()
    return [f"{value:g}" if isinstance(value, int | float) else str(value) for value in found]


def missing_trials(cells: pd.DataFrame, design: PlannedDesign) -> pd.DataFrame:
    """Planned conditions that lack answers.

    Arms that nobody judges are left out: each of their trials is asked another question.

    Parameters
    ----------
    cells : pandas.DataFrame
        Counts by condition (`StudyOverview.cells`).
    design : PlannedDesign
        Design of the study's settings.

    Returns
    -------
    pandas.DataFrame
        The axes, `have` and `want`.
    """
    columns = ["subject", "arm", "protocol", "concept", "layer", "strength", "have", "want"]
    planned = [ARMS[arm] for arm in design.arms if arm in judged_arms()]
    rows: list[tuple[Any, ...]] = []
    for subject, protocol in product(cells["subject"].unique(), _missing_protocols(cells, design)):
        mine = cells[(cells["subject"] == subject) & (cells["protocol"] == protocol)]
        for arm in sorted(planned, key=lambda arm: arm.is_steered):
            for axes, have, each in _arm_counts(mine[mine["arm"] == arm.name], arm, design, str(subject)):
                named = dict(zip(("concept", "layer", "strength"), axes, strict=True))
                place = {"subject": str(subject), "arm": arm.name, "protocol": str(protocol), **named}
                want = each * design.planned_spans(place)
                if have < want:
                    rows.append((subject, arm.name, protocol, *axes, have, want))
    return pd.DataFrame(rows, columns=columns)


def _arm_counts(
    mine: pd.DataFrame, arm: ArmSpec, design: PlannedDesign, subject: str
) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    """Of each condition of an arm: concept, layer and strength, answers there are, and answers planned for a span."""
    want = design.replicates.get(arm.name, 0)
    if not arm.is_steered:
        yield (None, None, None), int(mine["n"].sum()), want
        return
    found = mine.groupby(["concept", "layer", "strength"])["n"].sum()
    doses = design.planned_doses(subject)
    for concept, layer in product(design.concepts, doses):
        for strength in arm.strengths_of(doses[layer]):
            axes = concept, layer, strength
            yield axes, int(found.get(axes, 0)), want


def _missing_protocols(cells: pd.DataFrame, design: PlannedDesign) -> list[str]:
    """Names of protocols: as designed, or as stored if the design names files."""
    named = list(design.protocols)
    if any(name.endswith(".toml") for name in named):
        return [str(name) for name in cells["protocol"].unique()]
    return named


def by_rater(events: pd.DataFrame) -> pd.DataFrame:
    """For each rater: labelled trials by split, and numbers of label events given after a verdict, retracted, or
    flags.
    """
    labels = events[events["kind"] == str(LabelKind.LABEL)]
    standing = labels[~labels["withdrawn"]].drop_duplicates(["rater", "trial"])
    table = standing.pivot_table(index="rater", columns="split", values="trial", aggfunc="count", fill_value=0)
    counted = {
        "after verdict": labels[labels["exposure"] == str(Exposure.AFTER_VERDICT)],
        "taken back": labels[labels["withdrawn"]],
        "flags": events[events["kind"] == str(LabelKind.FLAG)],
    }
    table = table.reindex(events["rater"].drop_duplicates().sort_values(), fill_value=0)
    for name, rows in counted.items():
        table[name] = rows["rater"].value_counts().reindex(table.index, fill_value=0)
    return table.rename_axis(columns=None).reset_index()
