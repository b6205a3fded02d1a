"""Label queue: samples disputed or informative transcripts, with a random audit stream and known inclusion
probabilities.

Also samples transcripts for a second look: those that one other rater has labelled, and those on which raters differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from sqlalchemy import func, select

from gnomon.calibration.labels.sampling_strata import (
    ADJUDICATE,
    AUDIT,
    DISPUTED,
    LOOKS_AGAIN,
    RANDOM,
    UNCERTAIN,
)
from gnomon.calibration.labels.views import label_events, one_label_reading, rater_disagreements, standing_labels
from gnomon.calibration.observations.disputes import disputed_trials
from gnomon.calibration.observations.frames import fit_judges, readable_trials
from gnomon.calibration.posterior.plan_target import PlanTarget
from gnomon.calibration.posterior.verdict_patterns import arm_patterns
from gnomon.calibration.queue import sample_size
from gnomon.calibration.queue.expected_information import best_order
from gnomon.calibration.queue.sample_size import AUDIT_ONE_IN
from gnomon.data.errors import InputError
from gnomon.data.label_selection import LabelSelection
from gnomon.data.records import LabelKind, RaterRole
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

Strategy = Literal["disputed", "uncertain", "random", "second", "adjudicate"]


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A trial to label: `stratum` is the draw that selected it, `probability` its inclusion probability in this call.

    `probability` is that of one call: over many calls a trial had many chances, so 1 / `probability` is no weight of an
    estimator. `selection` holds the probability over all calls so far and the judges whose verdicts took part in the
    choice. A trial for a second look keeps all three from its first label, because estimators need the probability of
    being labelled at all. `role` is the role in which the label will count.
    """

    trial: str
    stratum: str
    probability: float
    role: RaterRole = RaterRole.RATER
    selection: LabelSelection | None = None


def next_items(
    store: Store,
    rater: str,
    *,
    strategy: Strategy = "disputed",
    n: int = 10,
    seed: int = 0,
    lease_seconds: float = 900.0,
    estimand: str | None = None,
    view: str = "blind",
) -> list[QueueItem]:
    """The next trials for a rater to label, leased to the rater, in random order.

    Candidates are answered trials that this rater has not labelled or flagged and that nobody else holds; of these,
    unlabelled ones as long as there are any, then those labelled by others. See `draw_with_audit_stream` for the
    inclusion probabilities of one call, `with_selections` for those over all calls. The same seed and store give the
    same items.

    Strategies: `disputed` draws transcripts on which the judges of the fit (`frames.fit_judges`) reach different
    outcomes; `uncertain` those verdict
    patterns whose labels are expected to reduce the posterior variance of `estimand` most
    (`queue.expected_information`), and needs at least one label in each of its arms; both leave a fifth to a random
    audit. `random` is a simple random sample. `second` takes trials that exactly one other rater has labelled,
    `adjudicate` those on which raters reach different outcomes and nobody has adjudicated, both at random and never one
    that this rater has labelled.

    Parameters
    ----------
    store : Store
        Store of the study.
    rater : str
        Name of the rater.
    strategy : {"disputed", "uncertain", "random", "second", "adjudicate"}, default "disputed"
        How trials are selected.
    n : int, default 10
        Number of trials wanted; fewer are returned if there are fewer.
    seed : int, default 0
        Seed of the draw.
    lease_seconds : float, default 900.0
        How long the trials are reserved for this rater.
    estimand : str, optional
        Estimand of `uncertain` (as in `sample_size.plan_labels`).
    view : str, default "blind"
        Label view that `uncertain` starts from.
    """
    random = np.random.default_rng(seed)
    if strategy in LOOKS_AGAIN:
        items = draw_relabelled(store, rater, strategy, n, random)
        return [item for item in items if store.acquire_lease(item.trial, rater, lease_seconds)]
    pool, state = labelling_candidates(store, rater), queue_state(store)
    if strategy == UNCERTAIN:
        estimand = sample_size.default_estimand(store) if estimand is None else estimand
        telling, order = most_informative_strata(store, estimand, view, pool, n, seed)
        items = draw_with_audit_stream(pool, telling, order, n, random, UNCERTAIN)
        judges, kinds = state.judges, _pattern_kinds(store, estimand, view)
    else:
        items = draw_sample(pool, state.disputed, n, random, strategy=strategy)
        judges = () if strategy == RANDOM else state.judges
        kinds = {} if strategy == RANDOM else dict.fromkeys(state.disputed, DISPUTED)
    leased = [item for item in items if store.acquire_lease(item.trial, rater, lease_seconds)]
    return with_selections(leased, state.trials, kinds, judges, set(standing_labels(label_events(store))["trial"]))


