"""Simulated studies at the level of trials, in worlds that the fitted statistical model did not draw.

Each world states what is true of every trial (its class, its length, how hard it is to judge), how judges and raters
err on it, and how labels are chosen. Nothing is drawn from the priors or from the statistical model: rates by strength
are a table that rises and falls, cells may deviate, judges' errors depend on strength, layer, length, coherence or a
difficulty that nobody records. A study goes through the product itself: trials, verdicts and labels are stored, the
label queue chooses what is labelled, and the fit reads the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from gnomon.calibration.queue.label_sampling import QueueItem, next_items
from gnomon.data.records import (
    NONE,
    OTHER,
    Arm,
    Condition,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Subject,
    Trial,
    Verdict,
    VerdictState,
    trial_seed,
)
from gnomon.data.storage.store import Store
from gnomon.stats.cells.outcome_classes import EVENT, INCOHERENT, MISNAMED, REFUSED, REST
from gnomon.stats.checks.simulation import cell_frame

LAYERS_IN_MODEL = 32
LABELS_PER_CALL = 20
"""Labels that one call of the queue hands out, as for a rater at work."""
QUALITY = (1.0, 0.7, 0.9)
"""Factor of the false-pass rate of the first, second and third judge; a judge with a low one misses more."""
MISSED = 0.12
"""Probability that the first judge misses an event."""
REFUSAL_OVERLOOKED, REFUSAL_INVENTED = 0.15, 0.015
CONTROL_FALSE_PASS = 0.05
BETWEEN = 0.9
"""Standard deviation, in logits, of cells around their expectation in worlds with deviating cells."""


@dataclass(frozen=True)
class TrialDesign:
    """Models, conditions and the number of trials per model and arm of a simulated study."""

    subjects: tuple[tuple[str, float], ...] = (("a", 1e9), ("b", 7e9))
    concepts: tuple[str, ...] = ("x", "y")
    strengths: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    layers: tuple[int, ...] = (20,)
    trials: int = 600

    def cell_frame(self) -> pd.DataFrame:
        """Cells: one control per model, and the product of concepts, strengths and layers under injection."""
        rows: list[dict[str, object]] = []
        for name, parameters in self.subjects:
            own: dict[str, object] = {"subject": name, "parameters": parameters}
            rows.append({**own, "arm": str(Arm.CONTROL)})
            for concept, strength, layer in product(self.concepts, self.strengths, self.layers):
                place = {"layer": float(layer), "depth": (layer + 1) / LAYERS_IN_MODEL}
                rows.append({**own, "arm": str(Arm.INJECTION), "concept": concept, "strength": strength, **place})
        return cell_frame(rows)


@dataclass(frozen=True)
class SimulatedTrials:
    """The trials of one study with what is true of them.

    Attributes
    ----------
    frame : DataFrame
        Cells.
    classes : tuple of str
        The K classes.
    probabilities : ndarray, shape (cells, K)
        True probabilities of the classes: what intervals must contain.
    cell, truth : ndarray, shape (N,)
        Cell and true class (index) of each trial.
    length, difficulty : ndarray, shape (N,)
        Standardized length of the response, and how hard it is to judge: standard normal at a given strength.
    distinct : ndarray, shape (N,)
        Number of the response: trials with the same number are copies of one response (greedy sampling).
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    probabilities: np.ndarray
    cell: np.ndarray
    truth: np.ndarray
    length: np.ndarray
    difficulty: np.ndarray
    distinct: np.ndarray

    @property
    def injected(self) -> np.ndarray:
        """Whether each trial is of the injection arm."""
        return np.asarray((self.frame["arm"] == str(Arm.INJECTION)).to_numpy()[self.cell])

    def axis_levels(self, axis: str) -> np.ndarray:
        """Index of each trial's level of an axis among the levels of the injection arm; -1 in the control arm."""
        column = self.frame[axis].where(self.frame["arm"] == str(Arm.INJECTION))
        levels = sorted(column.dropna().unique())
        places = column.map({level: place for place, level in enumerate(levels)}).fillna(-1).astype(int)
        return np.asarray(places.to_numpy()[self.cell])


