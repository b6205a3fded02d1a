"""Number of labels and trials needed for a target interval width, by simulating and refitting studies from the
posterior.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gnomon.calibration.numerics.mcmc import summarize_draws
from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.calibration.observations.frames import judge_frame, study_arms
from gnomon.calibration.posterior.judge_panel import PanelPosterior, VerdictPatterns, panel_posterior
from gnomon.calibration.posterior.plan_target import FITTED_RATES, NET, RATE, PlanTarget
from gnomon.calibration.posterior.verdict_patterns import ArmVerdicts, arm_patterns
from gnomon.calibration.queue.expected_information import best_order
from gnomon.calibration.results.label_plan import (
    LabelAllocation,
    LabelPlan,
    PlannedInterval,
    PlanOption,
    PlanPrices,
)
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import LEARNED, Split
from gnomon.data.results import Estimate
from gnomon.data.storage.store import Store

GROWTH = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
ASSURANCE = 0.8
SEARCHED = 25
CONFIRMED = 100
DRAWS, TUNE = 1000, 300
AUDIT_ONE_IN = 5


def default_estimand(store: Store) -> str:
    """The first estimand whose arms all have verdicts: net detection, identification, false alarms, any arm's rate.

    Net detection for a study without verdicts.
    """
    there = study_arms(store, judged=True)
    rates = [*FITTED_RATES, *(f"{RATE}{arm}" for arm in there)]
    targets = (PlanTarget.from_name(name) for name in (NET, *rates))
    return next((target.name for target in targets if set(target.signs) <= set(there)), NET)


@dataclass(frozen=True, slots=True)
class LabelStrata:
    """The strata of a target's arms in one sequence: posterior of each arm, and unlabelled trials of each stratum.

    `free` holds their ids; it is empty where only their number is wanted (`open_counts`).
    """

    arms: tuple[ArmVerdicts, ...]
    posteriors: Mapping[str, PanelPosterior]
    estimand: Floats
    event: Floats
    free: tuple[list[str], ...] = ()

    @property
    def open_counts(self) -> list[int]:
        """Number of unlabelled trials of each stratum."""
        return [int(number) for arm in self.arms for number in arm.counts.unlabelled]

    def stratum_name(self, place: int) -> tuple[str, str]:
        """Arm and pattern of a stratum, in words."""
        for arm in self.arms:
            if place < len(arm.counts.verdicts):
                return arm.arm, arm.arm_name(place)
            place -= len(arm.counts.verdicts)
        raise IndexError(place)


def label_strata(
    store: Store,
    target: PlanTarget,
    view: str,
    *,
    judges: Sequence[str] | None = None,
    subject: str | None = None,
    splits: Sequence[str] | None = None,
    seed: int = 0,
) -> LabelStrata:
    """Fit the joint posterior of each arm of a target.

    Parameters
    ----------
    store : Store
        Store of the study.
    target : PlanTarget
        Estimand.
    view : {"blind", "first", "current"}
        Label view.
    judges : sequence of str, optional
        Names or versions; by default the first `MAX_PANEL` with verdicts.
    subject : str, optional
        Only this subject's trials.
    splits : sequence of str, optional
        As in `gnomon.calibration.posterior.verdict_patterns.panel_reading`.
    seed : int, default 0
        Seed of the posteriors.

    Raises
    ------
    NotEnoughDataError
        If an arm has no judged trial or no label.
    """
    found = arm_patterns(store, view, judges=judges, subject=subject, question=target.question, splits=splits)
    if absent := next((name for name in target.signs if name not in found), None):
        other = default_estimand(store)
        instead = "" if other in (NET, target.name) else f", or plan for {other}"
        raise NotEnoughDataError(
            f"{target.name}: no judge has read a transcript of the {absent} arm: judge some first{instead}"
        )
    strata = fitted_strata(target, found, view, seed=seed)
    return replace(strata, free=tuple(trials for name in target.signs for trials in found[name].open_trials()))


def fitted_strata(
    target: PlanTarget, found: Mapping[str, ArmVerdicts], view: str = "blind", *, seed: int = 0
) -> LabelStrata:
    """Fit the joint posterior of each arm of a target from its verdict patterns.

    Parameters
    ----------
    target : PlanTarget
        Estimand.
    found : mapping of str to ArmVerdicts
        Verdict patterns by arm.
    view : str, default "blind"
        Label view that they are of, for the error message.
    seed : int, default 0
        Seed of the posteriors.

    Raises
    ------
    NotEnoughDataError
        If an arm has no judged trial or no label.
    """
    for name in target.signs:
        if name not in found:
            raise NotEnoughDataError(
                f"{target.name}: no judge has read a transcript of the {name} arm: judge some first"
            )
        if not found[name].counts.label_counts:
            raise NotEnoughDataError(
                f"{target.name}: no {view} labels in the {name} arm: label some of it first (random, disputed)"
            )
    arms = tuple(found[name] for name in target.signs)
    fitted = {arm.arm: panel_posterior(arm.counts, seed=seed + place) for place, arm in enumerate(arms)}
    event = np.hstack([fitted[arm.arm].event for arm in arms])
    return LabelStrata(arms, fitted, target.posterior_draws(fitted), event)


def plan_labels(
    store: Store,
    *,
    estimand: str | None = None,
    width: float | None = None,
    budget: float | None = None,
    prices: PlanPrices | None = None,
    shown: PlannedInterval | None = None,
    view: str = "blind",
    judges: Sequence[str] | None = None,
    subject: str | None = None,
    seed: int = 0,
) -> LabelPlan:
    """How many labels and trials narrow the 95 % interval of an estimand to a width, or what a budget buys.

    For one, one and a half, two, three, four, six and eight times the present number of trials, the least number of
    labels is searched with which four fifths of simulated studies reach the target. Each simulated study draws the
    rates and the judges' errors from the joint posterior of the present data, from these new trials with verdicts and
    the truth of the labels, and is refitted (`posterior.judge_panel`). Labels are placed by
    `queue.expected_information`, after a fifth has gone to a random audit. With a price of trials or verdicts the
    cheapest number of trials is searched; with a budget, the number that leaves the narrowest interval.

    The interval planned for is `shown`, the one that the corrected fit shows: simulated widths are multiplied by the
    ratio of its width to that of the joint posterior of the same data. This takes the ratio, which partial pooling,
    dependent errors and the mixture of models determine, as constant in the number of labels. The plan is conditional
    on the model: judges err independently given the truth, and new trials are like the old ones with the same mix of
    arms.

    Parameters
    ----------
    store : Store
        Store of the study.
    estimand : str, optional
        As in `PlanTarget.from_name`; by default `default_estimand`.
    width : float, optional
        Target width of the 95 % interval, as a fraction (0.1 is ten points).
    budget : float, optional
        What may be spent, in the unit of `prices`. Width, budget or both are needed.
    prices : PlanPrices, optional
        Prices of a label, a new trial and a verdict; by default only labels cost.
    shown : PlannedInterval, optional
        The interval to plan for; by default that of the joint posterior.
    view : str, default "blind"
        Label view (`gnomon.calibration.labels.views`).
    judges : sequence of str, optional
        Names or versions; by default the first `MAX_PANEL` with verdicts.
    subject : str, optional
        Only this subject's trials; by default all together.
    seed : int, default 0
        Seed of posteriors and simulations.

    Raises
    ------
    InputError
        If the width is not between 0 and 2, neither width nor budget is given, or the estimand is not known.
    NotEnoughDataError
        If an arm has no judged trial or no label.
    """
    _check_goal(width, budget)
    target = PlanTarget.from_name(default_estimand(store) if estimand is None else estimand)
    today = label_strata(store, target, view, judges=judges, subject=subject, seed=seed, splits=plan_splits(store))
    return plan_for_strata(
        today, target, width=width, budget=budget, prices=prices, shown=shown, view=view, subject=subject, seed=seed
    )


def plan_for_strata(
    today: LabelStrata,
    target: PlanTarget,
    *,
    width: float | None = None,
    budget: float | None = None,
    prices: PlanPrices | None = None,
    shown: PlannedInterval | None = None,
    view: str = "blind",
    subject: str | None = None,
    seed: int = 0,
    growth: Sequence[float] | None = None,
) -> LabelPlan:
    """`plan_labels` for strata that are fitted already.

    Parameters
    ----------
    today : LabelStrata
        The strata as they are now.
    target : PlanTarget
        Estimand.
    width, budget, prices, shown, view, subject, seed
        As in `plan_labels`.
    growth : sequence of float, optional
        Sizes of study to consider, as multiples of the present one; by default `GROWTH`.
    """
    panel = summarize_draws(today.estimand)
    interval = shown or PlannedInterval(
        source="panel", estimand=target.name, subject=subject, subjects=0, estimate=Estimate.from_interval(panel)
    )
    now = interval.estimate
    plan = LabelPlan(
        estimand=target.name,
        subject=subject,
        view=view,
        target=width,
        budget=budget,
        prices=prices or PlanPrices(),
        interval=interval,
        scale=(now.high - now.low) / (panel.high - panel.low),
        now=now,
        width_now=now.high - now.low,
        labels_now=sum(arm.counts.label_counts for arm in today.arms),
        trials_now=sum(int(arm.counts.unlabelled.sum()) + arm.counts.label_counts for arm in today.arms),
        reached=width is not None and now.high - now.low <= width,
        advice="",
    )
    if plan.reached:
        return plan.model_copy(update={"advice": _target_met_advice(plan)})
    studies = [_Simulation(today, target, factor, plan.scale, seed) for factor in growth or GROWTH]
    options, best = _options_for_budget(plan, studies) if width is None else _options_for_width(plan, width, studies)
    chosen = next((study for study in studies if best and study.new_trials == best.trials), None)
    allocation = chosen.label_allocation(best.labels) if chosen and best and best.labels else []
    planned = plan.model_copy(update={"options": tuple(options), "best": best, "allocation": tuple(allocation)})
    return planned.model_copy(update={"advice": _plan_advice(planned)})


def forecast_widths(
    today: LabelStrata, target: PlanTarget, labels: Sequence[int], *, scale: float = 1.0, seed: int = 0
) -> list[float]:
    """Median widths that more labels leave without new trials, by the simulation of `plan_labels`.

    Parameters
    ----------
    today : LabelStrata
        The strata as they are now.
    target : PlanTarget
        Estimand.
    labels : sequence of int
        Numbers of new labels, each at most the number of unlabelled trials.
    scale : float, default 1.0
        As in a plan: width of the interval that is shown over that of the joint posterior.
    seed : int, default 0
        Seed of the simulations.
    """
    study = _Simulation(today, target, 1.0, scale, seed)
    return [study.bought_option(number, PlanPrices()).width for number in labels]


def _check_goal(width: float | None, budget: float | None) -> None:
    if width is None and budget is None:
        raise InputError("plan: give the width to reach, such as 0.1, or a budget to spend")
    if width is not None and not 0 < width < 2:
        raise InputError(f"width {width:g}: give the target width of the interval as a fraction, such as 0.1")
    if budget is not None and not (math.isfinite(budget) and budget > 0):
        raise InputError(f"budget {budget:g}: give a positive number in the unit of the prices")


def plan_splits(store: Store) -> tuple[str, ...] | None:
    """Splits that a plan reads: all, as in a corrected fit, unless a judge of the study is trained on its labels."""
    return None if (judge_frame(store)["kind"] == LEARNED).any() else tuple(str(split) for split in Split)


def _options_for_width(
    plan: LabelPlan, width: float, studies: Sequence[_Simulation]
) -> tuple[list[PlanOption], PlanOption | None]:
    """Options in order of trials, and the cheapest that reaches the width.

    Without a price of trials the first that reaches it is the best. With one, a larger study is tried as long as its
    trials alone cost less than the best so far, and it must reach the width with fewer labels than would cost more.
    """
    options: list[PlanOption] = []
    best: PlanOption | None = None
    for study in studies:
        base = study.trial_cost(plan.prices)
        if best is not None and (best.cost is None or base >= best.cost or base == 0):
            break
        most = study.most_labels
        if best is not None and best.cost is not None and plan.prices.label > 0:
            most = min(most, math.ceil((best.cost - base) / plan.prices.label) - 1)
        option = study.fewest_labels(width, most, plan.prices)
        if option.labels is not None or best is None:
            options.append(option)
        if option.labels is not None:
            best = option
    return options, best


def _options_for_budget(plan: LabelPlan, studies: Sequence[_Simulation]) -> tuple[list[PlanOption], PlanOption | None]:
    """What the budget buys at each number of trials, and the option with the narrowest interval."""
    options = []
    for study in studies:
        left = (plan.budget or 0.0) - study.trial_cost(plan.prices)
        if left < 0:
            break
        labels = int(left / plan.prices.label) if plan.prices.label > 0 else study.most_labels
        options.append(study.bought_option(min(labels, study.most_labels), plan.prices))
    best = min(options, key=lambda option: option.width)
    return options, best


def _allocate_labels(today: LabelStrata, free: Sequence[int], labels: int) -> np.ndarray:
    """Labels for each stratum: four fifths where they are most informative, the audit in proportion to what is left."""
    labels = min(labels, sum(free))
    order, _ = best_order(today.estimand, today.event, free, labels - round(labels / AUDIT_ONE_IN))
    focused = Counter(order)
    chosen = np.array([focused[place] for place in range(len(free))])
    left = np.asarray(free) - chosen
    spare = labels - int(chosen.sum())
    share = np.floor(left * spare / max(int(left.sum()), 1)).astype(int)
    most = np.argsort(-(left * spare / max(int(left.sum()), 1) - share))
    share[most[: spare - int(share.sum())]] += 1
    return np.asarray(chosen + np.minimum(share, left))


@dataclass(frozen=True, slots=True)
class _Simulation:
    """Studies like the present one, `factor` times as large, drawn from the posterior and refitted."""

    today: LabelStrata
    target: PlanTarget
    factor: float
    scale: float
    seed: int

    @property
    def most_labels(self) -> int:
        """Trials that can be labelled, those there now and the new ones."""
        return sum(self.today.open_counts) + self.new_trials

    def trial_cost(self, prices: PlanPrices) -> float:
        """Cost of the new trials with a verdict of every judge."""
        return prices.trial_cost(self.new_trials, self.judge_count)

    @property
    def judge_count(self) -> int:
        return len(self.today.arms[0].judges)

    @property
    def new_trials(self) -> int:
        return sum(self._added_counts(arm) for arm in self.today.arms)

    def _added_counts(self, arm: ArmVerdicts) -> int:
        return round((self.factor - 1) * (int(arm.counts.unlabelled.sum()) + arm.counts.label_counts))

    def label_allocation(self, labels: int) -> list[LabelAllocation]:
        """Number of labels from each arm and pattern, and the trials available there now and expected."""
        fresh = [self._added_counts(arm) * self._expected_width(arm) for arm in self.today.arms]
        free = [round(now + new) for now, new in zip(self.today.open_counts, np.concatenate(fresh), strict=True)]
        rows = []
        for place, number in enumerate(_allocate_labels(self.today, free, labels)):
            arm, pattern = self.today.stratum_name(place)
            rows.append(LabelAllocation(arm=arm, pattern=pattern, labels=int(number), free=free[place]))
        return sorted((row for row in rows if row.labels), key=lambda row: -row.labels)

    def _expected_width(self, arm: ArmVerdicts) -> Floats:
        picks = range(0, len(self.today.estimand), 400)
        return np.asarray(np.mean([_posterior_shares(arm, self.today, pick) for pick in picks], axis=0))

    def fewest_labels(self, width: float, most: int, prices: PlanPrices) -> PlanOption:
        """The least number of labels that reach the target often enough: found by doubling, then bisection.

        Parameters
        ----------
        width : float
            Target width, as a fraction.
        most : int
            Greatest number of labels to consider.
        prices : PlanPrices
            Prices, for the option's cost.
        """
        most = max(most, 0)
        best = self._simulated_widths(most, SEARCHED)
        if not _meets_target(best, width):
            return self._plan_option(None, best, width, prices)
        low, high = 0, min(most, 20)
        while high < most and not _meets_target(self._simulated_widths(high, SEARCHED), width):
            low, high = high, min(most, 2 * high)
        while high - low > max(2, high // 20):
            middle = (low + high) // 2
            low, high = (
                (low, middle) if _meets_target(self._simulated_widths(middle, SEARCHED), width) else (middle, high)
            )
        return self._plan_option(high, self._simulated_widths(high, CONFIRMED), width, prices)

    def bought_option(self, labels: int, prices: PlanPrices) -> PlanOption:
        """The width that a number of labels leaves, without a target.

        Parameters
        ----------
        labels : int
            New labels.
        prices : PlanPrices
            Prices, for the option's cost.
        """
        return self._plan_option(labels, self._simulated_widths(labels, SEARCHED), None, prices)

    def _plan_option(self, labels: int | None, widths: Floats, width: float | None, prices: PlanPrices) -> PlanOption:
        return PlanOption(
            trials=self.new_trials,
            labels=labels,
            width=float(np.median(widths)),
            reach=None if width is None else float((widths <= width).mean()),
            cost=None if labels is None else prices.total_cost(labels, self.new_trials, self.judge_count),
        )

    def _simulated_widths(self, labels: int, studies: int) -> Floats:
        random = np.random.default_rng([self.seed, self.new_trials, labels])
        picks = random.integers(0, len(self.today.estimand), studies)
        return self.scale * np.array([self._simulated_width(labels, int(pick), random) for pick in picks])

    def _simulated_width(self, labels: int, pick: int, random: np.random.Generator) -> float:
        fresh = [self._new_trials(arm, pick, random) for arm in self.today.arms]
        free = np.concatenate([arm.counts.unlabelled + new for arm, new in zip(self.today.arms, fresh, strict=True)])
        chosen = _allocate_labels(self.today, free.tolist(), labels)
        fitted, start = {}, 0
        for arm, new in zip(self.today.arms, fresh, strict=True):
            size = len(arm.counts.verdicts)
            told = chosen[start : start + size]
            chance = self.today.posteriors[arm.arm].event[pick]
            events = random.binomial(told, chance)
            counts = VerdictPatterns(
                arm.counts.verdicts,
                arm.counts.unlabelled + new - told,
                arm.counts.labelled + np.column_stack([told - events, events]),
            )
            fitted[arm.arm] = panel_posterior(counts, draws=DRAWS, tune=TUNE, seed=int(random.integers(1 << 20)))
            start += size
        again = summarize_draws(self.target.posterior_draws(fitted))
        return again.high - again.low

    def _new_trials(self, arm: ArmVerdicts, pick: int, random: np.random.Generator) -> np.ndarray:
        """New trials by pattern."""
        return np.asarray(random.multinomial(self._added_counts(arm), _posterior_shares(arm, self.today, pick)))


def _meets_target(widths: Floats, width: float) -> bool:
    return float(np.quantile(widths, ASSURANCE)) <= width


def _posterior_shares(arm: ArmVerdicts, today: LabelStrata, pick: int) -> Floats:
    """Probability of each pattern that occurs, given one posterior draw and the present share of missing verdicts."""
    there = arm.counts.unlabelled + arm.counts.labelled.sum(axis=1)
    posterior = today.posteriors[arm.arm]
    p, hit, right = posterior.rate[pick], posterior.sensitivity[pick], posterior.specificity[pick]
    verdicts = arm.counts.verdicts
    some = np.where(verdicts == 1, hit, np.where(verdicts == 0, 1 - hit, 1.0)).prod(axis=1)
    none = np.where(verdicts == 1, 1 - right, np.where(verdicts == 0, right, 1.0)).prod(axis=1)
    chance = p * some + (1 - p) * none
    silent = [tuple(row) for row in (verdicts < 0).tolist()]
    groups = {group: np.array([each == group for each in silent]) for group in set(silent)}
    shares = np.zeros(len(verdicts))
    for inside in groups.values():
        shares[inside] = chance[inside] / chance[inside].sum() * there[inside].sum() / there.sum()
    return np.asarray(shares / shares.sum())


def interval_phrase(interval: PlannedInterval) -> str:
    """Which interval is planned for, in words."""
    if interval.source == "panel":
        return "the interval of the judges' joint posterior over all models together, which no page shows"
    if interval.subject is None or interval.subjects == 1:
        return "the interval that the corrected fit shows"
    return f"the interval that the corrected fit shows for {interval.subject}, the widest of {interval.subjects} models"


def _target_met_advice(plan: LabelPlan) -> str:
    return f"the interval is {_points(plan.width_now)} wide already, within {_points(plan.target)}: nothing is needed"


def _plan_advice(plan: LabelPlan) -> str:
    best, first = plan.best, plan.allocation[0] if plan.allocation else None
    if best is None or best.labels is None:
        last = plan.options[-1]
        return (
            f"not reached: even {last.trials:,} new trials with a label on every one leave an interval "
            f"{_points(last.width)} wide: ask for a wider interval than {_points(plan.target)}"
        )
    more = " and ".join(
        f"{number:,} {what}"
        for number, what in ((best.labels, "more labels"), (best.trials, "new trials"))
        if number or (what == "more labels" and not best.trials)
    )
    where = f", most of them from {first.arm} where {first.pattern}" if first else ""
    if plan.target is None:
        return (
            f"best for a budget of {plan.budget:,g}: {more}, which leave an interval {_points(best.width)} wide in the "
            f"median of simulated studies{where}"
        )
    told = f"{more} reach a width of {_points(plan.target)} in {100 * (best.reach or 0):.0f} % of simulated studies"
    over = plan.budget is not None and best.cost is not None and best.cost > plan.budget
    cost = f", for {best.cost:,g}" if plan.budget is not None or len(plan.options) > 1 else ""
    beyond = f", which is more than the budget of {plan.budget:,g}" if over else ""
    return f"{told}{cost}{beyond}{where}"


def _points(width: float | None) -> str:
    return f"{100 * (width or 0):.3g} points"
