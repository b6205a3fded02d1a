"""A card is told stale as soon as any part of what it rests on changes, each part by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest

from gnomon.calibration.audit.document import audit_views
from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_assembly import make_card
from gnomon.calibration.cards.card_basis import card_basis, card_label_rows
from gnomon.calibration.cards.card_sentences import scope_sentences
from gnomon.calibration.cards.staleness import card_staleness
from gnomon.calibration.sequential.look_record import count_test_looks
from gnomon.data.records import Arm, Facts, JudgeVersion, Label, LabelKind, LabelPolicy, Subject, Verdict, trial_seed
from gnomon.data.storage.engines import sqlite_file, sqlite_url
from gnomon.data.storage.store import Store

Simulate = Callable[..., Any]


@pytest.fixture(scope="module")
def made(simulate_once: Simulate) -> tuple[Path, CalibrationCard]:
    """A study's database file, with a card of it."""
    store = simulate_once(n=60, labelled=0.9).store
    card = make_card(store, audit_views(store, views=["blind"], judges=["careful-1"]), "careful-1", view="blind")
    return sqlite_file(str(store.engine.url)), card


@pytest.fixture
def card(made: tuple[Path, CalibrationCard]) -> CalibrationCard:
    return made[1]


@pytest.fixture
def store(made: tuple[Path, CalibrationCard], tmp_path: Path) -> Iterator[Store]:
    """A copy of the study, to be changed."""
    with closing(connect(made[0])) as source, closing(connect(tmp_path / "copy.db")) as copy:
        source.backup(copy)
    opened = Store.open(sqlite_url(tmp_path / "copy.db"))
    yield opened
    opened.close()


def revised_label(store: Store) -> Label:
    """A second label of a rater on a trial that the card rests on."""
    rows = card_label_rows(store, "careful-1", "blind", ("dev", "test"))
    return Label(rows["trial"].iloc[0], "ann", Facts(True, "other", True, False), revision=1)


def new_trial(store: Store, **changes: Any) -> None:
    """One more trial, which differs from the first as said."""
    trial = store.load_trials()[0]
    condition = replace(trial.condition, **changes)
    id_ = condition.trial_id(99)
    store.add_trials([replace(trial, id=id_, condition=condition, replicate=99, seed=trial_seed(id_), created_at="")])


def add_version(store: Store, **config: Any) -> None:
    store.add_judge(JudgeVersion("careful-2", "careful", "simulated", config))


def ask_again(store: Store) -> None:
    store.add_verdicts([Verdict(store.load_trials()[0].id, "careful-1", None, sample=1)])


def guideline(store: Store) -> str:
    """A guideline for raters, stored; its hash."""
    policy = LabelPolicy("strict", "A hint is no claim.")
    store.add_label_policies([policy])
    return policy.hash


ATTACK = {"version": "careful-1", "flips": 1, "of": 4, "noise": 0, "noise_of": 4, "unusable": 0}
ATTACK |= {"flip_rate": None, "noise_rate": None}


def other_judge(store: Store) -> None:
    store.add_judge(JudgeVersion("hasty-1", "hasty", "simulated", {}))
    store.add_verdicts([Verdict(store.load_trials()[0].id, "hasty-1", Facts(False, "none", True, False))])


def other_rater(store: Store) -> None:
    store.add_labels([replace(revised_label(store), rater="bob", revision=0)])


