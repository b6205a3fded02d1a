"""Means over concepts and items that are crossed, and their covariance: for these concepts or for concepts like these.

Estimand: for each group of trials (a task in an arm, over the design or in one cell) the mean over concepts of the
concept's mean, and linear combinations of such means. *These concepts*: concepts are fixed, items (questions, orders of
options, sets of sentences) and responses are drawn. *Concepts like these*: concepts are drawn too.

Assumes that concepts are independent draws from their population, and items from theirs, independent of the concepts;
no distribution, no equal variances between groups, concepts or items, no balance. A concept's deviations in several
groups may be correlated (the same concept steers both questions), and so may an item's (the same question is put with
and without the vector).

Formula. Let y_gc be the mean of concept c in group g, m_g their mean over C concepts, and s_gci the sum of the
residuals w (y - y_gc) of item i in concept c, each divided by sqrt(1 - h), h the share of the item in the weight of the
concept. For a contrast k of groups, with s_ci = sum_g k_g s_gci, and 0 for trials that have no concept (a plain
control whose items are asked of several concepts; else they have the concept of their item):

    these concepts        V = sum_i (sum_c s_ci + s_0i)^2
    concepts like these   V = var_c(sum_g k_g y_gc) / C + max(0, P)
                          P = sum_i [ C/(C-1) sum_(c != c') s_ci s_c'i + 2 s_0i sum_c s_ci + s_0i^2 ]

The variance between concepts' means already holds what differs between concepts, items nested in them included; P adds
what they share, and is exact in expectation for crossed, nested and partly crossed items. Degrees of freedom:
Satterthwaite's over these parts, C - 1 for the first and sum_i (1 - h_i) for those of items, by task and by the arms
that share the item.

Sources: Cameron, Gelbach and Miller (2011), Robust inference with multiway clustering; Bell and McCaffrey (2002), the
factor 1 / sqrt(1 - h); Satterthwaite (1946); Clark (1973), the language-as-fixed-effect fallacy, for items as drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

Target = Literal["these", "like"]
"""Concepts that an interval is about: the study's own, or those that they were drawn from."""
THESE: Final = "these"
LIKE: Final = "like"
TARGETS: tuple[Target, ...] = (THESE, LIKE)
MIN_ITEMS = 4
"""Fewest items of a task whose variance can be estimated; with fewer the interval is about these items."""
_WHOLE = 1 - 1e-9
_COLUMNS = ("concept", "item", "layer", "strength", "n")


@dataclass(frozen=True)
class TrialGroup:
    """Trials whose mean is one term of a contrast.

    Attributes
    ----------
    task : str
        Items of different tasks are different.
    values : ndarray, shape (trials,)
        What was observed, finite.
    concepts, items : ndarray of object, shape (trials,)
        Name of the concept (None: none), and of the item (None: every trial has its own).
    sizes : ndarray, shape (trials,)
        Number of trials that a row stands for; its value is then their mean.
    within : ndarray, shape (trials,)
        Sampling variance of the value of a row of several trials that are counted together, 0 for one trial.
    strata : ndarray, shape (trials,)
        Number of the cell of the design: cells of a concept count alike, whatever their number of trials.
    is_paired : bool
        Whether a row is the mean of a pair, which may vary less than two independent answers.
    """

    task: str
    values: np.ndarray
    concepts: np.ndarray
    items: np.ndarray
    sizes: np.ndarray
    within: np.ndarray
    strata: np.ndarray
    is_paired: bool = False

    @property
    def trial_count(self) -> int:
        """Number of trials."""
        return round(float(self.sizes.sum()))

    @property
    def concept_count(self) -> int:
        """Number of concepts; 0 for a plain control."""
        return len({concept for concept in self.concepts if concept is not None})

    @property
    def item_count(self) -> int:
        """Number of items; the number of trials where they have none."""
        return len({item for item in self.items if item is not None}) or self.trial_count

    def mean_weights(self) -> np.ndarray:
        """Weight of each row in the mean of the group, 1 in sum: concepts alike, their cells alike."""
        names = np.array([concept or "" for concept in self.concepts], dtype=object).astype(str)
        concepts, row = np.unique(names, return_inverse=True)
        return _design_weights(row, self.strata, self.sizes) / len(concepts)


