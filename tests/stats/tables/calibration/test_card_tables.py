"""A card's tables hold the card's own figures, with interval, n and what each is conditioned on."""

from __future__ import annotations

import pytest
from simulated_study import fill_study

from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.cards.calibration_card import AttackResult
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.data.records import Arm, LabelPolicy
from gnomon.data.results import Estimate
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.tables.calibration import card_tables
from gnomon.stats.tables.estimate_table import Interval

FAIR = dict.fromkeys(Arm, (0.8, 0.9))


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    store = Store.open(sqlite_url(tmp_path_factory.mktemp("card") / "gnomon.db"))
    fill_study(store, {"fair": FAIR}, n=160, labelled=0.9)
    yield make_card(store, audit_study(store, view="current"), "fair-1", view="current")
    store.close()


def test_rates_are_the_cards_with_counts_and_condition(card):
    rows = {(row["arm"], row["rate"]): row for row in card_tables.rate_table(card).rows}
    for arm in card.arms:
        row, found = rows[arm.arm, "sensitivity"], arm.event.sensitivity
        assert row["estimate"] == Interval(found.value, found.low, found.high, "rate")
        assert row["right"] / row["n"] == pytest.approx(found.value)
        assert row["given"] == "labelled events"
        assert rows[arm.arm, "specificity"]["given"] == "labelled non-events"
        assert rows[arm.arm, "accuracy"]["n"] == arm.labels


def test_a_withheld_rate_says_why(card):
    arm = card.arms[0].model_copy(update={"withheld": {"sensitivity": "labels are worth 3 positives"}})
    table = card_tables.rate_table(card.model_copy(update={"arms": (arm,)}))
    assert [row["gate"] for row in table.rows] == ["labels are worth 3 positives", "yes", "yes", "yes"]


def test_weighted_rates_show_no_plain_counts(card):
    arm = card.arms[0]
    event = arm.event.model_copy(update={"effective_positives": 5.25, "effective_negatives": 9.5})
    table = card_tables.rate_table(card.model_copy(update={"arms": (arm.model_copy(update={"event": event}),)}))
    assert [row["n"] for row in table.rows] == [5.2, 9.5, None, 14.8]
    assert {row["right"] for row in table.rows} == {None}
    assert "effective numbers" in table.notes[0]


def test_every_coefficient_stands_beside_its_base_rate(card):
    rows = card_tables.agreement_table(card).rows
    assert {row["coefficient"] for row in rows} == {"Agreement", "Cohen's kappa", "Gwet's AC1", "Krippendorff's alpha"}
    assert all(row["base"] and row["n"] >= 20 for row in rows)


def test_outcomes_add_up_to_the_trials_that_count(card):
    table = card_tables.outcome_table(card)
    counts = [cell for row in table.rows for name, cell in row.items() if name != "label"]
    assert sum(counts) == card.agreement.n


def test_labels_are_told_with_raters_rules_and_guidelines(card):
    parts = {row["part"]: row["what"] for row in card_tables.label_table(card, {}).rows}
    assert parts["raters"] == f"ann (person, {card.basis.labels.number})"
    assert parts["guidelines"] == "none recorded"
    assert parts["view"] == "current"
    labels = card.basis.labels.model_copy(update={"policies": ("abcdef0123456789",)})
    guided = card.model_copy(update={"basis": card.basis.model_copy(update={"labels": labels})})
    named = {"abcdef0123456789": LabelPolicy("strict.md", "A concept must be named.")}
    parts = {row["part"]: row["what"] for row in card_tables.label_table(guided, named).rows}
    assert parts["guidelines"] == "strict.md (abcdef012345)"


def test_parts_have_tables_where_they_were_measured(card):
    assert len(card_tables.covariate_table(card).rows) == len(card.parts.susceptibility.effects)
    assert len(card_tables.running_table(card.parts.running).rows) == len(card.parts.running.rates)
    assert len(card_tables.use_table(card).rows) == len(card.arms)
    assert not card_tables.attack_table(card)
    rate = Estimate(value=0.1, low=0.04, high=0.2, se=0.03, level=0.95, method="Clopper-Pearson")
    attack = AttackResult(
        at="2026-11-01T00:00", flips=6, of=60, flip_rate=rate, noise=0, noise_of=0, noise_rate=None, unusable=2
    )
    table = card_tables.attack_table(
        card.model_copy(update={"parts": card.parts.model_copy(update={"attack": attack})})
    )
    assert [row["changed"] for row in table.rows] == [6, 0]
    assert table.rows[1]["rate"] is None
    assert table.notes == ("After 2 attacks it gave no verdict.",)


def test_looks_at_the_test_split_widen_the_intervals(card):
    charged = {(row["arm"], row["rate"]): row["estimate"] for row in card_tables.charge_table(card).rows}
    for arm in card.arms:
        assert charged[arm.arm, "sensitivity"].low < arm.event.sensitivity.low
