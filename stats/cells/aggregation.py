"""Counts of trials by condition, verdicts and label, grouped in the database.

Counts are all that a fit uses, so its cost does not depend on the number of trials. Outcomes are derived here, on
grouped rows, by the study's rule; no judge is called again when the rule changes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    String,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
)

from gnomon.calibration.graded.study_calibration import scored_trials
from gnomon.calibration.labels.undecided_facts import decided_labels
from gnomon.calibration.labels.views import rater_labels, reference_labels_of, truth_rule
from gnomon.calibration.observations.frames import facts_of_rows, judge_frame
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.facts import CORE_FLAGS, facts_from_answers
from gnomon.data.outcomes import OutcomeRule, rule_named
from gnomon.data.records import NONE, OTHER, Arm, Facts, RaterRole, Split, VerdictState, canonical_hash
from gnomon.data.storage.design_scope import report_conditions, report_counts
from gnomon.data.storage.fact_columns import further_value
from gnomon.data.storage.store import Store, split_chunks
from gnomon.data.storage.tables import counts, subjects, trials, verdicts
from gnomon.data.study_settings import load_settings
from gnomon.stats.cells.fitted_voices import fitted_voices
from gnomon.stats.cells.graded_levels import (
    NO_LEVEL,
    GradedLevels,
    HeardTrial,
    LevelReader,
    Levels,
    Side,
    learn_levels,
)
from gnomon.stats.cells.open_labels import NO_SET, ClassSet, OpenLabels, OpenLabelSets, open_label_sets, set_reader
from gnomon.stats.cells.outcome_classes import (
    CLASSES,
    EVENT,
    INCOHERENT,
    MISNAMED,
    REFUSED,
    REST,
    is_class_possible,
    known_classes,
    outcome_class,
)

AXES = ("subject", "parameters", "variant", "arm", "concept", "layer", "depth", "strength", "span", "protocol")
TRIAL_AXES = tuple(axis for axis in AXES if axis not in ("parameters", "variant"))
MISSING = -1

Condition = tuple[Any, ...]
VerdictClasses = tuple[str | None, ...]


class TrialLabels(NamedTuple):
    """What people say of a trial: the class of the reference label (none: ""), whether an adjudicator gave it, and the
    class by each rater, None where the rater gave no label. Of labels that leave the class open: the set that holds the
    truth for certain, and the set by rater, empty for none.
    """

    label: str
    adjudicated: bool
    ratings: VerdictClasses
    exact_set: ClassSet = ()
    sets: tuple[ClassSet, ...] = ()


PatternKey = tuple[Condition, VerdictClasses, TrialLabels | None, Levels]
ClassReader = Callable[[Condition, Facts | None], str | None]


@dataclass(frozen=True, slots=True)
class FactCode:
    """One judge's facts as a number: a bit for each flag, one for the injected concept, one for presence.

    Attributes
    ----------
    reads : tuple of str
        Further facts that the study's outcome rule reads.
    """

    reads: tuple[str, ...] = ()

    @property
    def same_concept(self) -> int:
        """Bit that is set if the concept is the injected one."""
        return 1 << len(CORE_FLAGS)

    @property
    def present(self) -> int:
        """Bit that is set if the verdict counts."""
        return self.same_concept << 1

    @property
    def width(self) -> int:
        """Bits of one judge."""
        return len(CORE_FLAGS) + 2 + len(self.reads)

    @property
    def bits(self) -> dict[str, int]:
        """Bit of each flag."""
        core = {name: 1 << place for place, name in enumerate(CORE_FLAGS)}
        return core | {name: self.present << 1 + place for place, name in enumerate(self.reads)}

    def encode(self, voice: Any) -> ColumnElement[int]:
        """SQL expression of the number for verdicts under an alias; 0 if the verdict is absent or a fact is NULL."""
        same = case((voice.c.concept == trials.c.concept, self.same_concept), (voice.c.concept.is_not(None), 0))
        total: Any = self.present + same
        for name, bit in self.bits.items():
            value = further_value(voice, name) if name in self.reads else voice.c[name]
            total = total + cast(value, Integer) * (cast(bit, BigInteger) if self.reads else bit)
        return func.coalesce(total, 0)

    def decode(self, code: int, concept: str | None) -> Facts | None:
        """Facts from their number; None if there was no verdict that counts.

        Parameters
        ----------
        code : int
            The number, or one with those of further judges in higher bits.
        concept : str or None
            Injected concept.
        """
        if not code & self.present:
            return None
        flags = {name: bool(code & bit) for name, bit in self.bits.items()}
        same = concept is not None and code & self.same_concept
        return facts_from_answers({**flags, "concept": concept if same else OTHER if flags["claims"] else NONE})


@dataclass(frozen=True)
class CellCounts:
    """Counts by cell and class from one source (a judge, or a publication), without correction.

    Attributes
    ----------
    frame : DataFrame
        One row per cell with the columns `AXES`; an axis that a cell does not have is None (or NaN for numbers).
    classes : tuple of str
        The K classes that the data distinguish.
    counts : ndarray, shape (cells, K)
        Trials by class.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    counts: np.ndarray

    @property
    def trial_counts(self) -> np.ndarray:
        """Number of trials in each cell."""
        return np.asarray(self.counts.sum(axis=1))

    def content_hash(self) -> str:
        """Hash of everything that a fit uses."""
        return canonical_hash([self.classes, _json_rows(self.frame), self.counts.tolist()], 64)