@dataclass(frozen=True)
class CrossedMeans:
    """Means of several groups of trials of one study, with what their covariance needs.

    Attributes
    ----------
    means : ndarray, shape (groups,)
    between : ndarray, shape (groups, groups)
        Covariance of the means between concepts, C - 1 degrees of freedom; not finite for a single concept.
    concept_counts : ndarray of int, shape (groups,)
    these_blocks, like_blocks : ndarray, shape (blocks, groups, groups)
        Covariance by items, by block of items that occur in the same groups; for each target.
    block_freedom : ndarray, shape (blocks,)
        Degrees of freedom of each block.
    floors : ndarray, shape (groups,)
        Variance of each mean, were its responses (or pairs) independent within a concept: for rates only.
    smoothed : ndarray, shape (groups,)
        Means with half an event and half a non-event added to each concept: for rates only.
    sizes : ndarray, shape (groups,)
        Numbers of trials.
    has_single_trials : bool
        Whether some concept has a single response where the task has several items: the variance of its responses is
        then unknown.
    """

    means: np.ndarray
    between: np.ndarray
    concept_counts: np.ndarray
    these_blocks: np.ndarray
    like_blocks: np.ndarray
    block_freedom: np.ndarray
    floors: np.ndarray
    smoothed: np.ndarray
    sizes: np.ndarray
    has_single_trials: bool

    def can_target(self, target: Target) -> bool:
        """Whether the data hold an interval for this target."""
        if target == THESE:
            return not self.has_single_trials
        return bool(self.concept_counts.max() > 1 and np.isfinite(self.between).all())

    def covariance(self, target: Target) -> np.ndarray:
        """Covariance matrix of the means, shape (groups, groups); positive semi-definite up to sampling error."""
        if target == THESE:
            return np.asarray(self.these_blocks.sum(axis=0))
        return np.asarray(self.between + self.like_blocks.sum(axis=0))

    def contrast_variance(self, weights: np.ndarray, target: Target) -> tuple[float, float]:
        """Variance of a linear combination of the means, and its degrees of freedom.

        Parameters
        ----------
        weights : ndarray, shape (groups,)
        target : {"these", "like"}
        """
        blocks = self.these_blocks if target == THESE else self.like_blocks
        parts = np.einsum("g,bgh,h->b", weights, blocks, weights)
        freedom = self.block_freedom
        item_part = max(0.0, float(parts.sum()))
        if target == LIKE:
            used = self.concept_counts[(weights != 0) & (self.concept_counts > 0)]
            spread = max(0.0, float(weights @ self.between @ weights))
            concept_freedom = float(used.min() - 1) if len(used) else 1.0
            parts, freedom = np.append(parts, spread), np.append(freedom, concept_freedom)
            variance = spread + item_part
        else:
            variance = item_part
        moments = float((parts**2 / np.maximum(freedom, 1.0)).sum())
        return variance, (variance**2 / moments if moments > 0 and variance > 0 else float(freedom.sum()))


def trial_group(task: str, trials: pd.DataFrame, values: np.ndarray) -> TrialGroup:
    """The group of those trials that have a value; trials of one pair are averaged first.

    Parameters
    ----------
    task : str
    trials : DataFrame
        Rows of `measured_trials_frame.checked_frame`.
    values : ndarray, shape (rows,)
        What was observed; rows with NaN are left out.
    """
    seen = np.isfinite(values)
    if trials["pair"].notna().any():
        return replace(_group_of_rows(task, _paired_rows(trials.assign(value=values)[seen])), is_paired=True)
    return _group_of_rows(task, {name: trials[name].to_numpy()[seen] for name in _COLUMNS} | {"value": values[seen]})


