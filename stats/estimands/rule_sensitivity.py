"""How much the estimates depend on what is counted: other outcome rules, and trials without a usable verdict.

Estimand: those of the registry that are in the headline, as counted by one judge, over each subject's own trials.

**Outcome rules.** The same stored verdicts under every registered rule. `value` is the estimand's formula on raw
shares; the interval is equal-tailed from a Dirichlet posterior of each arm's shares, with Jeffreys' prior (1/2 for each
class), which for one rate is close to Wilson's (Brown, Cai and DasGupta 2001, Statistical Science 16). It assumes
independent trials and no judge error, so it is narrower than a fit's; it serves to compare rules, not to replace the
estimate.

**Missing verdicts.** A failed call has no verdict, and no estimate counts its trial. Within an arm the trials without a
verdict could all have had one outcome: the range is over every outcome in each arm (worst-case bounds, Manski 1990,
American Economic Review 80). It assumes nothing of why verdicts are missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from sqlalchemy import func, select

from gnomon.data.errors import NotEnoughDataError, UnknownNameError
from gnomon.data.outcomes import RULES, rule_named
from gnomon.data.storage.design_scope import report_conditions
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import trials
from gnomon.data.study_settings import load_settings
from gnomon.stats.cells.aggregation import CellCounts, judged_cells
from gnomon.stats.estimand_registry import Estimand, Shares, is_computable, primary_estimands
from gnomon.stats.estimands.definitions import shares_from_counts
from gnomon.stats.results import MissingVerdictRange, RuleEstimate

DRAWS = 4000
JEFFREYS = 0.5
TOLERATED = 0.02
"""Share of trials without a usable verdict from which on an estimate is shown with its range."""
ArmTotals = Mapping[str, np.ndarray]
"""Counts by class, by arm."""


def compare_outcome_rules(store: Store, judge: str | None = None) -> list[RuleEstimate]:
    """The headline estimates of each subject as counted under each outcome rule, the study's first.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str, optional
        Name of the judge; by default the study's first.

    Raises
    ------
    NotEnoughDataError
        If the judge has no counted verdict.
    """
    usual = load_settings(store).rule
    out: list[RuleEstimate] = []
    for name in dict.fromkeys([usual, *RULES]):
        try:
            cells = judged_cells(store, judge, rule=rule_named(name))
        except (NotEnoughDataError, UnknownNameError):
            if name == usual:
                raise
            continue
        for subject, totals in _totals_by_arm(cells).items():
            for estimand in _headline(cells.classes, totals):
                counts = [totals[arm] for arm in estimand.arms]
                value = _point(estimand, cells.classes, counts)
                low, high = np.quantile(_draws(estimand, cells.classes, counts), [0.025, 0.975])
                out.append(
                    RuleEstimate(
                        subject=subject,
                        estimand=estimand.name,
                        rule=name,
                        is_study_rule=name == usual,
                        value=value,
                        low95=min(float(low), value),
                        high95=max(float(high), value),
                        n=int(sum(each.sum() for each in counts)),
                    )
                )
    return out


def missing_verdict_ranges(store: Store, judge: str | None = None) -> list[MissingVerdictRange]:
    """Ranges of the headline estimates of subjects with more than 2 % of an arm's trials without a usable verdict.

    Parameters
    ----------
    store : Store
        Store of the study.
    judge : str, optional
        Name of the judge; by default the study's first.
    """
    cells, answered = judged_cells(store, judge), _answered_trials(store)
    out: list[MissingVerdictRange] = []
    for subject, totals in _totals_by_arm(cells).items():
        missing = {arm: answered.get((subject, arm), 0) - int(counts.sum()) for arm, counts in totals.items()}
        for estimand in _headline(cells.classes, totals):
            counts = [totals[arm] for arm in estimand.arms]
            lost = [max(missing[arm], 0) for arm in estimand.arms]
            shares = [gone / (gone + each.sum()) for gone, each in zip(lost, counts, strict=True)]
            if max(shares) <= TOLERATED:
                continue
            ends = list(_extremes(estimand, cells.classes, counts, lost))
            out.append(
                MissingVerdictRange(
                    subject=subject,
                    estimand=estimand.name,
                    missing=sum(lost),
                    trials=sum(lost) + int(sum(each.sum() for each in counts)),
                    value=_point(estimand, cells.classes, counts),
                    lowest=min(ends),
                    highest=max(ends),
                )
            )
    return out


def _headline(classes: tuple[str, ...], totals: ArmTotals) -> Iterator[Estimand]:
    for estimand in primary_estimands():
        if estimand.headline and is_computable(estimand, classes) and set(estimand.arms) <= set(totals):
            yield estimand


def _totals_by_arm(cells: CellCounts) -> dict[str, dict[str, np.ndarray]]:
    """Counts by class of each subject and arm."""
    out: dict[str, dict[str, np.ndarray]] = {}
    keys = cells.frame[["subject", "arm"]].itertuples(index=False)
    for (subject, arm), counts in zip(keys, cells.counts, strict=True):
        arms = out.setdefault(str(subject), {})
        arms[str(arm)] = arms.get(str(arm), np.zeros(len(cells.classes), dtype=np.int64)) + counts
    return out


def _answered_trials(store: Store) -> dict[tuple[str, str], int]:
    """Trials with a response, by subject and arm: all, from an index that does not tell which failed, less those."""
    column, counted = trials.c, Counter[tuple[str, str]]()
    failed = select(column.id).where(column.error.is_not(None))  # an index of its own has them
    every = select(column.subject, column.arm, func.count()).where(*report_conditions(store))
    with store.read_transaction() as connection:
        for sign, query in ((1, every), (-1, every.where(column.id.in_(failed)))):
            for subject, arm, n in connection.execute(query.group_by(column.subject, column.arm)):
                counted[str(subject), str(arm)] += sign * int(n)
    return counted


def _point(estimand: Estimand, classes: tuple[str, ...], counts: list[np.ndarray]) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        value = float(estimand.formula(*(shares_from_counts(classes, each[None]) for each in counts))[0])
    return value if np.isfinite(value) else 0.0


def _draws(estimand: Estimand, classes: tuple[str, ...], counts: list[np.ndarray]) -> np.ndarray:
    """Draws of the estimand from the Dirichlet posterior of each arm's shares; the same for the same counts."""
    rng, shares = np.random.default_rng(0), list[Shares]()
    for each in counts:
        drawn = rng.dirichlet(each + JEFFREYS, DRAWS)
        shares.append({name: drawn[:, place] for place, name in enumerate(classes)})
    return estimand.formula(*shares)


def _extremes(
    estimand: Estimand, classes: tuple[str, ...], counts: list[np.ndarray], lost: list[int]
) -> Iterator[float]:
    """The estimand where the trials without a verdict all have one outcome, for every combination over its arms."""
    unit = np.eye(len(classes), dtype=np.int64)
    for outcomes in product(range(len(classes)), repeat=len(counts)):
        filled = [each + gone * unit[k] for each, gone, k in zip(counts, lost, outcomes, strict=True)]
        yield _point(estimand, classes, filled)