@dataclass(frozen=True)
class VerdictPatternCells:
    """Counts by cell, verdict pattern of all judges, and labels of all raters.

    Attributes
    ----------
    frame, classes
        As in `CellCounts`.
    judges : tuple of str
        Names of the J judges. A version that chose labels and is not the newest has a name of its own.
    cell, label, count : ndarray, shape (rows,)
        Index of the cell; index of the class of the trial's one reference label (`gnomon.data.raters.TruthRule`), or
        -1; number of trials.
    verdict : ndarray, shape (rows, J)
        Index of the class by each judge, or -1 if the judge gave no counted verdict.
    raters : tuple of str
        Names of the H raters whose labels may be wrong (people, under the rule `voices`); without any, all labels are
        exact.
    ratings : ndarray, shape (rows, H)
        Index of the class by each rater, or -1.
    exact : ndarray of bool, shape (rows,)
        Rows whose label is the truth: adjudicated, or labelled without a known rater.
    unrecorded : int
        Labelled trials that were chosen by verdicts of judges that were not recorded.
    opened : OpenLabels, optional
        Labels that leave the class open; None where there are none. They count as no label in `label` and `ratings`.
    graded : GradedLevels, optional
        Levels of the verdicts of judges that count with their scores; None where there are none.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    judges: tuple[str, ...]
    cell: np.ndarray
    label: np.ndarray
    count: np.ndarray
    verdict: np.ndarray
    raters: tuple[str, ...] = ()
    ratings: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    exact: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=bool))
    unrecorded: int = 0
    opened: OpenLabels | None = None
    graded: GradedLevels | None = None

    def __post_init__(self) -> None:
        """Without raters every label is exact."""
        if not self.raters:
            object.__setattr__(self, "ratings", np.zeros((len(self.label), 0), dtype=np.int64))
            object.__setattr__(self, "exact", np.asarray(self.label) != MISSING)
            if self.opened is not None and self.opened.ratings.shape[1]:
                object.__setattr__(self, "opened", self.opened.made_exact())

    @property
    def labelled(self) -> np.ndarray:
        """Rows whose trials have a label, also one that leaves the class open; shape (rows,)."""
        known = np.asarray(self.label != MISSING)
        return known if self.opened is None else known | self.opened.there

    @property
    def trial_counts(self) -> np.ndarray:
        """Number of trials in each cell."""
        return np.bincount(self.cell, weights=self.count, minlength=len(self.frame))

    def labelled_by_arm(self) -> pd.Series[int]:
        """Number of labelled trials by arm; an arm without any is absent."""
        known = self.label != MISSING
        arms = self.frame["arm"].to_numpy()[self.cell[known]]
        return pd.Series(self.count[known]).groupby(arms).sum()

    @property
    def repeated_labels(self) -> int:
        """Number of trials that two or more raters labelled, or one rater and an adjudicator."""
        opinions = (self.ratings != MISSING).sum(axis=1) + (self.exact & bool(self.raters))
        return int(self.count[opinions > 1].sum())

    def content_hash(self) -> str:
        """Hash of everything that a fit uses."""
        rows = [self.cell, self.label, self.count, self.verdict, self.ratings, self.exact]
        names = [self.classes, self.judges, self.raters]
        content = [*names, _json_rows(self.frame), [row.tolist() for row in rows]]
        if self.opened is not None:
            content.append([part.tolist() for part in (self.opened.sets, self.opened.label, self.opened.ratings)])
        if self.graded is not None:
            content.append(self.graded.as_content())
        return canonical_hash(content, 64)


def judged_cells(store: Store, judge: str | None = None, *, rule: OutcomeRule | None = None) -> CellCounts:
    """Cells by the newest version of one judge.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str, optional
        Name of the judge; by default the study's first.
    rule : OutcomeRule, optional
        Rule that derives outcomes from the verdicts; by default the study's.

    Raises
    ------
    UnknownNameError
        If the judge has no verdicts.
    NotEnoughDataError
        If there are no counted verdicts.
    """
    version, name = _judge_versions(store, None if judge is None else [judge])[0]
    rule = rule or _study_rule(store)
    read, planned = _class_reader(rule), report_conditions(store)
    with store.read_transaction() as connection:
        tally = _tally_by_class(connection, [version], rule, read, planned)
    known = {(condition, said): n for (condition, said, *_), n in tally.items() if n and said[0] is not None}
    if not known:
        raise NotEnoughDataError(f"judge '{name}': no verdict that counts: run `gnomon judge` and look at its errors")
    classes = known_classes(said[0] for _, said in known if said[0] is not None)
    frame, place = _cell_frame(condition for condition, _ in known)
    table = np.zeros((len(frame), len(classes)), dtype=np.int64)
    for (condition, said), n in known.items():
        table[place[condition], classes.index(str(said[0]))] += n
    return CellCounts(frame, classes, table)


def pattern_cells(
    store: Store, judges: Sequence[str] | None = None, view: str = "blind", *, graded: bool | None = None
) -> VerdictPatternCells:
    """Cells by verdict pattern of several judges and labels.

    Which trials are labelled may depend on verdicts. The likelihood may ignore the choice only if it conditions on
    the verdicts that chose (missing at random: Rubin 1976, Biometrika 63, 581-592). Judge versions that took part in
    choosing labels of the view are therefore added to the judges, as recorded by the label queue or the import. A judge
    that is trained on the train split's labels (kind `learned`) has no verdict on labelled trials of that split:
    it appears better there than elsewhere. Trials without verdict and label are left out. Labels that leave the class
    open are kept apart (`VerdictPatternCells.opened`).

    Parameters
    ----------
    store : Store
        Store of the study.
    judges : sequence of str, optional
        Names of judges; by default those of `frames.fit_judges`.
    view : str, default "blind"
        Label view (`gnomon.calibration.labels.views`).
    graded : bool, optional
        Whether verdicts of the first judge that gave scores are kept with the level of its score (`graded_levels`),
        which reads every trial; by default what the study says (`[fit] graded`).

    Raises
    ------
    InputError
        If more than `MOST_FIT_JUDGES` judges are named, or with the judges that chose labels there are more, or the
        study holds no verdicts of one of these.
    NotEnoughDataError
        If no trial has a verdict or a label.
    """
    every, truth, rule = rater_labels(store, view), truth_rule(store), _study_rule(store)
    labels, open_ = decided_labels(every), open_label_sets(every, truth, rule)
    voices, unrecorded = fitted_voices(store, judges, pd.concat([labels, open_.frame]) if open_.trials else labels)
    versions = [voice.version for voice in voices]
    read = _class_reader(rule)
    people = labels.loc[labels["role"] != str(RaterRole.ADJUDICATOR), "rater"]
    unsure = {rater for named in open_.by_rater.values() for rater in named}
    raters = tuple(sorted({*people.unique(), *unsure})) if truth.keeps_voices else ()
    reference, planned = reference_labels_of(labels, truth), report_conditions(store)
    scores = _scores_by_trial(store, versions) if wants_grades(store, graded) else []
    with store.read_transaction() as connection:
        if any(scores):
            levels = learn_levels(scores, _heard_trials(connection, versions, rule, read, planned))
            tally = _tally_by_level(connection, versions, rule, read, planned, levels)
        else:
            levels = LevelReader([{} for _ in versions], {})
            tally = _tally_by_class(connection, versions, rule, read, planned)
        for (condition, said, told, _), trial, trained in _labelled_trials(
            connection, versions, (reference, labels, open_), raters, rule, read
        ):
            heard = tuple(None if trained and voice.learns else one for voice, one in zip(voices, said, strict=True))
            arm = condition[AXES.index("arm")]
            tally[(condition, said, None, levels.read(trial, arm, said))] -= 1
            tally[(condition, heard, told, levels.read(trial, arm, heard))] += 1
    rows = {key: n for key, n in tally.items() if n and (key[2] is not None or any(key[1]))}
    return _build_patterns(rows, tuple(voice.name for voice in voices), raters, unrecorded, levels.cuts)


def wants_grades(store: Store, graded: bool | None) -> bool:
    """Whether a fit counts a judge with its scores.

    Parameters
    ----------
    store : Store
        Store of the study.
    graded : bool or None
        What was asked for; None for what the study says.
    """
    return load_settings(store).fit_graded if graded is None else graded


def _scores_by_trial(store: Store, versions: Sequence[str]) -> list[dict[str, float]]:
    """Score of the event by trial, of the first judge version that gave scores; empty for the others.

    Trials without scores of their own are left out. One judge alone is graded, because levels of several judges depend
    on each other where trials are hard for all of them (`graded_voices`).
    """
    out: list[dict[str, float]] = [{} for _ in versions]
    for place, version in enumerate(versions):
        frame = scored_trials(store, version)
        frame = frame[~frame["stands_in"].astype(bool)]
        if len(frame):
            out[place] = dict(zip(frame["trial"].tolist(), frame["score"].tolist(), strict=True))
            break
    return out


def _each_trial(
    connection: Connection,
    versions: Sequence[str],
    rule: OutcomeRule,
    read: ClassReader,
    planned: Sequence[ColumnElement[bool]],
) -> Iterator[tuple[Condition, HeardTrial]]:
    """Every answered trial with its condition and its verdicts, one by one."""
    coded = FactCode(rule.reads)
    source, code = _verdict_code(versions, coded)
    about = _size_and_variant(connection)
    asked = select(*(trials.c[axis] for axis in TRIAL_AXES), code, trials.c.split, trials.c.id).select_from(source)
    for *own, number, split, trial in connection.execute(asked.where(trials.c.error.is_(None), *planned)):
        condition = (own[0], *about[own[0]], *own[1:])
        heard = _decode_verdicts(number, len(versions), condition[AXES.index("concept")], coded)
        said = tuple(read(condition, facts) for facts in heard)
        yield condition, HeardTrial(trial, split == str(Split.TRAIN), condition[AXES.index("arm")], said)


def _heard_trials(
    connection: Connection,
    versions: Sequence[str],
    rule: OutcomeRule,
    read: ClassReader,
    planned: Sequence[ColumnElement[bool]],
) -> Iterator[HeardTrial]:
    return (heard for _, heard in _each_trial(connection, versions, rule, read, planned))


def _tally_by_level(
    connection: Connection,
    versions: Sequence[str],
    rule: OutcomeRule,
    read: ClassReader,
    planned: Sequence[ColumnElement[bool]],
    levels: LevelReader,
) -> Counter[PatternKey]:
    """Number of trials by condition, by the judges' classes and by the levels of their scores."""
    tally: Counter[PatternKey] = Counter()
    for condition, heard in _each_trial(connection, versions, rule, read, planned):
        tally[(condition, heard.said, None, levels.read(heard.trial, heard.arm, heard.said))] += 1
    return tally