def with_selections(
    items: Sequence[QueueItem],
    trials: Sequence[str],
    kinds: Mapping[str, str],
    judges: Sequence[str],
    labelled: Set[str],
) -> list[QueueItem]:
    """Add to each drawn item which judges chose it, and the realised inclusion probability of its kind.

    Estimand: P(labelled) of a trial of the kind over all calls so far, estimated by labelled / all of the kind, which
    weights labels without bias if within a kind every unlabelled trial had the same chance in each call (S. L. Lohr,
    Sampling, chapter 8: weighting classes).

    Parameters
    ----------
    items : sequence of QueueItem
        The drawn trials.
    trials : sequence of str
        All trials of the study that can be labelled.
    kinds : mapping of str to str
        Kind of each trial by the verdicts that took part in the choice; trials without one are of the kind "".
    judges : sequence of str
        Versions of the judges that gave these verdicts.
    labelled : set of str
        Trials that were labelled before the call.
    """
    drawn = {item.trial for item in items}
    everything = Counter(kinds.get(trial, "") for trial in trials)
    done = Counter(kinds.get(trial, "") for trial in trials if trial in labelled or trial in drawn)
    chosen = {kind: LabelSelection(tuple(judges), kind, n, done[kind]) for kind, n in everything.items()}
    return [replace(item, selection=chosen[kinds.get(item.trial, "")]) for item in items]


def _pattern_kinds(store: Store, estimand: str, view: str) -> dict[str, str]:
    """Arm and verdict pattern of each trial that the judges read, as `most_informative_strata` draws by them."""
    target = PlanTarget.from_name(estimand)
    found = arm_patterns(store, view, question=target.question)
    return {
        trial: f"{name}: {found[name].arm_name(int(pattern))}"
        for name in target.signs
        for trial, pattern in found[name].trials[["trial", "pattern"]].itertuples(index=False)
    }


def labelling_candidates(store: Store, rater: str) -> list[str]:
    """Trials that may be given to a rater now, in the order of their ids (see `next_items`).

    Parameters
    ----------
    store : Store
        Store of the study.
    rater : str
        Name of the rater.
    """
    events = label_events(store)
    own, done = _seen_by(events, rater), set(standing_labels(events)["trial"])
    held = store.leased_to_others(rater)
    free = [trial for trial in queue_state(store).trials if trial not in own and trial not in held]
    return [trial for trial in free if trial not in done] or free


@one_label_reading()
def draw_relabelled(store: Store, rater: str, strategy: str, n: int, random: np.random.Generator) -> list[QueueItem]:
    """Random trials labelled by others, for this rater to label too (see `next_items`).

    Parameters
    ----------
    store : Store
        Store of the study.
    rater : str
        Name of the rater.
    strategy : {"second", "adjudicate"}
        How trials are selected.
    n : int
        Number of trials wanted.
    random : numpy.random.Generator
        Source of randomness.
    """
    labels = standing_labels(label_events(store))
    role = RaterRole.ADJUDICATOR if strategy == ADJUDICATE else RaterRole.RATER
    pool = relabelling_candidates(store, rater, strategy) - store.leased_to_others(rater)
    first = labels.drop_duplicates("trial")
    stratum = dict(zip(first["trial"], first["stratum"], strict=True))
    probability = dict(zip(first["trial"], first["probability"], strict=True))
    selection = {
        trial: LabelSelection.from_document(document)
        for trial, document in zip(first["trial"], first["selection"], strict=True)
    }
    chosen = _sample_without_replacement(random, sorted(pool), n)
    return [QueueItem(trial, stratum[trial], probability[trial], role, selection[trial]) for trial in chosen]


