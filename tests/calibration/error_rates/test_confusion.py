"""Judges against labels: what is counted, what is left out, and that arms are kept apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from gnomon.calibration.error_rates.confusion import (
    by_arm,
    by_concept,
    class_table,
    collect_evidence,
    confusion_from_rows,
    spoken_versions,
    verdict_states,
    youden_differences,
)
from gnomon.calibration.labels.sampling_strata import DISPUTED
from gnomon.calibration.labels.views import reference_labels
from gnomon.calibration.observations.disputes import disputed_trials
from gnomon.calibration.observations.frames import judge_frame
from gnomon.data.errors import UnknownNameError
from gnomon.data.records import Facts, JudgeVersion, Label, Split, Trial, Verdict, VerdictState, split_of
from gnomon.data.storage.store import Store

Make = Callable[..., Trial]
SILENT = Facts(claims=False, concept="none", coherent=True, refused=False)
NAMED = Facts(claims=True, concept="ocean", coherent=True, refused=False)
OTHER = Facts(claims=True, concept="other", coherent=True, refused=False)
EVERY = list(Split)


def pairs(store: Store, judge: str = "j1", view: str = "blind", splits: list[Split] = EVERY) -> pd.DataFrame:
    return collect_evidence(store, [judge], view, splits=splits)[0].pairs


@pytest.fixture
def compare(store: Store, make_trial: Make) -> Callable[..., str]:
    """Add a trial with a verdict of judge j1 and a label; returns its id."""
    places = iter(range(1000))
    store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))

    def add(arm: str, said: Facts | None, true: Facts, state: VerdictState = VerdictState.OK) -> str:
        trial = make_trial(arm=arm, replicate=next(places)).id
        store.add_verdicts([Verdict(trial, "j1", said, state)])
        store.add_labels([Label(trial, "ann", true)])
        return trial

    return add


def test_events_and_passes_are_counted_apart_and_differ_on_controls(store: Store, compare: Callable[..., str]) -> None:
    compare("injection", NAMED, NAMED)
    compare("injection", OTHER, NAMED)
    compare("control", NAMED, SILENT)
    compare("control", SILENT, SILENT)
    rows = pairs(store)
    event, passed = confusion_from_rows(rows, "event"), confusion_from_rows(rows, "passed")
    assert (event.tp, event.fp, event.fn, event.tn) == (1, 1, 1, 1)
    assert (passed.tp, passed.fp, passed.fn, passed.tn) == (2, 0, 2, 0)


def test_only_ok_verdicts_count_and_the_rest_is_reported(store: Store, compare: Callable[..., str]) -> None:
    compare("injection", NAMED, NAMED)
    compare("injection", None, NAMED, VerdictState.UNPARSABLE)
    compare("injection", None, NAMED, VerdictState.ERROR)
    assert len(pairs(store)) == 1
    states = verdict_states(store, ["j1"]).set_index("state")["share"]
    assert states.to_dict() == pytest.approx({"ok": 1 / 3, "unparsable": 1 / 3, "error": 1 / 3})


def test_trials_that_may_have_taught_a_judge_do_not_measure_it(store: Store, compare: Callable[..., str]) -> None:
    trials = [compare("injection", NAMED, NAMED) for _ in range(30)]
    train = {trial for trial in trials if split_of(trial) is Split.TRAIN}
    (found,) = collect_evidence(store, ["j1"], "blind")
    assert train
    assert set(found.pairs["trial"]) == set(trials) - train
    assert set(found.judged["trial"]) == set(trials) - train


def test_an_imported_judge_learnt_elsewhere_and_is_measured_on_every_split(
    store: Store, compare: Callable[..., str]
) -> None:
    trials = [compare("injection", NAMED, NAMED) for _ in range(30)]
    store.add_judge(JudgeVersion("i1", "elsewhere", "imported", {}))
    store.add_verdicts([Verdict(trial, "i1", NAMED) for trial in trials])
    ours, theirs = collect_evidence(store, ["j1", "i1"], "blind")
    assert len(ours.pairs) < len(theirs.pairs) == 30
    asked = collect_evidence(store, ["j1", "i1"], "blind", splits=[Split.DEV])
    assert asked[0].pairs["trial"].tolist() == asked[1].pairs["trial"].tolist(), "what is asked for holds for all"


def test_the_newest_of_every_version_comes_first(store: Store, compare: Callable[..., str]) -> None:
    trial = compare("injection", NAMED, NAMED)
    for version in ("j2", "j3"):
        store.add_judge(JudgeVersion(version, "judge", "lexicon", {}))
        store.add_verdicts([Verdict(trial, version, NAMED)] if version == "j3" else [])
    store.add_judge(JudgeVersion("a1", "another", "lexicon", {}))
    store.add_verdicts([Verdict(trial, "a1", NAMED)])
    assert spoken_versions(store) == ["a1", "j3", "j1"], "j2 never spoke"


def test_each_arm_and_concept_is_its_own_stratum(store: Store, compare: Callable[..., str]) -> None:
    for said in (NAMED, NAMED, SILENT):
        compare("injection", said, NAMED)
    compare("control", NAMED, SILENT)
    rows = pairs(store)
    arms = by_arm(rows)
    assert list(arms) == ["injection", "control"]
    assert arms["injection"].sensitivity.value == pytest.approx(2 / 3)
    assert arms["injection"].specificity is None
    assert arms["injection"].youden is None
    assert arms["control"].specificity.value == 0
    assert list(by_concept(rows)) == [("injection", "ocean")]
    assert youden_differences(arms) == {}


def test_youden_and_its_difference_are_those_of_the_arms(store: Store, compare: Callable[..., str]) -> None:
    for arm, wrong in (("injection", 1), ("control", 5)):
        for place in range(20):
            compare(arm, NAMED, NAMED)
            compare(arm, NAMED if place < wrong else SILENT, SILENT)
    arms = by_arm(pairs(store))
    assert arms["injection"].youden.value == pytest.approx(0.95)
    assert arms["control"].youden.value == pytest.approx(0.75)
    difference = youden_differences(arms)["injection", "control"]
    assert difference.value == pytest.approx(0.2)
    assert difference.low < 0.2 < difference.high


def test_the_class_table_tells_refusal_event_incoherence_and_the_rest(
    store: Store, compare: Callable[..., str]
) -> None:
    refused = replace(SILENT, refused=True)
    salad = replace(NAMED, coherent=False)
    compare("injection", refused, refused)
    compare("injection", NAMED, salad)
    compare("injection", OTHER, SILENT)
    table = class_table(pairs(store)).set_index(["truth", "verdict"])
    assert table.loc[("refused", "refused"), "n"] == 1
    assert table.loc[("incoherent", "event"), "n"] == 1
    assert table.loc[("rest", "rest"), ["n", "of"]].tolist() == [1, 1], "a wrong concept is no event under injection"
    assert "event" not in table.index.get_level_values("truth"), "no label was an event, so there is no such row"


def test_a_label_revised_after_the_verdict_changes_the_current_view_alone(
    store: Store, compare: Callable[..., str]
) -> None:
    trial = compare("injection", NAMED, SILENT)
    store.add_labels([Label(trial, "ann", NAMED, revision=1, exposure="after_verdict")])
    tallies = {view: confusion_from_rows(pairs(store, view=view)) for view in ("blind", "first", "current")}
    assert [(each.tp, each.fp) for each in tallies.values()] == [(0, 1), (0, 1), (1, 0)]


def test_the_newest_version_of_a_judge_speaks_for_it(store: Store, compare: Callable[..., str]) -> None:
    trial = compare("injection", SILENT, NAMED)
    store.add_judge(JudgeVersion("j2", "judge", "lexicon", {"rubric": 2}))
    assert judge_frame(store)["version"].tolist() == ["j1"], "a version that has not spoken is no judge yet"
    store.add_verdicts([Verdict(trial, "j2", NAMED)])
    assert judge_frame(store)["version"].tolist() == ["j2"]
    assert judge_frame(store, ["j1"])["version"].tolist() == ["j1"]
    with pytest.raises(UnknownNameError, match="judge 'gpt': no verdict of it is stored: judges with verdicts: judge"):
        judge_frame(store, ["gpt"])


def test_judges_stand_in_the_studys_order(store: Store, make_trial: Make) -> None:
    trial = make_trial().id
    for name in ("a", "b", "c"):
        store.add_judge(JudgeVersion(name, name, "lexicon", {}))
        store.add_verdicts([Verdict(trial, name, SILENT)])
    store.save_settings({"judges": ["c", "a"]})
    assert judge_frame(store)["name"].tolist() == ["c", "a", "b"]


TWO = {
    "first": {"injection": (0.9, 0.8), "control": (0.9, 0.8)},
    "second": {"injection": (0.95, 0.9), "control": (0.95, 0.9)},
}


def test_labels_chosen_by_dispute_mislead_unless_weighted(simulate: Callable[..., object]) -> None:
    study = simulate(TWO, n=1500, labelled=0.0, event=0.2)
    disputed = disputed_trials(study.store)
    others = sorted(set(study.truth) - disputed)
    facts = {"event": NAMED, "refused": replace(SILENT, refused=True), "incoherent": replace(SILENT, coherent=False)}
    chosen = [(trial, DISPUTED) for trial in sorted(disputed)[:240]] + [(trial, "audit") for trial in others[:200]]
    study.store.add_labels(
        [Label(trial, "ann", facts.get(study.truth[trial], SILENT), stratum=stratum) for trial, stratum in chosen]
    )
    rows = collect_evidence(study.store, ["first-1"], "blind", splits=EVERY)[0].pairs
    weighted = confusion_from_rows(rows)
    plain = confusion_from_rows(rows.assign(weight=1.0))
    assert weighted.specificity.low < 0.8 < weighted.specificity.high
    assert plain.specificity.high < 0.8
    assert sum(weighted.negatives) < sum(plain.negatives), "unequal weights leave fewer effective labels"


def test_recorded_chances_weigh_where_strata_are_not_the_queues(store: Store, compare: Callable[..., str]) -> None:
    trials = [compare("injection", said, NAMED) for said in (NAMED, SILENT)]
    for trial, chance in zip(trials, (0.5, 0.1), strict=True):
        store.add_labels([Label(trial, "ann", NAMED, revision=1, stratum="hard", probability=chance)])
    assert sorted(pairs(store)["weight"]) == [2.0, 10.0]
    assert confusion_from_rows(pairs(store)).sensitivity.value == pytest.approx(2 / 12)


def test_labels_of_random_samples_weigh_alike_whatever_the_size_of_the_sample(
    store: Store, compare: Callable[..., str]
) -> None:
    for chance, stratum in ((0.5, "random"), (0.1, "audit"), (1.0, "all")):
        trial = compare("injection", NAMED, NAMED)
        store.add_labels([Label(trial, "ann", NAMED, revision=1, stratum=stratum, probability=chance)])
    assert pairs(store)["weight"].tolist() == [1.0, 1.0, 1.0]


def test_without_labels_or_verdicts_there_is_nothing_but_no_failure(store: Store, make_trial: Make) -> None:
    make_trial()
    store.add_judge(JudgeVersion("j1", "judge", "lexicon", {}))
    rows = pairs(store)
    assert rows.empty
    assert confusion_from_rows(rows).sensitivity is None
    assert class_table(rows).empty
    assert reference_labels(store, "blind").empty