def published_cells(store: Store) -> CellCounts:
    """Cells of published counts: one for each source and cell.

    A class that some source does not count is left out for all, and the rest then contains it; if refusals are not
    counted everywhere, so are they. Counts of whole arms have no axes and strength 0.

    Raises
    ------
    NotEnoughDataError
        If the study holds no published counts.
    """
    subject = subjects.c
    query = select(counts, subject.parameters, subject.variant).join(subjects, subject.name == counts.c.subject)
    column = counts.c
    order = (subject.parameters, column.subject, column.arm, column.source, column.concept, column.layer)
    rows = store.read_frame(query.where(report_counts()).order_by(*order, column.strength, column.cell))
    if rows.empty:
        raise NotEnoughDataError(
            "this study holds no published counts: load them with `gnomon import counts FILE --study DIR`, or "
            "`gnomon demo DIR --published-only`"
        )
    frame = rows[list(AXES)].assign(
        strength=rows["strength"].fillna(0.0).astype(float),
        **{axis: rows[axis].astype(object).where(rows[axis].notna(), "") for axis in ("span", "protocol")},
    )
    possible = {
        name: [is_class_possible(name, Arm(arm)) for arm in rows["arm"]] for name in (REFUSED, INCOHERENT, MISNAMED)
    }
    told = [name for name, here in possible.items() if rows[name].notna()[here].all() and any(here)]
    counted = {EVENT: rows[EVENT], **{name: rows[name].fillna(0) for name in told}}
    counted[REST] = rows["n"] - sum(counted.values())
    classes = tuple(name for name in CLASSES if name in counted)
    table = np.column_stack([counted[name] for name in classes]).astype(np.int64)
    return CellCounts(_with_column_types(frame), classes, table)