def crossed_means(groups: Sequence[TrialGroup]) -> CrossedMeans:
    """Means of groups of trials and what their covariance needs: see the head of the module.

    Parameters
    ----------
    groups : sequence of TrialGroup
        Each with at least one trial; groups of one task share their items, all groups share their concepts.
    """
    named = _with_item_names(_with_item_concepts(groups))
    tables = [_GroupTable.of_group(group, is_fixed) for group, is_fixed in named]
    concepts = sorted({concept for table in tables for concept in table.concepts if concept})
    items = sorted({item for table in tables for item in table.items})
    place = {concept: number for number, concept in enumerate(concepts)} | {"": len(concepts)}
    column = {item: number for number, item in enumerate(items)}
    size = len(tables)
    scores = np.zeros((size, len(concepts) + 1, len(items)))
    shares = np.zeros((size, len(items)))
    deviations = np.zeros((size, len(concepts)))
    counts = np.array([sum(bool(concept) for concept in table.concepts) for table in tables])
    own = np.zeros((size, len(concepts) + 1))
    for g, table in enumerate(tables):
        rows = np.array([place[concept] for concept in table.concepts], dtype=int)
        columns = np.array([column[item] for item in table.items], dtype=int)
        scores[g][np.ix_(rows, columns)] = table.scores
        shares[g, columns] = table.item_shares
        own[g, rows] = table.own
        if counts[g]:
            deviations[g, rows] = (table.concept_means - table.mean) / len(rows)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(counts > 0, np.sqrt(counts / (counts - 1.0)), 0.0)
        scaled = np.where(counts[:, None] > 0, deviations * factor[:, None], 0.0)
    between = scaled @ scaled.T
    these, like, freedom = _item_blocks(scores, shares, own, np.where(np.isfinite(factor), factor, 1.0))
    return CrossedMeans(
        np.array([table.mean for table in tables]),
        between,
        counts,
        these,
        like,
        freedom,
        np.array([table.floor for table in tables]),
        np.array([table.smoothed for table in tables]),
        np.array([group.sizes.sum() for group in groups]),
        any(table.has_single_trials for table in tables),
    )


@dataclass(frozen=True)
class _GroupTable:
    """A group by concept and item. Rows of `scores` are concepts ("" for none), columns items."""

    mean: float
    concepts: tuple[str, ...]
    items: tuple[str, ...]
    concept_means: np.ndarray
    scores: np.ndarray
    item_shares: np.ndarray
    own: np.ndarray
    floor: float
    smoothed: float
    has_single_trials: bool

    @classmethod
    def of_group(cls, group: TrialGroup, is_fixed: bool) -> _GroupTable:
        names = np.array([concept or "" for concept in group.concepts], dtype=object)
        concepts, row = np.unique(names.astype(str), return_inverse=True)
        items, column = np.unique(group.items.astype(str), return_inverse=True)
        weight = _design_weights(row, group.strata, group.sizes)
        shape = (len(concepts), len(items))
        means = np.bincount(row, weight * group.values, len(concepts))
        share, residual = np.zeros(shape), np.zeros(shape)
        np.add.at(share, (row, column), weight)
        np.add.at(residual, (row, column), weight * (group.values - means[row]))
        single = share > _WHOLE
        scores = np.where(single, 0.0, residual / np.sqrt(np.where(single, 1.0, 1.0 - share))) / len(concepts)
        own = np.bincount(row, weight**2 * group.within, len(concepts)) / len(concepts) ** 2
        present = share > 0
        leverage = (share * present).sum(axis=0) / present.sum(axis=0)
        counted = np.bincount(row, group.sizes, len(concepts))
        smooth = (np.clip(means, 0, 1) * counted + 0.5) / (counted + 1)
        floors = smooth * (1 - smooth) / counted
        if group.is_paired:
            pairs = np.bincount(row, minlength=len(concepts))
            squares = np.bincount(row, (group.values - means[row]) ** 2, len(concepts))
            floors = (squares + smooth * (1 - smooth) / 2) / (pairs + 1) / pairs
        return cls(
            float(means.mean()),
            tuple(map(str, concepts)),
            tuple(map(str, items)),
            means,
            scores,
            leverage,
            own,
            float(floors.sum() / len(concepts) ** 2),
            float(smooth.mean()),
            bool(single.any() and not is_fixed and (own[single.any(axis=1)] == 0).any()),
        )