@dataclass(frozen=True)
class TrialErrorRates:
    """Errors of the first judge on each trial: P(event | denied), P(denied | event), P(event | word salad)."""

    false_pass: np.ndarray
    miss: np.ndarray
    salad: np.ndarray


JudgeErrors = Callable[[SimulatedTrials], TrialErrorRates]


def _error_rates(trials: SimulatedTrials, injected: np.ndarray, missed: float | np.ndarray = MISSED) -> TrialErrorRates:
    """Rates with `injected` as the false-pass rate under injection, and a constant one in the control arm."""
    false_pass = np.where(trials.injected, injected, CONTROL_FALSE_PASS)
    miss = np.where(trials.injected, missed, MISSED)
    return TrialErrorRates(false_pass, miss, np.full(len(trials.cell), 0.3))


def errors_by_strength(*rates: float) -> JudgeErrors:
    """A false-pass rate for each strength of the injection; one rate is the same at every strength."""
    table = np.array(rates)
    return lambda trials: _error_rates(trials, table[trials.axis_levels("strength").clip(0) % len(table)])


def errors_by_layer(*rates: float) -> JudgeErrors:
    """A false-pass rate for each layer of the injection."""
    table = np.array(rates)
    return lambda trials: _error_rates(trials, table[trials.axis_levels("layer").clip(0)])


def errors_by_length(trials: SimulatedTrials) -> TrialErrorRates:
    """Long responses pass: the logit of the false-pass rate rises with length, which rises with strength."""
    return _error_rates(trials, _inverse_logit(-3.4 + 1.3 * trials.length))


def errors_by_difficulty(trials: SimulatedTrials) -> TrialErrorRates:
    """Some trials are hard for every judge: logits of both error rates rise with a difficulty nobody records."""
    hard = 2.0 * trials.difficulty
    found = _error_rates(trials, _inverse_logit(-3.2 + hard), _inverse_logit(-2.6 + hard))
    control = ~trials.injected
    return TrialErrorRates(
        np.where(control, _inverse_logit(-4.0 + hard), found.false_pass),
        np.where(control, _inverse_logit(-2.6 + hard), found.miss),
        found.salad,
    )


FLAT = errors_by_strength(0.11)
MILD = errors_by_strength(0.03, 0.05, 0.08, 0.14)
STRONG = errors_by_strength(0.01, 0.03, 0.10, 0.30)
BY_LAYER = errors_by_layer(0.02, 0.10, 0.30)
STRICT_PAIR = ((0.03, 0.30), (0.03, 0.40))
"""(false-pass, miss) of two strict judges."""
LENIENT = (0.20, 0.10)
BETTER = (0.03, 0.15)


@dataclass(frozen=True)
class RaterErrors:
    """Probabilities that a rater misses an event and calls a denial an event; the share that is labelled twice."""

    miss: float = 0.0
    add: float = 0.0
    labelled_twice: float = 0.0