def primary_judge(store: Store) -> str:
    """Name of the study's first judge with verdicts."""
    return _judge_versions(store, None)[0][1]


def _judge_versions(store: Store, names: Sequence[str] | None) -> list[tuple[str, str]]:
    """Newest version and name of each judge; by default of those that the study lists, otherwise of all."""
    known = judge_frame(store, names)
    if names is None and (listed := load_settings(store).judges):
        known = known[known["name"].isin(listed)] if known["name"].isin(listed).any() else known
    if known.empty:
        raise NotEnoughDataError("there are no verdicts yet: run `gnomon judge` first")
    return list(zip(known["version"].tolist(), known["name"].tolist(), strict=True))


def _verdict_code(versions: Sequence[str], facts: FactCode) -> tuple[Any, Any]:
    """Trials joined with each judge's ok verdict, and all judges' facts encoded as one number.

    Each judge has `facts.width` bits, which `_decode_verdicts` reads; all 0 if it gave no counted verdict. Of the
    concept only equality with the injected one is kept, which is all that an outcome rule uses.
    """
    source: Any = trials
    code: Any = literal_column("0")
    for place, version in enumerate(versions):
        voice = verdicts.alias(f"v{place}")
        ok = and_(voice.c.judge == version, voice.c.sample == 0, voice.c.state == str(VerdictState.OK))
        source = source.outerjoin(voice, and_(voice.c.trial == trials.c.id, ok))
        code += facts.encode(voice) * (1 << facts.width * place)
    return source, code


