"""What to label next: transcripts that judges dispute, with a random audit stream, each with its known chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from calibration.facts import judge_frame, ok_verdicts, trial_frame
from calibration.labels import label_events
from data.errors import BadInput
from data.records import LabelKind
from data.store import Store

DISPUTED = "disputed"
AUDIT = "audit"
RANDOM = "random"
AUDIT_ONE_IN = 5

Strategy = Literal["disputed", "random"]


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A trial to label: `stratum` says by which draw it came, `probability` how likely this call was to pick it."""

    trial: str
    stratum: str
    probability: float


def next_items(
    store: Store,
    rater: str,
    *,
    strategy: Strategy = "disputed",
    n: int = 10,
    seed: int = 0,
    lease_seconds: float = 900.0,
) -> list[QueueItem]:
    """The next trials for a rater to label, leased to the rater, in random order.

    Candidates are trials that gave an answer, that this rater has not labelled or flagged and that nobody else
    holds; of these, those that nobody has labelled as long as there are any, then those that others labelled.
    See `draw` for the strategies and the inclusion probabilities. The same seed and store give the same items.

    Parameters
    ----------
    store : Store
    rater : str
        Who will label.
    strategy : {"disputed", "random"}
        Disputed transcripts first with an audit stream, or a simple random sample.
    n : int
        Number of trials wanted; fewer come back where there are fewer.
    seed : int
        Seed of the draw.
    lease_seconds : float
        How long the trials are kept from other raters.
    """
    pool = candidates(store, rater)
    items = draw(pool, disputed_trials(store), n, np.random.default_rng(seed), strategy=strategy)
    return [item for item in items if store.lease(item.trial, rater, lease_seconds)]


def candidates(store: Store, rater: str) -> list[str]:
    """Trials that may be given to a rater now, in the order of their ids (see `next_items`)."""
    events = label_events(store)
    standing = events[(events["kind"] != str(LabelKind.RETRACTION)) & ~events["withdrawn"]]
    own = set(standing.loc[standing["rater"] == rater, "trial"])
    done = set(standing.loc[standing["kind"] == str(LabelKind.LABEL), "trial"])
    held = store.leased_to_others(rater)
    free = [trial for trial in trial_frame(store)["trial"] if trial not in own and trial not in held]
    return [trial for trial in free if trial not in done] or free


def disputed_trials(store: Store, judges: Sequence[str] | None = None) -> set[str]:
    """Trials on which two judges (the newest version of each) come to different outcomes."""
    verdicts = ok_verdicts(store, judge_frame(store, judges)["version"].tolist())
    return disputed_among(verdicts)


def disputed_among(verdicts: pd.DataFrame) -> set[str]:
    """Trials that have more than one outcome in a frame of verdicts with columns trial and outcome."""
    kinds = verdicts.groupby("trial")["outcome"].nunique()
    return set(kinds.index[kinds > 1])


def draw(
    pool: Sequence[str], disputed: set[str], n: int, random: np.random.Generator, *, strategy: Strategy = "disputed"
) -> list[QueueItem]:
    """Draw n trials from a pool, each with the probability that the draw had of including it.

    `random`: a simple random sample without replacement of the pool.

    `disputed`: of the n places, a fifth (rounded up or down at random so that a fifth is right on average) goes
    to the audit stream. First the other places are filled by a simple random sample of the pool's disputed
    trials, as far as they reach. Then all places left are filled by a simple random sample of the rest of the
    pool, disputed or not: the audit stream. With C trials in the pool, D of them disputed, d drawn as disputed
    and r = n - d by audit, the chances are d/D + (1 - d/D) r/(C - d) for a disputed trial and r/(C - d) for
    another, averaged over the rounding. Within the disputed and within the others all trials are treated alike.

    The probability is that of one call given its pool. Over many calls, the trials of one kind (disputed or not)
    stay exchangeable, so labelled / all of that kind is the inclusion probability that estimators should use.
    """
    if n < 1:
        raise BadInput(f"{n} items asked for: ask for one or more")
    if strategy not in (DISPUTED, RANDOM):
        raise BadInput(f"queue strategy '{strategy}' is not known: choose disputed or random")
    trials = sorted(set(pool))
    doubted = [trial for trial in trials if trial in disputed] if strategy == DISPUTED else []
    picked = _sample(random, doubted, n - _audit_places(random, n))
    chosen = set(picked)
    rest = [trial for trial in trials if trial not in chosen]
    audited = _sample(random, rest, n - len(picked))
    open_chance, disputed_chance = _chances(len(trials), len(doubted), n)
    other = AUDIT if strategy == DISPUTED else RANDOM
    drawn = [(trial, DISPUTED) for trial in picked] + [(trial, other) for trial in audited]
    known = set(doubted)
    items = [QueueItem(trial, name, disputed_chance if trial in known else open_chance) for trial, name in drawn]
    return [items[place] for place in random.permutation(len(items))]


def _audit_places(random: np.random.Generator, n: int) -> int:
    whole, over = divmod(n, AUDIT_ONE_IN)
    return whole + int(random.random() < over / AUDIT_ONE_IN)


def _sample(random: np.random.Generator, trials: list[str], n: int) -> list[str]:
    return [trials[place] for place in random.choice(len(trials), min(n, len(trials)), replace=False)] if trials else []


def _chances(pool: int, doubted: int, n: int) -> tuple[float, float]:
    """Inclusion probability of an undisputed and of a disputed trial, averaged over the rounding of the audit."""
    whole, over = divmod(n, AUDIT_ONE_IN)
    up = over / AUDIT_ONE_IN
    down = _chance(pool, doubted, n, whole)
    more = _chance(pool, doubted, n, whole + 1)
    return (1 - up) * down[0] + up * more[0], (1 - up) * down[1] + up * more[1]


def _chance(pool: int, doubted: int, n: int, audit: int) -> tuple[float, float]:
    drawn = min(max(n - audit, 0), doubted)
    rest = pool - drawn
    by_audit = min(1.0, (n - drawn) / rest) if rest else 0.0
    by_dispute = drawn / doubted if doubted else 0.0
    return by_audit, by_dispute + (1 - by_dispute) * by_audit