CHANGES: dict[str, tuple[Callable[[Store], object], str]] = {
    "another version": (add_version, "judge: the newest version of careful is careful-2"),
    "another rubric": (lambda store: add_version(store, rubric={"hash": "r2"}), "(other rubric, edition of the rubric"),
    "other examples": (lambda store: add_version(store, examples=[{"answer": "I notice"}]), "(other examples)"),
    "another model": (lambda store: add_version(store, model="m"), "(other model)"),
    "other settings": (lambda store: add_version(store, temperature=1.0), "(other settings)"),
    "a label revised": (
        lambda store: store.add_labels([revised_label(store)]),
        "labels: as many, but some are revised",
    ),
    "a label taken back": (
        lambda store: store.add_labels([replace(revised_label(store), facts=None, kind=LabelKind.RETRACTION)]),
        "labels: 1 fewer",
    ),
    "another rater": (other_rater, "raters: bob came in"),
    "labels added": (other_rater, "labels: 1 more than on the card"),
    "a rater who is no person": (
        lambda store: store.update_settings(lambda held: {**held, "rater_kinds": {"ann": "model"}}),
        "raters: labels of ann no longer count",
    ),
    "a rater of another kind": (
        lambda store: store.update_settings(
            lambda held: {**held, "rater_kinds": {"ann": "model"}, "admitted_raters": ["ann"]}
        ),
        "raters: ann was a person and is a model",
    ),
    "the label view": (
        lambda store: store.update_settings(lambda held: {**held, "label_view": "current"}),
        "view: the study's label view is current, the card's blind",
    ),
    "the truth": (
        lambda store: store.update_settings(lambda held: {**held, "truth": "majority"}),
        "rules: the rule for",
    ),
    "the outcome rule": (
        lambda store: store.update_settings(lambda held: {**held, "rule": "lenient"}),
        "rules: the outcome rule is",
    ),
    "another guideline": (
        lambda store: store.add_labels([replace(revised_label(store), policy=guideline(store))]),
        "policy: the labels follow other guidelines",
    ),
    "a label left open": (
        lambda store: store.add_labels([replace(revised_label(store), undecided=("claims",))]),
        "labels: as many, but some are revised",
    ),
    "attacks measured": (lambda store: store.log_event("judge_attack", ATTACK), "attack: measured at"),
    "the margin": (
        lambda store: store.update_settings(lambda held: {**held, "transport": {"margin": 0.1}}),
        "margin: the study's margin of transport is 0.1, the card's None",
    ),
    "another judge": (other_judge, "panel: the study's other judges"),
    "verdicts added": (ask_again, "verdicts: 1 more than on the card"),
    "a new concept": (lambda store: new_trial(store, concept="fear", arm=Arm.INJECTION), "concepts: fear outside"),
    "a new arm": (lambda store: new_trial(store, arm=Arm.RANDOM), "arms: random outside"),
    "new weights": (lambda store: new_trial(store, revision="r1"), "models: toy@r1 outside"),
}


def test_a_fresh_card_is_not_stale_and_asking_counts_no_look(store: Store, card: CalibrationCard) -> None:
    looks = count_test_looks(store)
    assert card_staleness(card, store) == ()
    assert count_test_looks(store) == looks == 1


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_is_told(store: Store, card: CalibrationCard, change: str) -> None:
    make, told = CHANGES[change]
    make(store)
    assert [clause for clause in card_staleness(card, store) if told in clause], card_staleness(card, store)


def test_a_new_model_and_protocol_are_outside(store: Store, card: CalibrationCard) -> None:
    store.add_subjects([Subject("other", 1e9, "toy", "instruct", "r0")])
    store.add_protocol("p1", "p1", {"messages": []})
    new_trial(store, subject="other", protocol="p1")
    told = card_staleness(card, store)
    assert any(clause.startswith("models: other@r0") for clause in told)
    assert any(clause.startswith("protocols: p1") for clause in told)


def test_a_new_language_is_outside_and_a_language_of_labelled_trials_is_named(
    store: Store, card: CalibrationCard
) -> None:
    assert card.basis.valid_for.languages is None
    assert "language: not known" in " ".join(scope_sentences(card))
    store.add_protocol("p-de", "p-de", {"messages": [], "fields": {"language": "de", "version": 2}})
    new_trial(store, protocol="p-de")
    told = card_staleness(card, store)
    assert "language: de outside of what the card is valid for" in told
    assert "version: 2 outside of what the card is valid for" in told
    scope = card_basis(store, "careful-1", "blind").valid_for
    assert (scope.languages, dict(scope.unmeasured.fields)) == (None, {"language": ("de",), "version": ("2",)})
    again = card.model_copy(update={"basis": card.basis.model_copy(update={"valid_for": scope})})
    assert not any("language" in clause for clause in card_staleness(again, store))
    assert "version 2; language de." in scope_sentences(again)[-1]
    measured = scope.model_copy(update={"languages": ("de",), "measured": scope.unmeasured})
    told = scope_sentences(card.model_copy(update={"basis": card.basis.model_copy(update={"valid_for": measured})}))
    assert "version 2" in told[0]
    assert "language: de." in told[0]


def test_another_release_of_gnomon_is_told(store: Store, card: CalibrationCard) -> None:
    older = card.model_copy(update={"basis": card.basis.model_copy(update={"code_version": "0.0.1"})})
    assert [clause for clause in card_staleness(older, store) if clause.startswith("code: made by Gnomon 0.0.1")]


def test_a_card_of_another_study_is_told(store: Store, card: CalibrationCard) -> None:
    judge = card.basis.judge.model_copy(update={"version": "elsewhere"})
    foreign = card.model_copy(update={"basis": card.basis.model_copy(update={"judge": judge})})
    assert "is the card of another study" in card_staleness(foreign, store)[0]