def _decode_verdicts(code: int, judges: int, concept: str | None, facts: FactCode) -> list[Facts | None]:
    """Each judge's facts from the number that `_verdict_code` encodes."""
    return [facts.decode(code >> facts.width * place, concept) for place in range(judges)]


def _tally_by_class(
    connection: Connection,
    versions: Sequence[str],
    rule: OutcomeRule,
    read: ClassReader,
    planned: Sequence[ColumnElement[bool]],
) -> Counter[PatternKey]:
    """Number of trials by condition and by the judges' classes, of trials that meet `planned`.

    The database reads the conditions in the order of an index, without sorting all trials, and lists the codes of each
    condition's trials. Failed trials are not marked in the index and are subtracted afterwards.
    """
    coded = FactCode(rule.reads)
    source, code = _verdict_code(versions, coded)
    axes, said = [trials.c[axis] for axis in TRIAL_AXES], cast(code, String)
    every = select(*axes, func.aggregate_strings(said, ",")).select_from(source).where(*planned).group_by(*axes)
    failed = select(*axes, said).select_from(source).where(trials.c.error.is_not(None), *planned)
    about = _size_and_variant(connection)
    tally: Counter[PatternKey] = Counter()
    for sign, rows in ((1, every), (-1, failed)):
        for row in connection.execute(rows):
            condition = (row[0], *about[row[0]], *row[1:-1])
            for number, n in Counter(row[-1].split(",")).items():
                heard = _decode_verdicts(int(number), len(versions), condition[AXES.index("concept")], coded)
                said_here = tuple(read(condition, facts) for facts in heard)
                tally[(condition, said_here, None, (NO_LEVEL,) * len(versions))] += sign * n
    return tally


