"""A corrected fit tells of labels that are declared a random sample and follow a judge's verdicts."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from gnomon.data.records import Facts, Label, Trial
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import verdicts
from gnomon.stats.cells.aggregation import pattern_cells
from gnomon.stats.cells.outcome_classes import EVENT, REST
from gnomon.stats.checks.label_cautions import label_cautions

CLAIM = Facts(claims=True, concept="other", coherent=True, refused=False)
Add = Callable[..., list[Trial]]


def fill(add: Add, *, events: tuple[int, int], others: tuple[int, int], arm: str = "control") -> None:
    """Trials with a verdict event or rest, of each (labelled, unlabelled)."""
    for kind, (labelled, rest) in ((EVENT, events), (REST, others)):
        add(labelled, arm, verdicts={"first-1": kind}, label=kind)
        add(rest, arm, verdicts={"first-1": kind})


def test_labels_that_follow_the_verdicts_are_told(store: Store, add: Add) -> None:
    fill(add, events=(25, 10), others=(25, 190))
    (told,) = label_cautions(store, pattern_cells(store))
    assert told.startswith("Labels of the control arm do not look like a random sample: 50 % of the 50 labelled")
    assert "5 % of the 200 others (Fisher's exact p < 0.001)" in told


def test_a_random_sample_and_a_census_are_not(store: Store, add: Add) -> None:
    fill(add, events=(6, 24), others=(44, 176))
    assert label_cautions(store, pattern_cells(store)) == []
    add(30, "random", concept="ocean", verdicts={"first-1": EVENT}, label=EVENT)
    assert label_cautions(store, pattern_cells(store)) == [], "every trial of the arm is labelled"


def test_a_declared_choice_is_not(store: Store, add: Add) -> None:
    fill(add, events=(0, 35), others=(0, 215))
    trials = [trial.id for trial in store.load_trials()]
    said = store.read_frame(select(verdicts.c.trial, verdicts.c.claims)).set_index("trial")["claims"]
    chosen = [trial for trial in trials if said[trial]][:25]
    store.add_labels([Label(trial, "ann", CLAIM, stratum="disputed") for trial in chosen])
    assert label_cautions(store, pattern_cells(store)) == []


def test_labels_of_disputed_trials_are_told(store: Store, add: Add) -> None:
    for kinds, (labelled, rest) in (((EVENT, REST), (20, 10)), ((REST, EVENT), (20, 10)), ((EVENT, EVENT), (5, 90))):
        said = dict(zip(("first-1", "second-1"), kinds, strict=True))
        add(labelled, "control", verdicts=said, label=EVENT)
        add(rest, "control", verdicts=said)
    for labelled, rest in ((5, 90),):
        said = {"first-1": REST, "second-1": REST}
        add(labelled, "control", verdicts=said, label=REST)
        add(rest, "control", verdicts=said)
    (told,) = label_cautions(store, pattern_cells(store))
    assert "80 % of the 50 labelled trials are disputed between judges, 10 % of the 200 others" in told
