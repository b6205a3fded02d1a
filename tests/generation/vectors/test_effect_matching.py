"""Claims about controls of equal effect: they change the next token as much as the concept's vector does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gnomon.data.arms import matched_arms
from gnomon.data.errors import InputError
from gnomon.data.records import Arm, Subject
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.generation.subjects.loading import LoadedSubject
from gnomon.generation.sweeps.runner import LocalWorker, load_protocol, run_sweep
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.sweeps.trial_factory import TrialFactory, plan_trials
from gnomon.generation.vectors import effect_matching
from gnomon.generation.vectors.additions import vector_hash
from gnomon.generation.vectors.concept_vectors import concept_vectors
from gnomon.generation.vectors.effect_matching import (
    GREATEST,
    QUESTIONS,
    NextTokenEffect,
    match_scales,
    matching_factor,
    matching_factors,
)
from gnomon.generation.vectors.vector_spec import VectorMethod

ARMS = tuple(Arm(name) for name in ("injection", "random", "shuffled", "swapped", "negated"))


@pytest.mark.parametrize("true", [0.1, 1.0, 7.3])
def test_a_multiple_is_found_where_the_effect_reaches_the_target(true: float) -> None:
    found = matching_factor(lambda by: by**2, true**2)
    assert found == pytest.approx(true, rel=0.01)


def test_an_effect_that_falls_again_is_matched_where_it_rises_and_one_out_of_reach_is_not() -> None:
    assert matching_factor(lambda by: by * (4 - by), 3.0) == pytest.approx(1.0, rel=0.01)
    assert matching_factor(lambda by: min(by, 1.0), 2.0) is None
    assert matching_factor(lambda _by: 1.0, 0.5) is None
    assert GREATEST == 16


def test_the_effect_is_the_divergence_of_next_token_distributions(small_subject: LoadedSubject) -> None:
    vector = concept_vectors(small_subject, ["ocean"], [1])["ocean", 1].tensor
    tokenizer, model = small_subject.tokenizer, small_subject.model
    expected, changed = [], []
    for question in QUESTIONS:
        text = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        plain = model(input_ids=ids).logits[0, -1].double().log_softmax(-1)

        def add(_module: object, _args: object, output: object) -> object:
            hidden = output[0] if isinstance(output, tuple) else output
            hidden[:, -1] += 2 * vector  # type: ignore[index]
            return output

        handle = model.model.layers[1].register_forward_hook(add)
        steered = model(input_ids=ids).logits[0, -1].double().log_softmax(-1)
        handle.remove()
        expected.append(float((plain.exp() * (plain - steered)).sum()))
        changed.append(float((plain.exp() * plain).sum() - (steered.exp() * steered).sum()))
    meter = NextTokenEffect(small_subject, "kl")
    assert meter.mean_effect(1, [2 * vector]) == pytest.approx(sum(expected) / len(expected), rel=1e-5)
    assert meter.mean_effect(1, [0 * vector]) == pytest.approx(0, abs=1e-9)
    entropy = NextTokenEffect(small_subject, "entropy").mean_effect(1, [2 * vector])
    assert entropy == pytest.approx(sum(map(abs, changed)) / len(changed), rel=1e-5)


def test_matched_directions_have_the_effect_of_the_concepts_vector_and_trials_their_magnitude(
    store: Store, small_subject: LoadedSubject, small_design: SweepDesign
) -> None:
    method = VectorMethod(match="kl")
    design = replace(
        small_design,
        arms=ARMS,
        replicates=dict.fromkeys(ARMS, 1),
        vectors=method,
        strengths=(1.0,),
        concepts=("ocean", "fear"),
    )
    report = run_sweep(store, LocalWorker(small_subject, 4), design, record=Subject("ignored", 1e6, "toy", "instruct"))
    assert (report.made, report.failed) == (10, 0)
    contents = store.read_frame(tables.vectors).set_index("hash")["content"]
    meter = NextTokenEffect(small_subject, "kl")
    vectors = concept_vectors(small_subject, design.concepts, [1])
    factory = TrialFactory(small_subject, design, [load_protocol(design.protocols[0])])
    trials = {trial.id: trial for trial in store.load_trials()}
    for planned in plan_trials(design, small_subject, [load_protocol(design.protocols[0])]):
        condition, trial = planned.condition, trials[planned.id]
        own = vectors[condition.concept or "", 1]
        (added,) = factory.make_request(planned).additions
        assert trial.magnitude == pytest.approx(float(added.delta.norm()), rel=1e-4)
        if condition.arm not in matched_arms():
            assert trial.magnitude == pytest.approx(own.norm, rel=1e-4)
            continue
        content = contents[condition.vector]
        assert content["match"] == "kl"
        assert content["factors"]["1"] == pytest.approx(trial.magnitude / own.norm, rel=1e-3)
        target = meter.mean_effect(1, [own.tensor])
        assert content["effects"]["1"] == pytest.approx(target, rel=1e-3)
        if condition.arm == "swapped":  # the one direction that all trials of the condition have
            assert meter.mean_effect(1, [added.delta]) == pytest.approx(target, rel=0.05)


def test_multiples_are_found_once_and_other_matches_are_other_vectors(
    small_subject: LoadedSubject, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = concept_vectors(small_subject, ["ocean"], [1])
    given = ([Arm.RANDOM, Arm.NEGATED], ["ocean"], {1: (1.0, 2.0)}, vectors, ["ocean"])
    found = match_scales(small_subject, "entropy", *given)
    hash_ = vectors["ocean", 1].hash
    assert set(found) == {(vector_hash(Arm.RANDOM, hash_, match="entropy"), strength) for strength in (1.0, 2.0)}
    monkeypatch.setattr(effect_matching, "NextTokenEffect", None)
    assert match_scales(small_subject, "entropy", *given) == found
    assert match_scales(small_subject, "norm", *given) == {}
    assert vector_hash(Arm.RANDOM, hash_) == vector_hash(Arm.RANDOM, hash_, match="norm")
    assert vector_hash(Arm.RANDOM, hash_, match="kl") != vector_hash(Arm.RANDOM, hash_, match="entropy")
    assert vector_hash(Arm.NEGATED, hash_, match="kl") == vector_hash(Arm.NEGATED, hash_)


def test_multiples_of_many_directions_are_those_of_each_alone() -> None:
    powers, sought = [1.0, 2.0, 2.0, 1.5, 2.0], [0.1, 1.0, 53.0, 0.001, 400.0]

    def effects(numbers: list[int], multiples: torch.Tensor) -> torch.Tensor:
        return torch.stack([by ** powers[number] for number, by in zip(numbers, multiples, strict=True)])

    found = matching_factors(effects, sought)
    for power, target, factor in zip(powers, sought, found, strict=True):
        alone = matching_factor(lambda by, power=power: by**power, target)  # type: ignore[misc]
        assert factor == (None if alone is None else pytest.approx(alone, rel=0.012))
    assert found[-2:] == [None, None]  # reached below a sixteenth; not reached at sixteen
    falling = matching_factors(lambda _n, by: by * (4 - by), [3.0])
    assert falling == [pytest.approx(1.0, rel=0.01)]


def test_effects_of_rows_are_those_of_whole_prompts(small_subject: LoadedSubject) -> None:
    vector = concept_vectors(small_subject, ["ocean"], [1])["ocean", 1].tensor
    for match in ("kl", "entropy"):
        meter = NextTokenEffect(small_subject, match)
        rows = meter.row_effects(1, [vector, -2 * vector])
        assert rows.tolist() == pytest.approx([meter.mean_effect(1, [by * vector]) for by in (1, -2)], abs=1e-5)


def test_each_trials_own_direction_has_the_effect_of_the_concepts_vector(
    store: Store, small_subject: LoadedSubject, small_design: SweepDesign
) -> None:
    arms = (Arm.RANDOM, Arm("shuffled"), Arm("swapped"))
    design = replace(
        small_design,
        arms=arms,
        replicates=dict.fromkeys(arms, 2),
        vectors=VectorMethod(match="kl_each"),
        strengths=(1.0,),
        concepts=("ocean", "fear"),
    )
    report = run_sweep(store, LocalWorker(small_subject, 4), design, record=Subject("ignored", 1e6, "toy", "instruct"))
    assert report.failed == 0
    meter, vectors = NextTokenEffect(small_subject, "kl"), concept_vectors(small_subject, design.concepts, [1])
    protocols = [load_protocol(design.protocols[0])]
    factory = TrialFactory(small_subject, design, protocols)
    trials = {trial.id: trial for trial in store.load_trials()}
    factory.match_trials(plan_trials(design, small_subject, protocols))
    magnitudes = set()
    for planned in plan_trials(design, small_subject, protocols):
        condition, trial = planned.condition, trials[planned.id]
        if condition.arm not in ("random", "shuffled"):
            continue
        target = meter.mean_effect(1, [condition.strength * vectors[condition.concept or "", 1].tensor])
        (added,) = factory.make_request(planned).additions
        assert meter.mean_effect(1, [added.delta]) == pytest.approx(target, rel=0.03)
        assert trial.magnitude == pytest.approx(float(added.delta.norm()), rel=1e-3)
        magnitudes.add(round(trial.magnitude or 0, 6))
    assert len(magnitudes) > 2  # trials have multiples of their own
    mean = SweepDesign(("ocean",), (1,), (1.0,), arms=(Arm.RANDOM,), vectors=VectorMethod(match="kl"))
    each = replace(mean, vectors=VectorMethod(match="kl_each"))
    hashes = [plan_trials(one, small_subject, protocols)[0].condition.vector for one in (mean, each)]
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize(
    "broken", ['{"factor": 2', "[]", '{"factor": "x", "effect": 1}', '{"factor": NaN, "effect": 1}']
)
def test_a_cached_match_that_cannot_be_read_is_none(tmp_path: Path, broken: str) -> None:
    file = tmp_path / "match.json"
    assert effect_matching._cached_match(file) is None
    file.write_text(broken, encoding="utf-8")
    assert effect_matching._cached_match(file) is None
    file.write_text('{"factor": 2.0, "effect": 0.5}', encoding="utf-8")
    assert effect_matching._cached_match(file) == effect_matching.MatchedScale(2.0, 0.5)


def test_a_direction_that_changes_nothing_is_refused_in_one_line(small_subject: LoadedSubject, own_cache: Path) -> None:
    vectors = concept_vectors(small_subject, ["ocean", "fear"], [1])
    nothing = replace(vectors["fear", 1], tensor=torch.zeros(32), norm=1.0)
    with pytest.raises(InputError, match=r"^arm 'swapped', concept 'ocean', layer 1, strength 1: no multiple") as told:
        match_scales(
            small_subject,
            "kl",
            [Arm("swapped")],
            ["ocean"],
            {1: (1.0,)},
            {**vectors, ("fear", 1): nothing},
            ["ocean", "fear"],
        )
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="has no model in torch"):
        NextTokenEffect(object(), "kl")