def _labelled_trials(
    connection: Connection,
    versions: Sequence[str],
    people: tuple[pd.DataFrame, pd.DataFrame, OpenLabelSets],
    raters: Sequence[str],
    rule: OutcomeRule,
    read: ClassReader,
) -> Iterator[tuple[PatternKey, str, bool]]:
    """Each labelled trial's condition, classes by judge and by rater, its id, and whether it is in the train split.

    `people` are the reference label of each trial, the labels of all raters in one view (`rater_labels`), of which
    those of `raters` are opinions that may be wrong, and the labels that leave the class open.
    """
    reference, labels, open_ = people
    final = reference["role"] == str(RaterRole.ADJUDICATOR)
    told = {
        trial: (facts, exact)
        for trial, facts, exact in zip(
            reference["trial"].tolist(), facts_of_rows(reference, rule.reads), final.tolist(), strict=True
        )
    }
    unlabelled: tuple[Facts | None, bool] = (None, False)
    every = [*told, *(trial for trial in sorted(open_.trials) if trial not in told)]
    rated: dict[str, dict[str, Facts]] = {trial: {} for trial in every}
    first = labels[(labels["role"] != str(RaterRole.ADJUDICATOR)) & labels["rater"].isin(raters)]
    for trial, rater, facts in zip(
        first["trial"].tolist(), first["rater"].tolist(), facts_of_rows(first, rule.reads), strict=True
    ):
        rated[trial][rater] = facts
    coded = FactCode(rule.reads)
    source, code = _verdict_code(versions, coded)
    about = _size_and_variant(connection)
    base = select(*(trials.c[axis] for axis in TRIAL_AXES), code, trials.c.split, trials.c.id).select_from(source)
    for ids in split_chunks(every):
        for *own, number, split, trial in connection.execute(base.where(trials.c.id.in_(ids))):
            condition = (own[0], *about[own[0]], *own[1:])
            heard = _decode_verdicts(number, len(versions), condition[AXES.index("concept")], coded)
            said = tuple(read(condition, facts) for facts in heard)
            first_facts, exact = told.get(trial) or unlabelled
            by_rater = tuple(read(condition, rated[trial].get(rater)) for rater in raters)
            sets = tuple(open_.by_rater.get(trial, {}).get(rater, ()) for rater in raters)
            labelled = TrialLabels(
                read(condition, first_facts) or "", exact, by_rater, open_.exact.get(trial, ()), sets
            )
            yield (condition, said, labelled, ()), trial, split == str(Split.TRAIN)


def _size_and_variant(connection: Connection) -> dict[str, tuple[float, str]]:
    """Size and variant of each subject."""
    column = subjects.c
    rows = connection.execute(select(column.name, column.parameters, column.variant))
    return {name: (parameters, variant) for name, parameters, variant in rows}


def _study_rule(store: Store) -> OutcomeRule:
    return rule_named(load_settings(store).rule)


def _class_reader(rule: OutcomeRule) -> ClassReader:
    """The function from condition and facts to class, by the study's outcome rule."""

    @cache
    def decide(facts: Facts, arm: Arm, concept: str | None) -> str:
        return outcome_class(rule(facts, arm, concept), arm)

    def read(condition: Condition, facts: Facts | None) -> str | None:
        arm, concept = condition[AXES.index("arm")], condition[AXES.index("concept")]
        return None if facts is None else decide(facts, Arm(arm), concept)

    return read