def _design_weights(row: np.ndarray, strata: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Weights of trials, 1 in sum within each concept: its cells count alike, and trials of a cell by their number."""
    cells = row * (int(strata.max()) + 1) + strata
    totals = np.bincount(cells, sizes)
    filled = np.unique(np.column_stack([row, strata]), axis=0)[:, 0]
    return np.asarray(sizes / totals[cells] / np.bincount(filled)[row])


def _with_item_concepts(groups: Sequence[TrialGroup]) -> list[TrialGroup]:
    """Groups in which trials without a concept have that of their item, if each item belongs to one concept."""
    owners: dict[tuple[str, object], set[object]] = {}
    for group in groups:
        for item, concept in zip(group.items, group.concepts, strict=True):
            if item is not None and concept is not None:
                owners.setdefault((group.task, item), set()).add(concept)
    return [_with_concepts_of(group, owners) for group in groups]


def _with_concepts_of(group: TrialGroup, owners: Mapping[tuple[str, object], set[object]]) -> TrialGroup:
    found = [owners.get((group.task, item), set()) for item in group.items]
    if group.concept_count or not found or any(len(each) != 1 for each in found):
        return group
    return replace(group, concepts=np.array([next(iter(each)) for each in found], dtype=object))


def _with_item_names(groups: Sequence[TrialGroup]) -> list[tuple[TrialGroup, bool]]:
    """Groups whose items have names that are unique in all tasks, and whether a task has too few to be a draw of items.

    The responses to too few count one by one.
    """
    items: dict[str, set[object]] = {}
    for group in groups:
        items.setdefault(group.task, set()).update(item for item in group.items if item is not None)
    named = []
    for number, group in enumerate(groups):
        few = len(items[group.task]) < MIN_ITEMS
        own = [
            f"{group.task}\t{item}" if item is not None and not few else f"\t{number}\t{at}"
            for at, item in enumerate(group.items)
        ]
        named.append((replace(group, items=np.array(own, dtype=object)), 0 < len(items[group.task]) < MIN_ITEMS))
    return named


def _item_blocks(
    scores: np.ndarray, shares: np.ndarray, own: np.ndarray, factor: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariances by items for both targets, shape (blocks, groups, groups), and degrees of freedom."""
    size = len(scores)
    patterns, block = np.unique(shares > 0, axis=1, return_inverse=True)
    block = block.reshape(-1)
    count = patterns.shape[1]
    these, like = np.zeros((count + 1, size, size)), np.zeros((count + 1, size, size))
    freedom = np.ones(count + 1)
    for b in range(count):
        mine = block == b
        there, plain = scores[:, :-1, mine], scores[:, -1, mine]
        total = there.sum(axis=1)
        whole = total + plain
        these[b] = whole @ whole.T
        shared = total @ total.T - np.einsum("gci,hci->gh", there, there)
        mixed = total @ plain.T
        like[b] = np.outer(factor, factor) * shared + mixed + mixed.T + plain @ plain.T
        leverage = shares[:, mine].max(axis=0)
        freedom[b] = max(1.0, float((1 - leverage).sum()))
    these[count] = np.diag(own.sum(axis=1))
    like[count] = np.diag(own[:, -1])
    freedom[count] = np.inf
    return these, like, freedom


def _group_of_rows(task: str, rows: pd.DataFrame | Mapping[str, np.ndarray]) -> TrialGroup:
    value, size = (np.asarray(rows[name], dtype=float) for name in ("value", "n"))
    concepts, items = (np.asarray(rows[name], dtype=object) for name in ("concept", "item"))
    places = np.column_stack([np.asarray(rows[name], dtype=float) for name in ("layer", "strength")])
    cells = np.unique(np.where(np.isnan(places), -np.inf, places), axis=0, return_inverse=True)[1].reshape(-1)
    within = np.asarray(rows["within"], dtype=float) if "within" in rows else _counted_variance(value, size)
    return TrialGroup(task, value, concepts, items, size, within, cells)


def _counted_variance(values: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Sampling variance of values that are means of several answers; 0 for one trial."""
    return np.where(sizes > 1, np.clip(values * (1 - values), 0, None) / np.maximum(sizes - 1, 1), 0.0)


def _paired_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """One row for each pair, with its mean and its item, or as an item of its own; rows without a pair stay."""
    keys = ["pair", "concept", "layer", "strength"]
    paired, alone = rows[rows["pair"].notna()], rows[rows["pair"].isna()]
    means = paired.groupby(keys, dropna=False, sort=False).agg(
        value=("value", "mean"), n=("n", "sum"), item=("item", "first"), items=("item", "nunique")
    )
    means = means.reset_index().assign(within=0.0)
    alone = alone.assign(within=_counted_variance(alone["value"].to_numpy(float), alone["n"].to_numpy(float)))
    means["item"] = means["item"].where(means["items"] == 1, means["pair"])
    joined = pd.concat([means, alone], ignore_index=True)
    for name in ("item", "concept"):
        joined[name] = joined[name].astype(object).where(joined[name].notna(), None)
    return joined
