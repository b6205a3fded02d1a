"""A card's tables hold the card's own figures, with interval, n and what each is given."""

from __future__ import annotations

import pandas as pd
import pytest

from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.cards.calibration_card import AttackResult
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.display import card_tables
from gnomon.data.records import Arm
from gnomon.data.results import Estimate

FAIR = dict.fromkeys(Arm, (0.8, 0.9))


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    from simulated_study import fill_study

    from gnomon.data.storage.engines import sqlite_url
    from gnomon.data.storage.store import Store

    store = Store.open(sqlite_url(tmp_path_factory.mktemp("card") / "gnomon.db"))
    fill_study(store, {"fair": FAIR}, n=160, labelled=0.9)
    yield make_card(store, audit_study(store, view="current"), "fair-1", view="current")
    store.close()


def test_rates_are_the_cards_with_counts_and_condition(card):
    table = card_tables.rate_table(card).set_index(["arm", "rate"])
    for arm in card.arms:
        row = table.loc[(arm.arm, "sensitivity")]
        assert (row["value"], row["low"], row["high"]) == pytest.approx(
            (arm.event.sensitivity.value, arm.event.sensitivity.low, arm.event.sensitivity.high)
        )
        assert row["right"] / row["n"] == pytest.approx(row["value"])
        assert row["given"] == "labelled events"
        assert table.loc[(arm.arm, "specificity"), "given"] == "labelled non-events"
        assert table.loc[(arm.arm, "accuracy"), "n"] == arm.labels


def test_a_withheld_rate_says_why(card):
    arm = card.arms[0].model_copy(update={"withheld": {"sensitivity": "labels are worth 3 positives"}})
    table = card_tables.rate_table(card.model_copy(update={"arms": (arm,)}))
    assert table["gate"].tolist() == ["labels are worth 3 positives", "yes", "yes", "yes"]


def test_every_coefficient_stands_beside_its_base_rate(card):
    table = card_tables.agreement_table(card)
    assert set(table["coefficient"]) == {"Agreement", "Cohen's kappa", "Gwet's AC1", "Krippendorff's alpha"}
    assert all(table["base"])
    assert (table["n"] >= 20).all()


def test_outcomes_add_up_to_the_trials_that_count(card):
    table = card_tables.outcome_table(card)
    assert table.drop(columns="label").to_numpy().sum() == card.agreement.n


def test_labels_are_told_with_raters_rules_and_guidelines(card):
    parts = dict(card_tables.label_table(card, {}).itertuples(index=False, name=None))
    assert parts["raters"] == f"ann (person, {card.basis.labels.number})"
    assert parts["guidelines"] == "none recorded"
    assert parts["view"] == "current"
    guided = card.model_copy(
        update={
            "basis": card.basis.model_copy(
                update={"labels": card.basis.labels.model_copy(update={"policies": ("abcdef0123456789",)})}
            )
        }
    )
    parts = dict(card_tables.label_table(guided, {"abcdef0123456789": "strict.md"}).itertuples(index=False, name=None))
    assert parts["guidelines"] == "strict.md (abcdef012345)"


def test_parts_have_tables_where_they_were_measured(card):
    assert card.parts.susceptibility is not None
    assert len(card_tables.covariate_table(card)) == len(card.parts.susceptibility.effects)
    assert len(card_tables.running_table(card.parts.running)) == len(card.parts.running.rates)
    assert card_tables.attack_table(card).empty
    rate = Estimate(value=0.1, low=0.04, high=0.2, se=0.03, level=0.95, method="Clopper-Pearson")
    attack = AttackResult(
        at="2026-11-01T00:00", flips=6, of=60, flip_rate=rate, noise=0, noise_of=0, noise_rate=None, unusable=0
    )
    attacked = card.model_copy(update={"parts": card.parts.model_copy(update={"attack": attack})})
    table = card_tables.attack_table(attacked)
    assert table["changed"].tolist() == [6, 0]
    assert table["value"].isna().tolist() == [False, True]


def test_a_written_table_holds_its_interval_as_one_text():
    table = pd.DataFrame(
        {"arm": ["a", "b"], "value": [0.93, None], "low": [0.9, None], "high": [0.951, None], "p": [0.0004, None]}
    )
    written = card_tables.written_table(table)
    assert written.columns.tolist() == ["arm", "estimate", "p"]
    assert written["estimate"].tolist() == ["0.93 (0.90 to 0.95)", "unknown"]
    assert written["p"].tolist() == ["< 0.001", ""]
