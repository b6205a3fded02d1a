"""A card holds the audit's own numbers and what they rest on; a card that is not as it was made is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gnomon.calibration.audit.document import audit_views
from gnomon.calibration.cards.calibration_card import CARD_SCHEMA, CalibrationCard
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.card_basis import card_label_rows
from gnomon.calibration.cards.card_file import card_hash, read_card, write_card
from gnomon.calibration.cards.card_parts import attack_result
from gnomon.calibration.cards.card_sentences import attack_sentence, card_sentences
from gnomon.calibration.cards.gate_values import gate_values, part_values
from gnomon.calibration.cards.label_agreement import label_agreement
from gnomon.calibration.cards.reliable_rates import EACH_KIND
from gnomon.calibration.graded.study_calibration import graded_calibration
from gnomon.calibration.panel_worth.panel_worth import panel_of_version
from gnomon.calibration.undecided.undecided_range import undecided_range
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import Facts, JudgeVersion, Label, Verdict
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import verdicts as verdict_table

Simulate = Callable[..., Any]


def card_of(store: Store, version: str = "careful-1", view: str = "blind") -> CalibrationCard:
    return make_card(store, audit_views(store, views=[view], judges=[version]), version, view=view)


@pytest.fixture(scope="module")
def store(simulate_once: Simulate) -> Store:
    return simulate_once(n=240).store


@pytest.fixture(scope="module")
def card(store: Store) -> CalibrationCard:
    return card_of(store)


def test_the_card_has_the_audits_own_numbers(store: Store) -> None:
    document = audit_views(store, views=["blind"], judges=["careful-1"])
    card = make_card(store, document, "careful-1", view="blind")
    (entry,) = document.judges
    whole = {each.arm: each for each in entry.strata if each.is_whole_arm}
    assert {each.arm for each in card.arms} == set(whole)
    for each in card.arms:
        assert each.event.sensitivity == whole[each.arm].as_event.sensitivity
        assert each.passes.specificity == whole[each.arm].as_pass.specificity
        assert each.event.youden == entry.youden.by_arm[each.arm]
        assert each.evidence == entry.evidence[each.arm]
        assert each.withheld == {}
    assert card.verdict == entry.verdict
    assert card.basis.labels.trials == entry.labelled
    assert card.basis.valid_for.measured.concepts == ("ocean",)
    assert card.basis.valid_for.measured.subjects == ("toy@r0",)


def test_agreement_stands_beside_its_base_rates(card: CalibrationCard) -> None:
    found = card.agreement
    assert found.n == sum(each.n for each in found.table)
    assert 0.3 < found.label_events < 0.5
    assert found.expected < found.agreement.value
    chance = (found.agreement.value - found.expected) / (1 - found.expected)
    assert found.cohen.value == pytest.approx(chance)
    assert [pair.b for pair in found.raters] == ["ann"]
    (ann,) = found.raters
    assert (found.n, found.alpha, found.cohen) == (ann.n, ann.alpha, ann.cohen), "of one rater it is the audit's own"


def test_labels_chosen_by_verdicts_do_not_count_for_agreement() -> None:
    right = {"stratum": "random", "outcome": "denied", "true_outcome": "denied", "event": False, "true_event": False}
    disputed = {**right, "stratum": "disputed", "outcome": "claimed", "event": True}
    found = label_agreement(pd.DataFrame([right] * 25 + [disputed] * 25), (), ())
    assert (found.n, found.agreement.value, found.judge_events) == (25, 1.0, 0.0)


def test_a_card_is_written_and_read_as_it_was(card: CalibrationCard, tmp_path) -> None:
    write_card(card, tmp_path / "card.json")
    assert read_card(tmp_path / "card.json") == card
    assert card.hash == card_hash(json.loads((tmp_path / "card.json").read_text()))


def test_a_card_edited_by_hand_is_refused(card: CalibrationCard, tmp_path) -> None:
    path = tmp_path / "card.json"
    write_card(card, path)
    content = json.loads(path.read_text())
    content["arms"][0]["event"]["sensitivity"]["low"] = 0.99
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="changed after it was made"):
        read_card(path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (json.dumps({"schema": CARD_SCHEMA + 1, "hash": ""}), f"has schema {CARD_SCHEMA + 1}"),
        ("[]", "is no calibration card"),
        ("{", "broken JSON"),
    ],
)
def test_what_is_no_card_of_this_schema_is_one_line(tmp_path, text, told) -> None:
    path = tmp_path / "card.json"
    path.write_text(text)
    with pytest.raises(InputError, match=told) as raised:
        read_card(path)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_card(tmp_path / "none.json")


def test_rates_with_few_labels_of_their_kind_are_withheld_and_the_others_are_not(simulate_once: Simulate) -> None:
    card = card_of(simulate_once(n=300, event=0.03, labelled=0.6).store)
    control = card.arm_named("control")
    assert control.event.effective_positives < EACH_KIND < control.event.effective_negatives
    assert set(control.withheld) == {"sensitivity", "accuracy", "youden"}


def test_nothing_is_relied_on_of_a_judge_that_is_a_coin_or_inverted(simulate_once: Simulate) -> None:
    wrong = {"careful": {"injection": (0.5, 0.5), "control": (0.05, 0.05)}}
    card = card_of(simulate_once(errors=wrong, n=600).store)
    assert "coin" in card.arm_named("injection").withheld["specificity"]
    assert "inverted" in card.arm_named("control").withheld["specificity"]


def test_without_labels_there_is_no_card(simulate_once: Simulate) -> None:
    store = simulate_once(n=40, labelled=0.0).store
    with pytest.raises(NotEnoughDataError, match="label some"):
        card_of(store)


def test_the_parts_of_a_card_are_those_of_their_wings(simulate_once: Simulate) -> None:
    two = {"careful": dict.fromkeys(("injection", "control"), (0.95, 0.95))}
    two["hasty"] = dict.fromkeys(("injection", "control"), (0.8, 0.8))
    store = simulate_once(errors=two, n=200, labelled=0.9).store
    card = card_of(store)
    panel = panel_of_version(store, "careful-1", "blind")
    assert card.parts.panel == panel
    assert card.parts.graded is None, "the judge gave no scores"
    assert gate_values(card)["panel.all.effective"].value == panel.whole.effective.value
    assert set(panel.words) <= set(card_sentences(card))
    assert card.basis.panel == ("hasty-1",)


def test_scores_are_calibrated_on_the_card(simulate_once: Simulate) -> None:
    store = simulate_once(n=200, labelled=0.9).store
    noise = np.random.default_rng(2)
    store.add_judge(JudgeVersion("scored-1", "scored", "logprob", {"model": "m"}))
    verdicts = store.read_frame(verdict_table).itertuples()
    store.add_verdicts(
        Verdict(
            row.trial, "scored-1", Facts(bool(row.claims), row.concept, bool(row.coherent), bool(row.refused)),
            scores={"claims": float(0.2 + 0.6 * row.claims + 0.2 * noise.random() - 0.1)},
        )
        for row in verdicts
    )  # fmt: skip
    card = card_of(store, "scored-1")
    assert card.parts.graded == graded_calibration(store, "scored-1", "blind")
    assert {arm.arm for arm in card.parts.graded.arms} == {"injection", "control"}
    assert gate_values(card)["graded.control.labelled"].value > 0


def test_attacks_on_the_version_stand_on_the_card(simulate_once: Simulate) -> None:
    store = simulate_once(n=20, labelled=0.0).store
    rate = {"value": 0.2, "low": 0.1, "high": 0.3, "se": None, "level": 0.95, "method": "Clopper-Pearson"}
    report = {"judge": "careful", "flips": 8, "of": 40, "noise": 1, "noise_of": 20, "unusable": 0, "kinds": {}}
    report |= {"flipped": [], "usage": {}, "flip_rate": rate, "noise_rate": None}
    store.log_event("judge_attack", {**report, "version": "careful-1"})
    store.log_event("judge_attack", {**report, "version": "another", "flips": 40})
    found = attack_result(store, "careful-1")
    assert (found.flips, found.of) == (8, 40)
    assert dict(part_values("attack", found))["attack.flip_rate"].value == 0.2
    assert "in 8 of 40 attacks" in attack_sentence(found)
    assert attack_result(store, "never") is None


def test_figures_of_other_wings_are_reached_by_their_path(card: CalibrationCard) -> None:
    values = gate_values(card)
    assert values["running.has_drifted"].value == 0
    assert values["charge.control.specificity"].value == card.arm_named("control").event.specificity.value
    assert any(path.startswith("susceptibility.") and path.endswith(".is_shown") for path in values)
    assert card.charge.looks == card.test_split_looks


def test_labels_that_leave_the_event_open_stand_on_the_card_with_their_range(simulate: Simulate) -> None:
    store = simulate(n=160, labelled=0.9).store
    rows = card_label_rows(store, "careful-1", "blind", ("dev", "test"))
    open_facts = Facts(True, "ocean", True, False)
    store.add_labels(
        [Label(trial, "ann", open_facts, revision=1, undecided=("claims",)) for trial in rows["trial"].head(6)]
    )
    card = card_of(store)
    assert card.parts.undecided == undecided_range(store, "careful-1", "blind")
    assert card.parts.undecided is not None
    assert gate_values(card)["undecided.undecided"].value == card.parts.undecided.undecided
    assert set(card.parts.undecided.words) <= set(card_sentences(card))
