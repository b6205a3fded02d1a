"""Contents and gaps of a study, as counts from the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd
from sqlalchemy import func, literal, or_, select, union_all

from gnomon.calibration.labels.label_counts import label_funnel
from gnomon.calibration.labels.truth_summary import summarize_truth
from gnomon.calibration.labels.views import label_events, one_label_reading, reference_labels
from gnomon.calibration.measure_counts import MeasureCount, all_measure_counts
from gnomon.calibration.observations.frames import MEASURING, judge_frame
from gnomon.calibration.results.truth_summary import TruthSummary
from gnomon.data.arms import ARMS, ArmSpec, judged_arms
from gnomon.data.importers.row_builders import UNKNOWN_SIZE
from gnomon.data.records import IMPORTED, Exposure, LabelKind, VerdictState
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
_USABLE = str(VerdictState.OK)


@dataclass(frozen=True, slots=True)
class StudyOverview:
    """Counts of a study.

    `cells` has one row per condition (subject, arm, concept, strength, layer, span, protocol) with `n` answers and
    `failed` trials; `missing` the planned conditions that lack answers; `states` verdicts by judge and state; `labels`
    the reference label of each trial with its arm; `events` all label events of people; `truth` the rule that makes one
    truth of several raters' labels; `fits` the newest fit of each view;
    `measured` the counts of measures that judges do not read; `outside` says how many trials lie outside the design,
    `external` what is known of judges' errors that come from another study, `funnel` how many labels each estimate
    uses, `brought` judges whose verdicts were imported, so that nobody can ask them, `unsized` models whose size is not
    known.
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
    brought: frozenset[str] = frozenset()
    unsized: tuple[str, ...] = ()

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
    def to_be_asked(self) -> list[str]:
        """Judges that lack verdicts and that the study can ask: it names them, and they were not imported."""
        return [name for name in self.unjudged_count if name in self.settings.judges and name not in self.brought]

    @property
    def labelled_for_measuring(self) -> dict[str, int]:
        """Labels that measure judges (dev and test split) by judged arm, arms without one included."""
        usable = self.labels[self.labels["split"].isin([str(split) for split in MEASURING])]
        found = usable["arm"].value_counts()
        there = self.cells["arm"].drop_duplicates()
        return {str(arm): int(found.get(arm, 0)) for arm in there[there.isin(judged_arms())]}

    @property
    def can_be_fitted(self) -> bool:
        """Whether there is a verdict of the first judge that counts, or published counts."""
        if self.counts_only:
            return True
        found = list(self.states["judge"].unique())
        first = next((name for name in self.settings.judges if name in found), found[0] if found else None)
        usable = (self.states["judge"] == first) & (self.states["state"] == str(VerdictState.OK))
        return bool(self.states.loc[usable, "n"].sum()) and not self.unsized

    @property
    def stale_fits(self) -> bool:
        """Whether a fit is older than what it is of."""
        return bool(self.outdated)


@dataclass(frozen=True, slots=True)
class StudyCounts:
    """What labels and fits leave as it is.

    Attributes
    ----------
    cells, states : pandas.DataFrame
        As of `StudyOverview`.
    """

    cells: pd.DataFrame
    states: pd.DataFrame


@one_label_reading()
def summarize_study(store: Store, counts: StudyCounts | None = None) -> StudyOverview:
    """Count what the store holds.

    Parameters
    ----------
    store : Store
        Store of the study.
    counts : StudyCounts, optional
        What was counted of the same trials and verdicts before.
    """
    settings = load_settings(store)
    cells, states = (counts := counts or count_trials_and_verdicts(store)).cells, counts.states
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
        brought=_imported_judges(store),
        unsized=_unsized_models(store),
        funnel="" if settings.counts_only else label_funnel(store, view).words,
        measured=all_measure_counts(store, [str(name) for name in cells["subject"].unique()]),
    )


def count_trials_and_verdicts(store: Store) -> StudyCounts:
    """Trials by condition, and verdicts by judge and state, of the design as it stands.

    Parameters
    ----------
    store : Store
        Store of the study.
    """
    return StudyCounts(_cell_counts(store), _state_counts(store))


def _imported_judges(store: Store) -> frozenset[str]:
    judges = judge_frame(store)
    return frozenset(judges.loc[judges["kind"] == IMPORTED, "name"])


def _unsized_models(store: Store) -> tuple[str, ...]:
    """Models of unknown size where there are several: estimates by size need it."""
    subjects = store.load_subjects()
    unknown = tuple(subject.name for subject in subjects if subject.parameters == UNKNOWN_SIZE)
    return unknown if len(subjects) > 1 else ()


def _cell_counts(store: Store) -> pd.DataFrame:
    """By condition, from an index that holds the conditions in order; failed trials, which it does not mark, apart."""
    axes, protocol = [_trial[name] for name in tables.AXES if name != "measure"], tables.protocols.c
    here, n = (design_trials(), *design_conditions(store)), func.count()
    every = select(*axes, n.label("n"), literal(0).label("failed")).where(*here).group_by(*axes)
    marked = select(_trial.id).where(_trial.error.is_not(None))  # an index of its own has them
    failed = select(*axes, -n, n).where(_trial.id.in_(marked), *here).group_by(*axes)
    found = store.read_frame(select(union_all(every, failed).subquery()))
    names = store.read_frame(select(protocol.hash, protocol.name))
    found["protocol"] = found["protocol"].map(dict(zip(names["hash"], names["name"], strict=True)))
    by = ["subject", "arm", "concept", "strength", "layer", "span", "protocol"]
    summed = found.groupby(by, dropna=False, as_index=False)[["n", "failed"]].sum()
    return summed.sort_values(by, na_position="first", ignore_index=True)


def _state_counts(store: Store) -> pd.DataFrame:
    """By judge and state, of first verdicts. Usable ones are all but the others, which an index of verdicts tells."""
    judges, planned = judge_frame(store), design_conditions(store)
    # An expression, since an index of judges alone would have the database look up every verdict.
    judge, n = func.coalesce(_verdict.judge, "").label("judge"), func.count().label("n")
    counted = select(judge, _verdict.state, _verdict.sample, n).group_by(judge, _verdict.state, _verdict.sample)
    tally: Counter[tuple[str, str]] = Counter()
    if planned:
        counted = counted.select_from(tables.verdicts.join(tables.trials, _trial.id == _verdict.trial)).where(*planned)
    else:
        every = store.read_frame(select(_verdict.judge, n).group_by(_verdict.judge))
        tally.update({(version, _USABLE): number for version, number in every.itertuples(index=False, name=None)})
        counted = counted.where(or_(_verdict.state != _USABLE, _verdict.sample != 0))
    for version, state, sample, number in store.read_frame(counted).itertuples(index=False, name=None):
        tally[version, _USABLE] -= 0 if planned else number
        tally[version, state] += number if sample == 0 else 0
    name = dict(zip(judges["version"], judges["name"], strict=True))
    rows = [(name[version], state, number) for (version, state), number in sorted(tally.items()) if version in name]
    return pd.DataFrame([row for row in rows if row[2]], columns=["judge", "state", "n"])


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