def _build_patterns(
    rows: dict[PatternKey, int],
    judges: tuple[str, ...],
    raters: tuple[str, ...],
    unrecorded: int,
    cuts: Mapping[Side, tuple[float, ...]],
) -> VerdictPatternCells:
    if not rows:
        raise NotEnoughDataError("no trial has a verdict or a label: run `gnomon judge` first")
    opinions = ((*said, *((told.label, *told.ratings) if told else ())) for _, said, told, _ in rows)
    classes = known_classes(one for some in opinions for one in some if one is not None)
    rows, raters = _within_classes(rows, classes, raters)
    frame, place = _cell_frame(condition for condition, *_ in rows)
    index: dict[str | None, int] = {None: MISSING, **{name: number for number, name in enumerate(classes)}}
    nothing = TrialLabels("", False, (None,) * len(raters), (), ((),) * len(raters))
    named = sorted({one for _, _, told, _ in rows if told for one in (told.exact_set, *told.sets) if one})
    set_index: dict[ClassSet, int] = {(): NO_SET, **{one: number for number, one in enumerate(named)}}
    coded = []
    for (condition, said, told, levels), n in rows.items():
        label, exact, ratings, exact_set, sets = told or nothing
        people = [index[label or None], int(exact), *(index[one] for one in ratings)]
        left = [*(levels if cuts else ()), *([set_index[one] for one in (exact_set, *sets)] if named else [])]
        coded.append((place[condition], *people, n, *(index[one] for one in said), *left))
    table = np.array(sorted(coded), dtype=np.int64)
    many = 3 + len(raters)
    last = many + 1 + len(judges)
    after = last + len(judges) if cuts else last
    exact = table[:, 2] == 1
    members = np.array([[name in one for name in classes] for one in named], dtype=bool).reshape(-1, len(classes))
    return VerdictPatternCells(
        frame,
        classes,
        judges,
        table[:, 0],
        table[:, 1],
        table[:, many],
        table[:, many + 1 : last],
        raters,
        table[:, 3:many],
        exact,
        unrecorded,
        OpenLabels(members, table[:, after], table[:, after + 1 :]) if named else None,
        GradedLevels(cuts, table[:, last:after]) if cuts else None,
    )


def _within_classes(
    rows: dict[PatternKey, int], classes: tuple[str, ...], raters: tuple[str, ...]
) -> tuple[dict[PatternKey, int], tuple[str, ...]]:
    """Rows whose open labels name classes of the model, and the raters who say something: a set of all says nothing."""
    if not any(told and (told.exact_set or any(told.sets)) for _, _, told, _ in rows):
        return rows, raters
    read, arm = set_reader(classes), AXES.index("arm")
    out: Counter[PatternKey] = Counter()
    for (condition, said, told, levels), n in rows.items():
        kept = told
        if told:
            within = [read(one, condition[arm]) for one in (told.exact_set, *told.sets)]
            kept = told._replace(exact_set=within[0], sets=tuple(within[1:]))
        silent = kept is not None and not (kept.label or any(kept.ratings) or kept.exact_set or any(kept.sets))
        out[(condition, said, None if silent else kept, levels)] += n
    speak = [
        any(told and (told.ratings[place] or told.sets[place]) for _, _, told, _ in out) for place in range(len(raters))
    ]
    if all(speak):
        return dict(out), raters

    def spoken(told: TrialLabels | None) -> TrialLabels | None:
        if told is None:
            return None
        ratings = tuple(one for one, kept in zip(told.ratings, speak, strict=True) if kept)
        return told._replace(
            ratings=ratings, sets=tuple(one for one, kept in zip(told.sets, speak, strict=True) if kept)
        )

    return (
        {(condition, said, spoken(told), levels): n for (condition, said, told, levels), n in out.items()},
        tuple(rater for rater, kept in zip(raters, speak, strict=True) if kept),
    )


def _cell_frame(conditions: Iterable[Condition]) -> tuple[pd.DataFrame, dict[Condition, int]]:
    ordered = sorted(set(conditions), key=_sort_key)
    frame = pd.DataFrame(ordered, columns=list(AXES)) if ordered else pd.DataFrame(columns=list(AXES))
    return _with_column_types(frame), {condition: place for place, condition in enumerate(ordered)}


def _sort_key(condition: Condition) -> tuple[Any, ...]:
    values = dict(zip(AXES, condition, strict=True))
    rank = [values["parameters"], values["subject"], list(Arm).index(Arm(values["arm"]))]
    return (*rank, *(("" if value is None else str(value)) for value in condition[4:]))


def _with_column_types(frame: pd.DataFrame) -> pd.DataFrame:
    """Text as objects with None if missing, numbers as floats with NaN: the same on every database."""
    text = [axis for axis in AXES if axis not in ("parameters", "layer", "depth", "strength")]
    numbers = frame.drop(columns=text).apply(pd.to_numeric).astype(float)
    words = {
        axis: pd.Series([value if isinstance(value, str) else None for value in frame[axis]], dtype=object)
        for axis in text
    }
    return pd.DataFrame({axis: words.get(axis, numbers.get(axis)) for axis in AXES})


def _json_rows(frame: pd.DataFrame) -> list[list[Any]]:
    return [[None if pd.isna(value) else value for value in row] for row in frame.to_numpy(dtype=object).tolist()]