def relabelling_candidates(store: Store, rater: str, strategy: str) -> set[str]:
    """Trials labelled by others that this rater may label too, also those that somebody holds at the moment.

    Parameters
    ----------
    store : Store
        Store of the study.
    rater : str
        Name of the rater.
    strategy : {"second", "adjudicate"}
        Trials with exactly one rater, or those on which raters differ and that are not settled.
    """
    events = label_events(store)
    if strategy == ADJUDICATE:
        open_ = rater_disagreements(store, "current")
        pool = set(open_.loc[~open_["adjudicated"], "trial"])
    else:
        raters = standing_labels(events).groupby("trial")["rater"].nunique()
        pool = set(raters.index[raters == 1])
    return pool - _seen_by(events, rater)


def _seen_by(events: pd.DataFrame, rater: str) -> set[str]:
    """Trials that a rater has labelled or flagged without retraction."""
    standing = events[(events["kind"] != str(LabelKind.RETRACTION)) & ~events["withdrawn"]]
    return set(standing.loc[standing["rater"] == rater, "trial"])


@dataclass(frozen=True, slots=True)
class QueueState:
    """Trials, the judges of the fit, and the trials on which these reach different outcomes, cached for one state of
    the study.
    """

    state: tuple[object, ...]
    trials: list[str]
    disputed: set[str]
    judges: tuple[str, ...]


_KNOWN: WeakKeyDictionary[Store, QueueState] = WeakKeyDictionary()


def queue_state(store: Store) -> QueueState:
    """Trials and disputed trials, read again when trials or verdicts were added or the study's settings changed.

    A rater makes some hundred calls to label a study, and reading all of its verdicts for each would be slow.
    """
    with store.read_transaction() as connection:
        trials = connection.execute(select(func.count()).select_from(tables.trials)).scalar_one()
        newest = connection.execute(select(func.max(tables.verdicts.c.id))).scalar()
    state = (trials, newest, repr(sorted(store.study_settings().items())))
    known = _KNOWN.get(store)
    if known is None or known.state != state:
        judges = tuple(fit_judges(store)["version"].tolist())
        known = QueueState(state, readable_trials(store), disputed_trials(store, judges), judges)
        _KNOWN[store] = known
    return known


def most_informative_strata(
    store: Store, estimand: str, view: str, pool: Sequence[str], n: int, seed: int = 0
) -> tuple[list[list[str]], list[int]]:
    """Trials of the pool by arm and verdict pattern, and the best stratum of each of n labels.

    Parameters
    ----------
    store : Store
        Store of the study.
    estimand : str
        As in `sample_size.plan_labels`.
    view : str
        Label view.
    pool : sequence of str
        Ids of the trials that may be drawn.
    n : int
        Number of labels to place.
    seed : int, default 0
        Seed of the posterior.

    Returns
    -------
    list of list of str, list of int
        Trial ids of each stratum, and the stratum of each label in turn.
    """
    found = sample_size.label_strata(store, PlanTarget.from_name(estimand), view, seed=seed)
    there = set(pool)
    free = [[trial for trial in trials if trial in there] for trials in found.free]
    order, _ = best_order(found.estimand, found.event, [len(trials) for trials in free], n)
    return free, order


def draw_sample(
    pool: Sequence[str], disputed: set[str], n: int, random: np.random.Generator, *, strategy: str = "disputed"
) -> list[QueueItem]:
    """Draw n trials from a pool, disputed ones first with an audit stream, or a simple random sample of it.

    Within the disputed and within the other trials all are treated alike. See `draw_with_audit_stream` for the
    probabilities.

    Parameters
    ----------
    pool : sequence of str
        Ids of the trials that may be drawn.
    disputed : set of str
        Ids of disputed trials.
    n : int
        Number of trials wanted.
    random : numpy.random.Generator
        Source of randomness.
    strategy : {"disputed", "random"}, default "disputed"
        How trials are selected.

    Raises
    ------
    InputError
        If the strategy is not known.
    """
    if strategy not in (DISPUTED, RANDOM):
        raise InputError(f"queue strategy '{strategy}' is not known: choose disputed, uncertain or random")
    if strategy == RANDOM:
        return draw_with_audit_stream(pool, [], [], n, random, RANDOM)
    doubted = [trial for trial in sorted(set(pool)) if trial in disputed]
    return draw_with_audit_stream(pool, [doubted], [0] * len(doubted), n, random, DISPUTED)


