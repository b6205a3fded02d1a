"""A card's state: it passes where gates may rely on it, is low where they may not, and stale when anything changed."""

from __future__ import annotations

import pytest

from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.cards.calibration_card import CalibrationCard, CardParts
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.display.card_status import CardLevel, card_status, use_sentences
from gnomon.data.records import Arm

INVERTED = {Arm.INJECTION: (0.05, 0.05), Arm.CONTROL: (0.95, 0.95)}
COIN = dict.fromkeys(Arm, (0.5, 0.5))


def made(study, judge: str = "careful") -> CalibrationCard:
    return make_card(
        study.store, audit_study(study.store, view="current"), f"{judge}-1", view="current", parts=CardParts()
    )


@pytest.fixture
def good(simulate) -> CalibrationCard:
    return made(simulate(n=160, labelled=0.9))


def test_a_good_card_passes_and_names_the_arms(good):
    status = card_status(good, ())
    assert status.level is CardLevel.PASSES
    assert status.relied_on == ("injection", "control")
    assert status.words == "A gate may rely on its rates in injection and control."
    assert all("gates may rely on its rates" in line for line in use_sentences(good))


def test_any_change_makes_it_stale_and_is_kept(good):
    status = card_status(good, ("labels: 3 more than on the card (99 now)",))
    assert status.level is CardLevel.STALE
    assert status.changed == ("labels: 3 more than on the card (99 now)",)


def test_an_inverted_judge_or_a_coin_is_low(simulate):
    inverted = card_status(made(simulate({"odd": INVERTED}, n=200, labelled=0.9), "odd"), ())
    assert inverted.level is CardLevel.LOW
    assert "injection" in inverted.words
    assert inverted.relied_on == ("control",)


def test_a_coin_is_low(simulate):
    coin = made(simulate({"coin": COIN}, n=200, labelled=0.9, seed=3), "coin")
    status = card_status(coin, ())
    assert status.level is CardLevel.LOW
    assert not status.relied_on
    assert len(status.withheld) == len(coin.arms)
    assert all("pass nothing" in line for line in use_sentences(coin))
