"""Stores filled with trials whose truth, verdicts and labels are known."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gnomon.data.records import Arm, Condition, Facts, JudgeVersion, Label, Span, Subject, Trial, Verdict, trial_seed
from gnomon.data.storage.store import Store
from gnomon.stats.cells.outcome_classes import EVENT, INCOHERENT, REFUSED


def facts_of(kind: str, arm: str, concept: str | None) -> Facts:
    named = concept or "other"
    return {
        REFUSED: Facts(False, "none", True, True),
        EVENT: Facts(True, named if arm == "injection" else "other", True, False),
        INCOHERENT: Facts(False, "none", False, False),
    }.get(kind, Facts(False, "none", True, False))


@pytest.fixture
def add(store: Store) -> Callable[..., list[Trial]]:
    """Adds `n` trials of one condition to the store, with what judges and a rater say of them."""
    store.save_settings({"judges": ["first", "second"], "rule": "strict", "label_view": "blind"})
    store.add_protocol("p", "plain", {"messages": []})
    for name in ("first", "second"):
        store.add_judge(JudgeVersion(f"{name}-1", name, "local", {}))
    made = iter(range(10**9))

    def fill(
        n: int,
        arm: str,
        *,
        concept: str | None = None,
        strength: float | None = None,
        subject: str = "s",
        parameters: float = 1e9,
        verdicts: dict[str, str] | None = None,
        label: str | None = None,
        split: str | None = None,
    ) -> list[Trial]:
        store.add_subjects([Subject(subject, parameters, "toy", "instruct", "r")])
        steered = arm != "control"
        dose = (2.0 if strength is None else strength) if steered else 0.0
        span, layer = Span.GENERATION, 20 if steered else None
        condition = Condition(subject, "r", Arm(arm), concept, layer, dose, span, "p", None, 1)
        out: list[Trial] = []
        while len(out) < n:
            number = next(made)
            id_ = condition.trial_id(number)
            trial = Trial(id_, condition, number, trial_seed(id_), "words", "stop", 1, 0.7 if steered else None)
            if split is None or split_of(id_) == split:
                out.append(trial)
        store.add_trials(out)
        for judge, kind in (verdicts or {}).items():
            store.add_verdicts(Verdict(trial.id, judge, facts_of(kind, arm, concept)) for trial in out)
        if label:
            store.add_labels(Label(trial.id, "ann", facts_of(label, arm, concept)) for trial in out)
        return out

    return fill


def split_of(id_: str) -> str:
    from gnomon.data.records import split_of as split

    return str(split(id_))
