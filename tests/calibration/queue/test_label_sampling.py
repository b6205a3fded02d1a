"""The queue: whom it serves with what, and that each trial's stated chance is its real chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from database import on_both

from gnomon.calibration.correction.methods import corrected_estimates
from gnomon.calibration.error_rates.confusion import LabelledEvidence, collect_evidence, inverse_inclusion_weights
from gnomon.calibration.labels.sampling_strata import AUDIT, DISPUTED, RANDOM, UNCERTAIN
from gnomon.calibration.labels.views import reference_labels
from gnomon.calibration.observations.disputes import disputed_trials
from gnomon.calibration.queue.label_sampling import draw_sample, labelling_candidates, next_items
from gnomon.data.errors import InputError
from gnomon.data.label_selection import LabelSelection
from gnomon.data.records import Facts, JudgeVersion, Label, LabelKind, RaterRole, Split, Trial, Verdict, VerdictState
from gnomon.data.storage.store import Store

store_url = on_both
Make = Callable[..., Trial]
POOL = [f"t{place:02d}" for place in range(40)]
DOUBTED = set(POOL[:12])
SILENT = Facts(False, "none", True, False)
NAMED = Facts(True, "ocean", True, False)


@pytest.mark.parametrize(
    ("n", "doubted"),
    [
        (1, DOUBTED),
        (4, DOUBTED),
        (5, DOUBTED),
        (20, DOUBTED),
        (7, set()),
        (10, set(POOL)),
        (39, DOUBTED),
        (50, DOUBTED),
    ],
    ids=["one", "four", "five", "more than disputed", "none disputed", "all disputed", "nearly all", "more than all"],
)
def test_stated_inclusion_probabilities_are_the_real_ones(n: int, doubted: set[str]) -> None:
    runs, taken, stated = 2500, Counter(), {}
    random = np.random.default_rng(11)
    for _ in range(runs):
        items = draw_sample(POOL, doubted, n, random)
        assert len({item.trial for item in items}) == len(items) == min(n, len(POOL))
        taken.update(item.trial for item in items)
        stated.update({item.trial: item.probability for item in items})
    for kind in (doubted, set(POOL) - doubted):
        if kind:
            share = sum(taken[trial] for trial in kind) / (runs * len(kind))
            (probability,) = {round(stated[trial], 12) for trial in kind}
            spread = np.sqrt(probability * (1 - probability) / (runs * len(kind)))
            assert share == pytest.approx(probability, abs=5 * spread + 1e-9)
    assert sum(stated.values()) == pytest.approx(min(n, len(POOL))), "chances add to the number drawn"


def test_a_random_sample_has_one_chance_for_all_and_ignores_disputes() -> None:
    items = draw_sample(POOL, DOUBTED, 10, np.random.default_rng(1), strategy="random")
    assert {(item.stratum, item.probability) for item in items} == {(RANDOM, 0.25)}
    many = Counter(
        item.trial in DOUBTED
        for seed in range(300)
        for item in draw_sample(POOL, DOUBTED, 10, np.random.default_rng(seed), strategy="random")
    )
    assert many[True] / many.total() == pytest.approx(0.3, abs=0.03)


def test_a_fifth_of_the_places_is_audit_however_many_are_asked_for_at_once() -> None:
    random = np.random.default_rng(2)
    for n in (1, 3, 5, 8):
        drawn = Counter(item.stratum for _ in range(1500) for item in draw_sample(POOL, DOUBTED, n, random))
        assert set(drawn) == {DISPUTED, AUDIT}
        assert drawn[AUDIT] / drawn.total() == pytest.approx(0.2, abs=0.04)


def test_the_order_tells_nothing_about_which_are_disputed() -> None:
    random = np.random.default_rng(3)
    first = Counter(draw_sample(POOL, DOUBTED, 10, random)[0].stratum for _ in range(1500))
    assert first[AUDIT] / first.total() == pytest.approx(0.2, abs=0.04)


def test_bad_wishes_are_told() -> None:
    with pytest.raises(InputError, match="0 items asked for"):
        draw_sample(POOL, DOUBTED, 0, np.random.default_rng())
    with pytest.raises(InputError, match="queue strategy 'odd'"):
        draw_sample(POOL, DOUBTED, 1, np.random.default_rng(), strategy="odd")


@pytest.fixture
def judged(store: Store, make_trial: Make) -> dict[str, str]:
    """Four trials by name: judges agree on `same`, differ on `apart`, one failed on `lost`, none read `unread`."""
    names = ("same", "apart", "lost", "unread")
    trials = {name: make_trial(replicate=place).id for place, name in enumerate(names)}
    for judge in ("one", "two"):
        store.add_judge(JudgeVersion(judge, judge, "lexicon", {}))
        store.add_verdicts([Verdict(trials["same"], judge, SILENT)])
    store.add_verdicts([Verdict(trials["apart"], "one", SILENT), Verdict(trials["apart"], "two", NAMED)])
    failed = Verdict(trials["lost"], "two", None, VerdictState.UNPARSABLE)
    store.add_verdicts([Verdict(trials["lost"], "one", SILENT), failed])
    return trials


def test_disputed_is_where_judges_come_to_different_outcomes(store: Store, judged: dict[str, str]) -> None:
    assert disputed_trials(store) == {judged["apart"]}


def test_facts_that_change_no_outcome_are_no_dispute(store: Store, make_trial: Make) -> None:
    control = make_trial(arm="control").id
    for judge, concept in (("one", "ocean"), ("two", "fear")):
        store.add_judge(JudgeVersion(judge, judge, "lexicon", {}))
        store.add_verdicts([Verdict(control, judge, Facts(True, concept, True, False))])
    assert disputed_trials(store) == set()


def test_all_trials_come_in_the_end_and_the_disputed_first(store: Store, judged: dict[str, str]) -> None:
    items = next_items(store, "ann", n=4)
    assert {item.trial for item in items} == set(judged.values())
    first = Counter(next_items(store, "ann", n=1, seed=seed)[0].trial for seed in range(60))
    assert first.most_common(1)[0][0] == judged["apart"]


def test_the_same_seed_gives_the_same_items(store: Store, judged: dict[str, str]) -> None:
    assert next_items(store, "ann", n=2, seed=5) == next_items(store, "ann", n=2, seed=5)


def test_what_a_rater_labelled_or_flagged_does_not_come_back_until_undone(store: Store, judged: dict[str, str]) -> None:
    store.add_labels([Label(judged["same"], "ann", SILENT), Label(judged["lost"], "ann", None, LabelKind.FLAG)])
    assert set(labelling_candidates(store, "ann")) == {judged["apart"], judged["unread"]}
    assert judged["lost"] in labelling_candidates(store, "bob"), "a flag asks for somebody else's eyes"
    store.add_labels([Label(judged["same"], "ann", None, LabelKind.RETRACTION, revision=1)])
    assert judged["same"] in labelling_candidates(store, "ann")


def test_what_others_labelled_comes_last(store: Store, judged: dict[str, str]) -> None:
    store.add_labels([Label(judged["same"], "ann", SILENT)])
    assert judged["same"] not in labelling_candidates(store, "bob")
    store.add_labels([Label(trial, "ann", SILENT) for name, trial in judged.items() if name != "same"])
    assert set(labelling_candidates(store, "bob")) == set(judged.values())
    assert labelling_candidates(store, "ann") == []
    assert next_items(store, "ann") == []


def test_two_raters_never_hold_the_same_trial(store: Store, judged: dict[str, str]) -> None:
    ann = {item.trial for item in next_items(store, "ann", n=2)}
    assert not ann & set(labelling_candidates(store, "bob")), (
        "a trial that somebody holds takes no place in another's draw"
    )
    bob = {item.trial for item in next_items(store, "bob", n=4)}
    assert len(ann) == 2
    assert not ann & bob
    assert ann | bob == set(judged.values())


def test_a_lease_that_ran_out_gives_the_trial_back(store: Store, judged: dict[str, str]) -> None:
    next_items(store, "ann", n=4, lease_seconds=-1)
    assert len(next_items(store, "bob", n=4)) == 4


def test_estimates_from_several_calls_to_the_queue_hold_the_truth(simulate: Callable[..., Any]) -> None:
    """Many small calls exhaust the disputed; weights by what was labelled of each kind still find the rate."""
    errors = {
        "one": {"control": (0.5, 0.98)},
        "two": {"control": (0.95, 0.98)},
    }
    study = simulate(errors, n=600, labelled=0.0, arms=("control",), event=0.15)
    facts = {"event": NAMED, "rest": SILENT, "refused": replace(SILENT, refused=True)}
    facts["incoherent"] = replace(SILENT, coherent=False)
    for call in range(4):
        items = next_items(study.store, "ann", n=30, seed=call)
        study.store.add_labels(
            [Label(item.trial, "ann", facts[study.truth[item.trial]], stratum=item.stratum) for item in items]
        )
    (found,) = collect_evidence(study.store, ["one-1"], "blind", splits=list(Split))
    rate = sum(truth == "event" for truth in study.truth.values()) / len(study.truth)
    given = corrected_estimates("control", found)
    for method in ("labels", "lang_reiczigel", "ppi"):
        assert given[method].low < rate < given[method].high, method
    assert "chosen by what judges said" in given["joint"], "one judge's own posterior cannot use such labels"
    unweighted = found.pairs["true_event"].mean()
    assert unweighted > given["labels"].high, "the labels as they come overstate the rate"


def test_ppi_on_weighted_labels_counts_the_judge_on_all_trials() -> None:
    """All 20 disputed are labelled and half are events; 8 of 80 others are, and none is: the rate is .1."""
    doubted = [True] * 20 + [False] * 80
    names = [f"t{place:03d}" for place in range(100)]
    judged = pd.DataFrame({"trial": names, "arm": "control", "disputed": doubted, "event": doubted})
    labelled = judged.iloc[:28].assign(true_event=[True] * 10 + [False] * 18, probability=1.0)
    labelled = labelled.assign(stratum=[DISPUTED] * 20 + [AUDIT] * 8)
    found = LabelledEvidence(judged, labelled.assign(weight=inverse_inclusion_weights(labelled, judged)))
    assert found.pairs["weight"].tolist() == [1.0] * 20 + [10.0] * 8
    assert corrected_estimates("control", found)["ppi"].value == pytest.approx(0.1)


def test_labels_chosen_for_what_they_tell_stand_for_the_trials_that_judges_see_alike() -> None:
    """Both kinds are undisputed; 10 of the 20 in which both judges see the event are labelled, 8 of the 80 others."""
    said = ["one two"] * 20 + [""] * 80
    judged = pd.DataFrame(
        {"arm": "control", "disputed": False, "said": said}, index=[f"t{place}" for place in range(100)]
    )
    labelled = judged.iloc[[*range(10), *range(20, 28)]].assign(stratum=[UNCERTAIN] * 10 + [AUDIT] * 8, probability=0.3)
    assert inverse_inclusion_weights(labelled, judged).tolist() == [2.0] * 10 + [10.0] * 8


def test_a_second_opinion_is_asked_of_what_one_other_labelled_and_keeps_how_it_came(store: Store, make_trial: Make):
    once, twice, mine, taken, bare = (make_trial(replicate=n).id for n in range(5))
    add = store.add_labels
    add([Label(once, "ann", SILENT, stratum="audit", probability=0.2)])
    add([Label(twice, rater, SILENT, stratum="disputed") for rater in ("ann", "bob")])
    add([Label(mine, "cy", SILENT)])
    add([Label(taken, "ann", SILENT), Label(taken, "ann", None, LabelKind.RETRACTION, revision=1)])
    items = next_items(store, "cy", strategy="second")
    assert [(item.trial, item.stratum, item.probability, item.role) for item in items] == [
        (once, "audit", 0.2, RaterRole.RATER)
    ]
    assert next_items(store, "ann", strategy="second") == next_items(store, "ann", strategy="second")
    assert {item.trial for item in next_items(store, "ann", strategy="second")} == {mine}
    assert bare not in {item.trial for item in items}


def test_only_open_differences_of_others_are_adjudicated_and_then_they_stand(store: Store, make_trial: Make):
    differ, agree, settled, own = (make_trial(replicate=n).id for n in range(4))
    for trial, second in ((differ, NAMED), (agree, SILENT), (settled, NAMED), (own, NAMED)):
        store.add_labels([Label(trial, "ann", SILENT, stratum="audit", probability=0.3), Label(trial, "bob", second)])
    store.add_labels([Label(settled, "dee", SILENT, role=RaterRole.ADJUDICATOR), Label(own, "cy", SILENT)])
    (item,) = next_items(store, "cy", strategy="adjudicate")
    assert (item.trial, item.role, item.stratum, item.probability) == (differ, RaterRole.ADJUDICATOR, "audit", 0.3)
    store.add_labels([Label(differ, "cy", NAMED, role=item.role, stratum=item.stratum, probability=item.probability)])
    stands = reference_labels(store, "blind").set_index("trial").loc[differ]
    assert (stands["rater"], stands["concept"], stands["stratum"]) == ("cy", "ocean", "audit")
    assert next_items(store, "eve", strategy="adjudicate") != []
    assert {found.trial for found in next_items(store, "eve", strategy="adjudicate")} == {own}


def test_verdicts_that_come_later_are_in_the_queue(store: Store, make_trial: Make):
    trial = make_trial().id
    assert [item.stratum for item in next_items(store, "ann", n=1)] == [AUDIT]
    for name, facts in (("a", SILENT), ("b", NAMED)):
        store.add_judge(JudgeVersion(f"{name}-1", name, "lexicon", {}))
        store.add_verdicts([Verdict(trial, f"{name}-1", facts)])
    assert {item.stratum for seed in range(8) for item in next_items(store, "ann", n=1, seed=seed)} == {
        AUDIT,
        DISPUTED,
    }


def test_an_item_says_which_judges_chose_it_and_what_share_of_its_kind_is_labelled(
    store: Store, judged: dict[str, str]
) -> None:
    store.add_labels([Label(judged["unread"], "bob", SILENT)])
    items = {item.trial: item.selection for item in next_items(store, "ann", n=2, seed=3)}
    assert items[judged["apart"]] == LabelSelection(("one", "two"), DISPUTED, 1, 1)
    (other,) = (found for trial, found in items.items() if trial != judged["apart"])
    assert other == LabelSelection(("one", "two"), "", 3, 2), "one of the three others was labelled, one is drawn"
    assert other.inclusion_probability == pytest.approx(2 / 3)
    (drawn,) = next_items(store, "cy", strategy="random", n=1)
    assert drawn.selection is not None
    assert drawn.selection.judges == (), "no verdict took part in a random draw"
    assert drawn.selection.inclusion_probability == pytest.approx(2 / 4)


def test_disputes_are_over_the_judges_of_the_fit(store: Store, judged: dict[str, str]) -> None:
    store.add_judge(JudgeVersion("three", "three", "lexicon", {}))
    store.add_verdicts([Verdict(judged["same"], "three", NAMED)])
    assert disputed_trials(store) == {judged["apart"], judged["same"]}
    store.save_settings({"fit_judges": ["one", "two"]})
    assert disputed_trials(store) == {judged["apart"]}
    (item,) = (one for one in next_items(store, "ann", n=4) if one.trial == judged["apart"])
    assert item.selection is not None
    assert item.selection.judges == ("one", "two")


def test_one_over_the_share_of_the_kind_weights_labels_of_many_calls_without_bias(
    store: Store, make_trial: Make
) -> None:
    """Weights by the probability of one call are biased; the stored share of the kind after the last call is not."""
    trials = [make_trial(replicate=place).id for place in range(60)]
    for judge in ("one", "two"):
        store.add_judge(JudgeVersion(judge, judge, "lexicon", {}))
        seen = set(trials[:15] if judge == "one" else [])
        store.add_verdicts(Verdict(trial, judge, NAMED if trial in seen else SILENT) for trial in trials)
    last: dict[str, LabelSelection] = {}
    given: dict[str, int] = {}
    for call in range(6):
        for item in next_items(store, "ann", n=5, seed=call):
            assert item.selection is not None
            last[item.selection.kind] = item.selection
            given[item.trial] = item.selection.kind == DISPUTED
            store.add_labels([Label(item.trial, "ann", SILENT, stratum=item.stratum, selection=item.selection)])
    total = sum(1 / (last[DISPUTED if kind else ""].inclusion_probability or 1) for kind in given.values())
    assert total == pytest.approx(60)
