"""Claims about sweeps: everything planned is made, once, whatever interrupts it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from gnomon.data.errors import InputError
from gnomon.data.records import Arm, Span, Subject
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps import runner
from gnomon.generation.sweeps.runner import LocalWorker, SweepReport, estimate_sweep, run_sweep
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.sweeps.trial_factory import TrialFactory, plan_trials, steering_for
from gnomon.generation.vectors.concept_vectors import concept_vectors, random_direction

RECORD = Subject("ignored", 1e6, "toy", "instruct")
PLANNED = 2 * 2 * (2 + 1) + 5


@pytest.fixture
def design(small_design: SweepDesign) -> SweepDesign:
    return small_design


@pytest.fixture(autouse=True)
def few_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials are stored four at a time, so that small sweeps have several transactions."""
    monkeypatch.setattr(runner, "TOGETHER", 4)


def swept(store: Store, subject: LoadedSubject, design: SweepDesign, **more: Any) -> SweepReport:
    rows = more.pop("batch_size", 4)
    return run_sweep(store, LocalWorker(subject, rows), design, record=RECORD, **more)


def told(store: Store) -> dict[str, str]:
    return {trial.id: trial.answer for trial in store.load_trials()}


def test_everything_planned_is_made_with_all_that_is_needed_to_make_it_again(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    report = swept(store, small_subject, design)
    assert (report.planned, report.made, report.already, report.failed) == (PLANNED, PLANNED, 0, 0)
    assert len(store.load_trials()) == PLANNED
    assert store.load_subjects() == [replace(RECORD, name="small", revision=small_subject.revision)]
    vectors = store.read_frame(tables.vectors).set_index("hash")
    norm = concept_vectors(small_subject, ["ocean"], [1])["ocean", 1].norm
    for trial in store.load_trials():
        assert trial.tokens <= 6
        assert trial.finish in ("stop", "length")
        if trial.condition.arm is Arm.CONTROL:
            assert (trial.depth, trial.magnitude) == (None, None)
            continue
        assert trial.depth == 0.5
        assert trial.condition.span is Span.FROM_MARKER
        if trial.condition.concept == "ocean":
            assert trial.magnitude == pytest.approx(trial.condition.strength * norm)
        assert vectors.loc[trial.condition.vector or "", "concept"] == trial.condition.concept


def test_a_second_run_makes_nothing_and_answers_do_not_depend_on_the_batch(
    store: Store, small_subject: LoadedSubject, design: SweepDesign, tmp_path: Path
) -> None:
    swept(store, small_subject, design)
    again = swept(store, small_subject, design)
    assert (again.made, again.already) == (0, PLANNED)
    other = Store.open(sqlite_url(tmp_path / "other.db"))
    swept(other, small_subject, design, batch_size=64)
    assert told(other) == told(store)
    other.close()


def test_an_interruption_loses_the_batch_under_way_and_nothing_else(
    store: Store, small_subject: LoadedSubject, design: SweepDesign, tmp_path: Path
) -> None:
    def stop(done: int, _planned: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        swept(store, small_subject, design, progress=stop)
    assert len(store.load_trials()) == 8
    seen: list[tuple[int, int]] = []
    report = swept(store, small_subject, design, progress=lambda done, planned: seen.append((done, planned)))
    assert (report.made, report.already) == (PLANNED - 8, 8)
    assert seen[0] == (8, PLANNED)
    assert seen[-1] == (PLANNED, PLANNED)
    whole = Store.open(sqlite_url(tmp_path / "whole.db"))
    swept(whole, small_subject, design)
    assert told(whole) == told(store)
    whole.close()


def test_a_widened_design_makes_only_what_is_new(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    swept(store, small_subject, design)
    report = swept(store, small_subject, replace(design, strengths=(1, 2, 4)))
    assert (report.planned, report.made) == (PLANNED + 6, 6)


def test_a_trial_that_breaks_is_stored_as_failed_and_not_tried_again(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    report = swept(store, small_subject, replace(design, strengths=(1, 1e38)))
    assert report.made == PLANNED
    assert report.failed == 6
    failed = store.read_frame(tables.trials).query("error.notna()")
    assert set(failed["strength"]) == {1e38}
    assert failed["error"].str.contains("not finite").all()
    assert len(store.load_trials()) == PLANNED - 6
    assert swept(store, small_subject, replace(design, strengths=(1, 1e38))).made == 0


def test_a_random_trial_gets_a_direction_of_its_own_and_of_the_concepts_norm(
    small_subject: LoadedSubject, design: SweepDesign
) -> None:
    protocol = runner.load_protocol(design.protocols[0])
    vectors = concept_vectors(small_subject, design.concepts, design.layers)
    from gnomon.generation.prompts.tokenization import make_prompt

    prompt = make_prompt(small_subject.tokenizer, protocol)
    trials = [trial for trial in plan_trials(design, small_subject, [protocol]) if trial.condition.arm is Arm.RANDOM]
    deltas = []
    for trial in trials:
        (addition,) = steering_for(trial, protocol, prompt, vectors)
        norm = vectors[trial.condition.concept or "", 1].norm
        expected = trial.condition.strength * random_direction(trial.trial_seed, 32, norm)
        assert torch.equal(addition.delta, expected)
        assert addition.start == prompt.marker
        deltas.append(addition.delta / addition.delta.norm())
    assert (torch.stack(deltas) @ torch.stack(deltas).T < 0.999).sum() == len(trials) * (len(trials) - 1)


def test_an_unknown_layer_or_protocol_stops_before_any_work(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    with pytest.raises(InputError, match="layer 7: subject 'small' has layers 0 to 3"):
        swept(store, small_subject, replace(design, layers=(7,)))
    assert store.load_subjects() == []


def test_other_weights_under_a_known_name_are_refused(
    store: Store, small_subject: LoadedSubject, design: SweepDesign, model_folder: Callable[..., Path]
) -> None:
    swept(store, small_subject, design)
    other = load_subject("small", str(model_folder(seed=1)))
    with pytest.raises(InputError, match="subject 'small': the study holds trials of other weights"):
        swept(store, other, design)
    assert len(store.load_trials()) == PLANNED


@pytest.mark.model
def test_the_embedded_subject_talks_of_the_injected_concept_and_not_of_it_otherwise(
    store: Store, smollm: LoadedSubject, ocean: torch.Tensor
) -> None:
    design = SweepDesign(
        concepts=("ocean",),
        layers=(24,),
        strengths=(1.0,),
        replicates={Arm.INJECTION: 4, Arm.CONTROL: 4, Arm.RANDOM: 0},
        seed=5,
    )
    report = run_sweep(store, LocalWorker(smollm), design, record=RECORD)
    said = {arm: [t.answer.lower() for t in store.load_trials() if t.condition.arm is arm] for arm in design.arms}
    assert report.made == 8
    assert sum("ocean" in answer for answer in said[Arm.INJECTION]) >= 2
    assert not any("ocean" in answer for answer in said[Arm.CONTROL])


def test_a_dry_run_counts_trials_and_tokens_measures_time_and_stores_nothing(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    found = estimate_sweep(store, small_subject, design, 4)
    assert (found.planned, found.already, found.missing, found.rows) == (PLANNED, 0, PLANNED, 4)
    assert found.tokens == PLANNED * 6
    assert found.seconds == pytest.approx(
        PLANNED * found.admit_seconds + PLANNED * 5 * found.step_seconds, rel=0.05, abs=0.06
    )
    assert found.step_seconds > 0
    assert store.load_trials() == []
    assert store.load_subjects() == []
    swept(store, small_subject, design)
    assert estimate_sweep(store, small_subject, design).missing == 0


def test_the_later_arms_add_the_vector_turned_and_ask_other_questions(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    arms = (Arm.INJECTION, Arm.NEGATED, Arm.MISMATCHED)
    later = replace(design, arms=arms, replicates={Arm.INJECTION: 1, Arm.NEGATED: 1, Arm.MISMATCHED: 3})
    protocol = runner.load_protocol(design.protocols[0])
    from gnomon.generation.prompts.tokenization import make_prompt

    prompt, vectors = make_prompt(small_subject.tokenizer, protocol), concept_vectors(small_subject, ["ocean"], [1])
    added: dict[Arm, torch.Tensor] = {}
    for trial in plan_trials(later, small_subject, [protocol]):
        if (trial.condition.concept, trial.condition.strength) == ("ocean", 2.0):
            (addition,) = steering_for(trial, protocol, prompt, vectors)
            added[trial.condition.arm] = addition.delta
    assert torch.equal(added[Arm.NEGATED], -added[Arm.INJECTION])
    assert torch.equal(added[Arm.MISMATCHED], added[Arm.INJECTION])
    report = swept(store, small_subject, later)
    assert (report.made, report.failed) == (4 + 4 + 4 * 3 + 3, 0)
    names = store.read_frame(tables.protocols).set_index("hash")["name"]
    asked = {names[trial.condition.protocol] for trial in store.load_trials() if trial.condition.arm is Arm.MISMATCHED}
    assert len(asked) == 15
    assert all(name.startswith("short: ") for name in asked)
    recipes = store.read_frame(tables.vectors)["content"]
    assert sum(content["method"] == "sign turned" for content in recipes) == 2


def test_sham_acts_and_changes_nothing_and_the_controls_say_what_was_added(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    arms = tuple(Arm(name) for name in ("control", "sham", "shuffled", "swapped"))
    later = replace(design, arms=arms, replicates={**dict.fromkeys(arms[1:], 1), Arm.CONTROL: 3})
    report = swept(store, small_subject, later)
    assert (report.made, report.failed) == (3 + 2 + 4 + 4, 0)
    vectors = store.read_frame(tables.vectors).set_index("hash")["content"]
    trials = {trial.condition.arm: trial for trial in store.load_trials()}
    sham, shuffled, swapped = (trials[arm] for arm in arms[1:])
    assert (sham.condition.strength, sham.magnitude, sham.depth) == (0.0, 0.0, 0.5)
    assert vectors[shuffled.condition.vector]["method"] == "coordinates permuted"
    named = vectors[swapped.condition.vector]
    own, other = (vectors[named[key]]["concept"] for key in ("norm_of", "of"))
    assert own == swapped.condition.concept != other

    protocols = [runner.load_protocol(later.protocols[0])]
    factory = TrialFactory(small_subject, later, protocols)
    (planned,) = [p for p in plan_trials(later, small_subject, protocols) if p.id == sham.id]
    request = factory.make_request(planned)
    plain = replace(request, additions=())
    answers = dict(factory.engine.generate_stream([request, plain]))
    assert answers[0].tokens == answers[1].tokens
    assert [len(steered) > 0 for steered in answers[0].touched] == [True]
    assert answers[1].touched == ()


def test_what_was_measured_of_a_vector_is_stored_with_it(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    swept(store, small_subject, design)
    contents = [content for content in store.read_frame(tables.vectors)["content"] if "cosines" in content]
    assert len(contents) == 2
    assert {"residual_norm", "steering", "sha256", "cosines"} <= set(contents[0])
    assert [set(content["cosines"]) for content in contents] in ([{"fear@1"}, {"ocean@1"}], [{"ocean@1"}, {"fear@1"}])


def test_a_trial_that_comes_twice_is_stored_once(
    store: Store, small_subject: LoadedSubject, design: SweepDesign
) -> None:
    class Twice(LocalWorker):
        def make_trials(self, planned: Any) -> Any:
            for trial in super().make_trials(planned):
                yield trial
                yield trial

    report = run_sweep(store, Twice(small_subject, 3), design, record=RECORD)
    assert report.made == len(store.load_trials()) == PLANNED