@dataclass(frozen=True)
class HostileWorld:
    """A world in which a study is simulated.

    Attributes
    ----------
    about : str
        What is special about it, in words for a table.
    design : TrialDesign
        Conditions and number of trials.
    judges : int
        Number of judges that the fit uses; 0 for verdicts that are the truth, read by the fit of one judge's verdicts.
    errors : callable
        Error rates of the first judge; the others' are theirs times a factor.
    fixed_errors : tuple of (float, float)
        (false-pass, miss) of each judge under injection and in control, in place of `errors`.
    labels : int
        Number of labelled trials.
    strategy : {"random", "disputed"}
        How the queue chooses them.
    raters : RaterErrors
        How raters err.
    classes : tuple of str
        Classes of the world.
    deviating : bool
        Whether cells, and pairs of concept and layer, deviate from their expectation.
    left_out : bool
        A further, lenient judge takes part in the choice of labels and is taken off the study's list afterwards.
    one_verdict : bool
        Only trials that the first judge calls an event are labelled, outside of the queue.
    improved : bool
        The first judge is replaced by a better version after the labels were chosen.
    fails_on_salad : float
        Probability that a verdict on word salad fails and is missing.
    copies : int
        Number of identical copies of each response.
    has_depth : bool
        Whether the layers' depth is known.
    """

    about: str
    design: TrialDesign = field(default_factory=TrialDesign)
    judges: int = 2
    errors: JudgeErrors = FLAT
    fixed_errors: tuple[tuple[float, float], ...] = ()
    labels: int = 140
    strategy: Literal["random", "disputed"] = "random"
    raters: RaterErrors = RaterErrors()
    classes: tuple[str, ...] = (REFUSED, EVENT, REST)
    deviating: bool = False
    left_out: bool = False
    one_verdict: bool = False
    improved: bool = False
    fails_on_salad: float = 0.0
    copies: int = 1
    has_depth: bool = True


