"""Where labels go and how many are needed: the forecast, the queue that follows it, and the promise it makes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from gnomon.calibration.labels.sampling_strata import AUDIT, UNCERTAIN
from gnomon.calibration.posterior.judge_panel import VerdictPatterns, panel_posterior
from gnomon.calibration.posterior.plan_target import NET, PlanTarget
from gnomon.calibration.posterior.verdict_patterns import arm_patterns
from gnomon.calibration.queue import sample_size
from gnomon.calibration.queue.expected_information import best_order
from gnomon.calibration.queue.label_sampling import draw_with_audit_stream, most_informative_strata, next_items
from gnomon.calibration.queue.sample_size import plan_labels
from gnomon.calibration.results.label_plan import PlannedInterval, PlanPrices
from gnomon.data.errors import InputError, NotEnoughDataError, UnknownNameError
from gnomon.data.records import Arm, Split
from gnomon.data.results import Estimate
from gnomon.data.storage.tables import labels

PAIR = {
    "careful": dict.fromkeys(Arm, (0.95, 0.95)),
    "brisk": dict.fromkeys(Arm, (0.80, 0.85)),
}


@pytest.fixture
def study(simulate):
    return simulate(PAIR, n=500, labelled=0.2, event=0.3, seed=3)


def test_one_label_is_worth_what_bayes_rule_says() -> None:
    random = np.random.default_rng(1)
    chance = random.beta(2, 3, 200_000)
    estimand = chance + random.normal(0, 0.05, chance.size)
    order, left = best_order(estimand, chance[:, None], [5], 1)
    said = random.random(chance.size) < chance
    after = said.mean() * estimand[said].var() + (~said).mean() * estimand[~said].var()
    assert order == [0]
    assert left[1] == pytest.approx(after, rel=0.01)


def test_labels_go_to_the_stratum_that_moves_the_estimand_until_it_is_empty() -> None:
    random = np.random.default_rng(2)
    told, other = random.beta(3, 3, 5000), random.beta(3, 3, 5000)
    order, left = best_order(told, np.column_stack([other, told]), [50, 4], 8)
    assert Counter(order)[1] == 4
    assert order[:4] == [1, 1, 1, 1]
    assert (np.diff(left) <= 1e-15).all()


def test_no_more_labels_are_placed_than_there_are_trials() -> None:
    order, left = best_order(np.arange(9.0), np.full((9, 2), 0.5), [1, 1], 10)
    assert sorted(order) == [0, 1]
    assert len(left) == 3


def test_patterns_of_an_arm_are_its_judged_trials(study) -> None:
    found = arm_patterns(study.store)
    assert set(found) == {"injection", "control"}
    injection = found["injection"]
    assert injection.judges == ("careful", "brisk")
    assert len(injection.trials) == int(injection.counts.unlabelled.sum()) + injection.counts.label_counts
    free = injection.open_trials()
    assert sum(map(len, free)) == int(injection.counts.unlabelled.sum())
    assert injection.arm_name(0) == "careful no, brisk no"
    told = injection.trials.dropna(subset=["truth"])
    assert all((study.truth[row.trial] == "event") == bool(row.truth) for row in told.itertuples())


def test_a_subject_that_is_not_there_is_named(study) -> None:
    with pytest.raises(UnknownNameError, match="it has toy"):
        arm_patterns(study.store, subject="toys")


def test_the_uncertain_queue_prefers_what_narrows_the_estimand_and_keeps_its_audit(study) -> None:
    pool = [trial for trial in study.truth if trial not in set(_labelled(study))]
    strata, order = most_informative_strata(study.store, NET, "blind", pool, 30)
    found = arm_patterns(study.store)
    names = [(arm.arm, arm.arm_name(place)) for arm in (found["injection"], found["control"]) for place in range(4)]
    split = [
        place for place, (_, name) in enumerate(names) if name in ("careful yes, brisk no", "careful no, brisk yes")
    ]
    share = sum(place in split for place in order) / len(order)
    there = sum(len(strata[place]) for place in split) / sum(map(len, strata))
    assert share > 1.5 * there, "disputed strata are labelled beyond their share"
    items = next_items(study.store, "ann", strategy="uncertain", n=30, seed=1)
    drawn = Counter(item.stratum for item in items)
    assert set(drawn) == {UNCERTAIN, AUDIT}
    assert drawn[AUDIT] >= 6
    assert all(0 < item.probability <= 1 for item in items)


def test_stated_chances_of_the_uncertain_queue_are_the_real_ones() -> None:
    pool = [f"t{place}" for place in range(40)]
    strata, order = [pool[:5], pool[5:15]], [0, 1, 1, 0, 1, 1, 1, 0]
    random, taken, stated = np.random.default_rng(5), Counter(), {}
    runs = 3000
    for _ in range(runs):
        for item in draw_with_audit_stream(pool, strata, order, 9, random, UNCERTAIN):
            taken[item.trial] += 1
            stated[item.trial] = item.probability
    for kind in (*strata, pool[15:]):
        (chance,) = {round(stated[trial], 12) for trial in kind}
        real = sum(taken[trial] for trial in kind) / (runs * len(kind))
        assert real == pytest.approx(chance, abs=5 * np.sqrt(chance * (1 - chance) / (runs * len(kind))))
    assert sum(stated.values()) == pytest.approx(9)


def test_labels_from_the_uncertain_queue_narrow_the_interval_more_than_random_ones(simulate) -> None:
    study = simulate(PAIR, n=600, labelled=0.08, event=0.3, seed=11)
    found = arm_patterns(study.store)
    target = PlanTarget.from_name("event_rate_injection")
    start = sample_size.label_strata(study.store, target, "blind")
    arm = found["injection"]
    widths = {}
    for how in ("uncertain", "random"):
        truth = arm.trials["truth"].to_numpy(copy=True)
        random = np.random.default_rng(3)
        free = np.flatnonzero(np.isnan(truth))
        if how == "random":
            pick = random.permutation(free)[:40]
        else:
            order, _ = best_order(start.estimand, start.event, [len(part) for part in start.free], 40)
            wanted = Counter(order)
            ids = [trial for place, part in enumerate(start.free) for trial in part[: wanted[place]]]
            pick = np.flatnonzero(arm.trials["trial"].isin(ids))
        truth[pick] = [study.truth[trial] == "event" for trial in arm.trials["trial"].iloc[pick]]
        verdicts = arm.counts.verdicts[arm.trials["pattern"]]
        estimate = panel_posterior(VerdictPatterns.pattern_counts(verdicts, truth)).posterior_estimate()
        widths[how] = estimate.high - estimate.low
    assert widths["uncertain"] < 0.95 * widths["random"]


def test_a_plan_keeps_its_promise(study) -> None:
    document = plan_labels(study.store, width=0.14)
    assert document.width_now > 0.14
    true = {
        arm: np.mean([_counts(arm, truth) for trial, truth in study.truth.items() if study.arm[trial] == arm])
        for arm in ("injection", "control")
    }
    assert document.now.value == pytest.approx(true["injection"] - true["control"], abs=0.12)
    (option,) = [option for option in document.options if option.labels is not None]
    assert option.width <= 0.14
    assert 0.65 <= option.reach <= 1
    if option.trials == 0:
        assert option.labels <= document.trials_now - document.labels_now
    assert sum(row.labels for row in document.allocation) <= option.labels
    assert {row.arm for row in document.allocation} == {"injection", "control"}
    assert str(option.labels) in document.advice


def test_labels_given_as_planned_reach_the_width(study) -> None:
    document = plan_labels(study.store, width=0.19)
    assert document.options[0].labels is not None
    rates = {}
    for name, arm in arm_patterns(study.store, question="not_denied", splits=list(Split)).items():
        truth = arm.trials["truth"].to_numpy(copy=True)
        for row in (row for row in document.allocation if row.arm == name):
            (place,) = [place for place in range(len(arm.counts.verdicts)) if arm.arm_name(place) == row.pattern]
            free = np.flatnonzero(np.isnan(truth) & (arm.trials["pattern"] == place).to_numpy())[: row.labels]
            truth[free] = [_counts(name, study.truth[trial]) for trial in arm.trials["trial"].iloc[free]]
        rates[name] = panel_posterior(
            VerdictPatterns.pattern_counts(arm.counts.verdicts[arm.trials["pattern"]], truth)
        ).rate
    found = sample_size.summarize_draws(rates["injection"] - rates["control"])
    assert found.high - found.low <= 1.1 * 0.19


def test_a_plan_is_for_the_interval_that_the_fit_shows(study) -> None:
    """Where the fit's interval is two thirds of the joint posterior's, so are the widths of the simulated studies."""
    panel = plan_labels(study.store, estimand="event_rate_injection", width=0.12)
    low, high = panel.now.value - panel.width_now / 3, panel.now.value + panel.width_now / 3
    estimate = Estimate(value=panel.now.value, low=low, high=high, se=None, level=0.95, method="corrected fit")
    shown = PlannedInterval(source="fit", estimand="identification", subject="toy", subjects=1, estimate=estimate)
    fitted = plan_labels(study.store, estimand="event_rate_injection", width=0.08, shown=shown)
    assert (fitted.now, fitted.width_now) == (estimate, pytest.approx(2 * panel.width_now / 3))
    assert fitted.scale == pytest.approx(2 / 3)
    assert (fitted.best.trials, fitted.best.labels) == (panel.best.trials, panel.best.labels), "scaled, nothing else"
    assert fitted.best.width == pytest.approx(2 * panel.best.width / 3)
    assert sample_size.interval_phrase(fitted.interval) == "the interval that the corrected fit shows"
    assert "which no page shows" in sample_size.interval_phrase(panel.interval)


def test_a_budget_buys_the_mix_with_the_narrowest_interval(study) -> None:
    free = plan_labels(study.store, estimand="event_rate_injection", budget=60)
    assert free.best.labels == 60
    assert free.best.trials == max(option.trials for option in free.options), "trials that cost nothing are taken"
    prices = PlanPrices(label=1, trial=0.1, verdict=0.05)
    dear = plan_labels(study.store, estimand="event_rate_injection", budget=60, prices=prices)
    assert all(option.cost <= 60 for option in dear.options)
    assert dear.best.width == min(option.width for option in dear.options)
    assert dear.options[1].labels == 60 - round(0.2 * dear.options[1].trials), "two judges read each new trial"
    assert "best for a budget of 60" in dear.advice


@pytest.mark.slow
def test_prices_decide_whether_trials_or_labels_are_added(study) -> None:
    widths = {"estimand": "event_rate_injection", "width": 0.12}
    labels_only = plan_labels(study.store, **widths)
    cheap_trials = plan_labels(study.store, **widths, prices=PlanPrices(label=10, trial=0.01), budget=100)
    assert labels_only.best.trials == 0
    assert cheap_trials.best.trials > 0
    assert cheap_trials.best.labels < labels_only.best.labels
    assert cheap_trials.best.cost < 10 * labels_only.best.labels
    over = cheap_trials.best.cost > 100
    assert ("more than the budget of 100" in cheap_trials.advice) == over


def test_a_plan_without_a_goal_is_refused(study) -> None:
    with pytest.raises(InputError, match="give the width to reach"):
        plan_labels(study.store)
    with pytest.raises(InputError, match="budget -1"):
        plan_labels(study.store, budget=-1)


@pytest.mark.slow
def test_a_narrower_target_needs_more(study) -> None:
    needs = []
    for width in (0.19, 0.17):
        option = plan_labels(study.store, width=width).options[-1]
        needs.append((option.trials, option.labels))
    assert needs[0] < needs[1]


def test_a_plan_that_is_met_or_can_not_be_met_says_so(study) -> None:
    assert plan_labels(study.store, width=0.9).reached
    hopeless = plan_labels(study.store, estimand="event_rate_injection", width=0.001)
    assert hopeless.options[-1].labels is None
    assert "not reached" in hopeless.advice


def test_new_trials_come_when_labels_alone_do_not_do(study) -> None:
    document = plan_labels(study.store, estimand="event_rate_control", width=0.085)
    assert document.options[0].labels is None
    assert document.options[-1].trials > 0


@pytest.mark.parametrize("width", [0, -0.1, 2])
def test_a_width_that_is_none_is_refused(study, width: float) -> None:
    with pytest.raises(InputError, match="target width"):
        plan_labels(study.store, width=width)


def test_an_unknown_estimand_names_those_there_are() -> None:
    with pytest.raises(InputError, match="event_rate_random"):
        PlanTarget.from_name("loudness")


def test_an_arm_without_labels_or_trials_is_named(simulate) -> None:
    study = simulate(PAIR, n=60, labelled=0.0)
    with pytest.raises(NotEnoughDataError, match="no blind labels in the injection arm"):
        plan_labels(study.store, width=0.1)
    with pytest.raises(NotEnoughDataError, match="of the random arm"):
        plan_labels(study.store, estimand="event_rate_random", width=0.1)


def test_a_refusal_in_the_control_arm_counts_against_net_detection_only(study) -> None:
    plain, strict = (arm_patterns(study.store, question=question) for question in ("event", "not_denied"))
    refusing = [t for t, said in study.truth.items() if said == "refused" and study.arm[t] == "control"]
    for found, counted in ((plain, 0.0), (strict, 1.0)):
        told = found["control"].trials.dropna(subset=["truth"])
        shown = told.loc[told["trial"].isin(refusing), "truth"]
        assert len(shown)
        assert set(shown) == {counted}
    assert plain["injection"].trials.equals(strict["injection"].trials)


def _counts(arm: str, truth: str) -> bool:
    return truth == "event" if arm == "injection" else truth != "rest"


def _labelled(study) -> list[str]:
    return study.store.read_frame(labels)["trial"].tolist()


def test_a_queue_without_labels_to_start_from_says_what_to_do(simulate) -> None:
    study = simulate(PAIR, n=60, labelled=0.0)
    with pytest.raises(NotEnoughDataError, match="label some of it first"):
        next_items(study.store, "ann", strategy="uncertain")