def draw_with_audit_stream(
    pool: Sequence[str],
    strata: Sequence[Sequence[str]],
    order: Sequence[int],
    n: int,
    random: np.random.Generator,
    name: str,
) -> list[QueueItem]:
    """Draw n trials from a pool: four fifths from chosen strata, the rest from the remaining pool.

    Of the n places a fifth (rounded up or down at random so that a fifth is right on average) goes to the audit stream.
    The other k places are taken by `order`: its first k entries say how many trials each stratum gives, by simple
    random samples. All remaining places are filled by a simple random sample of the rest of the pool, whatever its
    stratum: the audit. With C trials in the pool, d_s of the D_s in stratum s drawn and r = n - sum d by audit, the
    probabilities are d_s/D_s + (1 - d_s/D_s) r/(C - sum d) for a trial of stratum s and r/(C - sum d) for one of none,
    averaged over the rounding. With no strata this is a simple random sample of the pool, and its stratum is "random".

    The probability is that of one call given its pool. Over many calls, trials of one stratum stay exchangeable, so
    labelled / all of that kind is the inclusion probability that estimators should use.

    Parameters
    ----------
    pool : sequence of str
        Ids of the trials that may be drawn.
    strata : sequence of sequence of str
        Trial ids of each stratum.
    order : sequence of int
        Stratum of each label in turn.
    n : int
        Number of trials wanted, 1 or more.
    random : numpy.random.Generator
        Source of randomness.
    name : str
        Stratum name recorded for trials drawn by `order`.

    Raises
    ------
    InputError
        If n is below 1.
    """
    if n < 1:
        raise InputError(f"{n} items asked for: ask for one or more")
    trials = sorted(set(pool))
    places = n - _audit_places(random, n) if strata else 0
    taken = Counter(order[:places])
    picked = [
        trial
        for place, part in enumerate(strata)
        for trial in _sample_without_replacement(random, sorted(part), taken[place])
    ]
    chosen = set(picked)
    audited = _sample_without_replacement(random, [trial for trial in trials if trial not in chosen], n - len(picked))
    drawn = [(trial, name) for trial in picked] + [(trial, AUDIT if strata else RANDOM) for trial in audited]
    others, inside = _inclusion_probabilities(len(trials), [len(part) for part in strata], order, n)
    stratum = {trial: place for place, part in enumerate(strata) for trial in part}
    items = [QueueItem(trial, kind, inside[stratum[trial]] if trial in stratum else others) for trial, kind in drawn]
    return [items[place] for place in random.permutation(len(items))]


def _audit_places(random: np.random.Generator, n: int) -> int:
    whole, over = divmod(n, AUDIT_ONE_IN)
    return whole + int(random.random() < over / AUDIT_ONE_IN)


def _sample_without_replacement(random: np.random.Generator, trials: list[str], n: int) -> list[str]:
    return [trials[place] for place in random.choice(len(trials), min(n, len(trials)), replace=False)] if trials else []


def _inclusion_probabilities(
    pool: int, sizes: Sequence[int], order: Sequence[int], n: int
) -> tuple[float, list[float]]:
    """Inclusion probability outside all strata and in each of them, averaged over the rounding of the audit."""
    if not sizes:
        return (min(1.0, n / pool) if pool else 0.0), []
    whole, over = divmod(n, AUDIT_ONE_IN)
    up = over / AUDIT_ONE_IN
    down, more = (_inclusion_probability(pool, sizes, order, n, audit) for audit in (whole, whole + 1))
    inside = [(1 - up) * one + up * other for one, other in zip(down[1], more[1], strict=True)]
    return (1 - up) * down[0] + up * more[0], inside


def _inclusion_probability(
    pool: int, sizes: Sequence[int], order: Sequence[int], n: int, audit: int
) -> tuple[float, list[float]]:
    taken = Counter(order[: max(n - audit, 0)])
    drawn = [min(taken[place], size) for place, size in enumerate(sizes)]
    rest = pool - sum(drawn)
    by_audit = min(1.0, (n - sum(drawn)) / rest) if rest else 0.0
    shares = [part / size if size else 0.0 for part, size in zip(drawn, sizes, strict=True)]
    return by_audit, [share + (1 - share) * by_audit for share in shares]