def true_probabilities(world: HostileWorld, frame: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """True class probabilities of every cell.

    Parameters
    ----------
    world : HostileWorld
        The world.
    frame : pandas.DataFrame
        Cells of its design.
    rng : numpy.random.Generator
        Source of the cells' deviations.

    Returns
    -------
    ndarray, shape (cells, K)
        Probabilities of the classes.
    """
    design = world.design
    steered = (frame["arm"] == str(Arm.INJECTION)).to_numpy()
    larger = (frame["subject"] == design.subjects[-1][0]).to_numpy()
    rise = np.interp(np.linspace(0, 1, len(design.strengths)), np.linspace(0, 1, 4), [0.05, 0.25, 0.45, 0.25])
    event = np.where(larger, 0.03, 0.06)
    place = {strength: number for number, strength in enumerate(design.strengths)}
    dose = rise[frame["strength"].map(place).fillna(0).astype(int).to_numpy()]
    by_model, by_concept = np.where(larger, 1.1, 0.8), np.where(frame["concept"] == design.concepts[-1], 1.1, 0.9)
    best_layer = np.median(design.layers)
    by_layer = np.where(frame["layer"].fillna(best_layer) == best_layer, 1.0, 0.7)
    event = np.where(steered, dose * by_model * by_concept * by_layer, event)
    if world.deviating:
        shift = rng.normal(0.0, BETWEEN, len(frame)) + _grouped_deviations(frame, rng)
        event = np.where(steered, _inverse_logit(np.log(event / (1 - event)) + shift), event)
    refused = np.where(steered, 0.06, 0.12)
    salad = np.where(steered, np.interp(dose_rank(frame, design), [0, 1], [0.02, 0.35]), 0.02)
    salad = salad if INCOHERENT in world.classes else np.zeros(len(frame))
    misnamed = np.where(steered & (MISNAMED in world.classes), 0.15, 0.0)
    engaged, quiet = 1 - refused, 1 - event
    parts = {
        REFUSED: refused,
        EVENT: engaged * event,
        INCOHERENT: engaged * quiet * salad,
        MISNAMED: engaged * quiet * (1 - salad) * misnamed,
        REST: engaged * quiet * (1 - salad) * (1 - misnamed),
    }
    return np.column_stack([parts[name] for name in world.classes])


def dose_rank(frame: pd.DataFrame, design: TrialDesign) -> np.ndarray:
    """Rank of each cell's strength among the design's, 0 to 1; 0 in the control arm.

    Parameters
    ----------
    frame : pandas.DataFrame
        Cells.
    design : TrialDesign
        The design.
    """
    place = {strength: number / max(len(design.strengths) - 1, 1) for number, strength in enumerate(design.strengths)}
    return frame["strength"].map(place).fillna(0.0).to_numpy(dtype=float)


def _grouped_deviations(frame: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """A deviation of half the cells' size for each model, concept and layer."""
    codes = frame.groupby(["subject", "concept", "layer"], dropna=False).ngroup().to_numpy()
    return np.asarray(rng.normal(0.0, BETWEEN / 2, codes.max() + 1)[codes])


def simulate_trials(world: HostileWorld, rng: np.random.Generator) -> SimulatedTrials:
    """Trials of one study of a world.

    Parameters
    ----------
    world : HostileWorld
        The world.
    rng : numpy.random.Generator
        Source of randomness.
    """
    frame = world.design.cell_frame()
    share = true_probabilities(world, frame, rng)
    if not world.has_depth:
        frame["depth"] = np.nan
    cells: list[np.ndarray] = []
    for name, _ in world.design.subjects:
        own = (frame["subject"] == name).to_numpy()
        steered = np.flatnonzero(own & (frame["arm"] == str(Arm.INJECTION)).to_numpy())
        control = np.flatnonzero(own & (frame["arm"] == str(Arm.CONTROL)).to_numpy())
        many = world.design.trials // world.copies
        cells += [rng.permutation(np.resize(steered, many)), np.repeat(control, many)]
    cell = np.concatenate(cells)
    truth = (rng.random(len(cell))[:, None] > share[cell].cumsum(axis=1)).sum(axis=1).clip(max=share.shape[1] - 1)
    difficulty = rng.normal(size=len(cell))
    length = rng.normal(size=len(cell)) + 1.5 * dose_rank(frame, world.design)[cell] ** 1.5
    copied = np.repeat(np.arange(len(cell)), world.copies)
    return SimulatedTrials(
        frame, world.classes, share, cell[copied], truth[copied], length[copied], difficulty[copied], copied
    )


def draw_verdicts(
    trials: SimulatedTrials, rates: TrialErrorRates, quality: float, rng: np.random.Generator
) -> np.ndarray:
    """Classes that one judge says, as indices, shape (N,).

    Parameters
    ----------
    trials : SimulatedTrials
        The trials.
    rates : TrialErrorRates
        Error rates on each trial.
    quality : float
        Factor of the false-pass rates; misses have the factor 2 - quality.
    rng : numpy.random.Generator
        Source of randomness.
    """
    names, many = trials.classes, len(trials.cell)
    place = {name: number for number, name in enumerate(names)}
    wrong = np.zeros((many, len(names)))
    is_class = {name: trials.truth == number for name, number in place.items()}
    passes, misses = (rates.false_pass * quality).clip(max=0.9), (rates.miss * (2 - quality)).clip(max=0.9)
    wrong[is_class[REST], place[EVENT]] = passes[is_class[REST]]
    wrong[is_class[EVENT], place[REST]] = misses[is_class[EVENT]]
    wrong[is_class[REFUSED], place[REST]] = REFUSAL_OVERLOOKED
    if INCOHERENT in place:
        wrong[is_class[INCOHERENT], place[EVENT]] = (rates.salad * quality)[is_class[INCOHERENT]]
        wrong[is_class[INCOHERENT], place[REST]] = 0.2
    if MISNAMED in place:
        wrong[is_class[MISNAMED], place[EVENT]] = (2 * passes).clip(max=0.5)[is_class[MISNAMED]]
        wrong[is_class[MISNAMED], place[REST]] = misses[is_class[MISNAMED]]
    wrong[~is_class[REFUSED], place[REFUSED]] = REFUSAL_INVENTED
    wrong[np.arange(many), trials.truth] = 1 - wrong.sum(axis=1)
    chance = rng.random(trials.distinct.max() + 1)[trials.distinct]
    return np.asarray((chance[:, None] > wrong.cumsum(axis=1)).sum(axis=1).clip(max=len(names) - 1))


def facts_of_class(name: str, arm: str, concept: str | None) -> Facts:
    """Facts whose outcome is a class.

    Parameters
    ----------
    name : str
        The class.
    arm : str
        Arm of the trial.
    concept : str or None
        Injected concept.
    """
    if name == EVENT:
        return Facts(True, concept if concept and arm == str(Arm.INJECTION) else OTHER, True, False)
    return Facts(
        claims=name == MISNAMED,
        concept=OTHER if name == MISNAMED else NONE,
        coherent=name != INCOHERENT,
        refused=name == REFUSED,
    )


@dataclass(frozen=True)
class StoredStudy:
    """A simulated study in a store: its trials, and the ids under which they are stored."""

    store: Store
    trials: SimulatedTrials
    ids: tuple[str, ...]


def store_study(store: Store, world: HostileWorld, rng: np.random.Generator) -> StoredStudy:
    """Simulate a study and add its trials, verdicts and labels to an empty store.

    Parameters
    ----------
    store : Store
        Empty store.
    world : HostileWorld
        The world.
    rng : numpy.random.Generator
        Source of randomness.
    """
    trials = simulate_trials(world, rng)
    records = list(_trial_records(trials))
    listed = [f"judge {number + 1}" for number in range(max(world.judges, 1))]
    further = ["lenient judge"] if world.left_out else []
    store.save_settings({"judges": [*listed, *further], "rule": "strict", "label_view": "blind"})
    store.add_subjects([Subject(name, size, "simulated", "instruct", "r") for name, size in world.design.subjects])
    store.add_protocol("p", "simulated", {"messages": []})
    store.add_trials(records)
    study = StoredStudy(store, trials, tuple(record.id for record in records))
    said = []
    for number, name in enumerate(listed):
        said.append(_said_by(world, trials, number, rng))
        _add_verdicts(study, world, f"{name}, version 1", name, said[-1], rng)
    if further:
        rates = TrialErrorRates(*(np.full(len(trials.cell), rate) for rate in (*LENIENT, 0.4)))
        _add_verdicts(study, world, "lenient judge", "lenient judge", draw_verdicts(trials, rates, 1.0, rng), rng)
    if world.one_verdict:
        passed = np.flatnonzero(said[0] == trials.classes.index(EVENT))
        chosen = [QueueItem(study.ids[place], "all", 1.0) for place in rng.permutation(passed)[: world.labels]]
        _add_labels(study, "first rater", chosen, world.raters, rng)
    elif world.judges:
        label_trials(study, world, rng)
    if world.improved:
        better = draw_verdicts(trials, _constant_rates(trials, BETTER), 1.0, rng)
        _add_verdicts(study, world, "judge 1, version 2", "judge 1", better, rng)
    store.save_settings({"judges": listed})
    return study


def _said_by(world: HostileWorld, trials: SimulatedTrials, number: int, rng: np.random.Generator) -> np.ndarray:
    if not world.judges:
        return trials.truth
    if world.fixed_errors:
        return draw_verdicts(trials, _constant_rates(trials, world.fixed_errors[number]), 1.0, rng)
    return draw_verdicts(trials, world.errors(trials), QUALITY[number], rng)


def _constant_rates(trials: SimulatedTrials, pair: tuple[float, float]) -> TrialErrorRates:
    return TrialErrorRates(*(np.full(len(trials.cell), rate) for rate in (*pair, 0.3)))


def _trial_records(trials: SimulatedTrials) -> Iterator[Trial]:
    """Records of the trials, each a replicate of its condition."""
    sizes = dict.fromkeys(range(len(trials.frame)), 0)
    rows = list(trials.frame.itertuples(index=False))
    for cell, response in zip(trials.cell, trials.distinct, strict=True):
        row, replicate = rows[cell], sizes[int(cell)]
        sizes[int(cell)] += 1
        steered = row.arm == str(Arm.INJECTION)
        layer, depth = (int(row.layer), row.depth) if steered else (None, None)
        strength = float(row.strength) if steered else 0.0
        concept = str(row.concept) if steered else None
        condition = Condition(
            str(row.subject), "r", Arm(str(row.arm)), concept, layer, strength, Span.GENERATION, "p", None, 1
        )
        id_ = condition.trial_id(replicate)
        depth = None if depth is None or np.isnan(depth) else float(depth)
        yield Trial(id_, condition, replicate, trial_seed(id_), f"response {response}", "stop", 1, depth)


def _add_verdicts(
    study: StoredStudy, world: HostileWorld, version: str, name: str, said: np.ndarray, rng: np.random.Generator
) -> None:
    """Store one judge version's verdicts; on word salad some fail."""
    trials = study.trials
    study.store.add_judge(JudgeVersion(version, name, "openai", {}))
    salad = trials.truth == trials.classes.index(INCOHERENT) if INCOHERENT in trials.classes else np.zeros(1, bool)
    fails = salad & (rng.random(len(said)) < world.fails_on_salad)
    facts = _facts_by_trial(trials, said)
    study.store.add_verdicts(
        Verdict(id_, version, None, VerdictState.UNPARSABLE) if failed else Verdict(id_, version, found)
        for id_, found, failed in zip(study.ids, facts, fails, strict=True)
    )


def _facts_by_trial(trials: SimulatedTrials, classes: np.ndarray) -> list[Facts]:
    arms = trials.frame["arm"].astype(str).to_numpy()[trials.cell]
    concepts = trials.frame["concept"].to_numpy()[trials.cell]
    return [
        facts_of_class(trials.classes[said], arm, concept if isinstance(concept, str) else None)
        for said, arm, concept in zip(classes, arms, concepts, strict=True)
    ]


def label_trials(study: StoredStudy, world: HostileWorld, rng: np.random.Generator) -> None:
    """Label trials that the queue chooses, and a share of them a second time by another rater.

    Parameters
    ----------
    study : StoredStudy
        Study with verdicts.
    world : HostileWorld
        How labels are chosen and how raters err.
    rng : numpy.random.Generator
        Source of randomness.
    """
    for number in range(-(-world.labels // LABELS_PER_CALL)):
        wanted = min(LABELS_PER_CALL, world.labels - number * LABELS_PER_CALL)
        seed = int(rng.integers(1 << 30))
        chosen = next_items(study.store, "first rater", strategy=world.strategy, n=wanted, seed=seed, lease_seconds=0.0)
        _add_labels(study, "first rater", chosen, world.raters, rng)
    twice = round(world.raters.labelled_twice * world.labels)
    if twice:
        chosen = next_items(
            study.store, "second rater", strategy="second", n=twice, seed=int(rng.integers(1 << 30)), lease_seconds=0.0
        )
        _add_labels(study, "second rater", chosen, world.raters, rng)


def _add_labels(
    study: StoredStudy, rater: str, chosen: Sequence[QueueItem], raters: RaterErrors, rng: np.random.Generator
) -> None:
    """Labels of one rater on the chosen trials, with the rater's errors."""
    place = {id_: number for number, id_ in enumerate(study.ids)}
    where = np.array([place[item.trial] for item in chosen], dtype=int)
    trials, said = study.trials, study.trials.truth.copy()
    event, rest = trials.classes.index(EVENT), trials.classes.index(REST)
    luck = rng.random(len(said))
    said[(trials.truth == event) & (luck < raters.miss)] = rest
    said[(trials.truth == rest) & (luck < raters.add)] = event
    facts = _facts_by_trial(trials, said)
    study.store.add_labels(
        Label(
            item.trial,
            rater,
            facts[number],
            stratum=item.stratum,
            probability=item.probability,
            selection=item.selection,
        )
        for item, number in zip(chosen, where, strict=True)
    )


def _inverse_logit(value: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 / (1.0 + np.exp(-value)))
