"""Steering by hand: nothing added is the baseline, whichever way nothing is said, and a vector changes the answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_subjects import TEMPLATE, WIDTH, byte_tokenizer, tiny_model

import gnomon as gn
from gnomon.api.steering import SteeredModel, SteeringVector
from gnomon.data.errors import InputError
from gnomon.generation.subjects.loading import LoadedSubject

QUESTION = "Do you notice an injected thought?"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedSubject:
    folder = tmp_path_factory.mktemp("model")
    tiny_model("llama").save_pretrained(folder)
    byte_tokenizer(TEMPLATE).save_pretrained(folder)
    return gn.load_model(folder)


@pytest.fixture
def vector(model: LoadedSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SteeringVector:
    monkeypatch.setenv("GNOMON_CACHE", str(tmp_path / "cache"))
    return gn.concept_vector(model, "ocean", layer=1)


@pytest.mark.parametrize("span", ["generation", "from_marker", "all"])
def test_strength_zero_and_a_vector_minus_itself_are_the_baseline(model, vector, span):
    with gn.steer(model, vector, strength=0.0, span=span) as steered:
        baseline = steered.ask_unsteered(QUESTION, seed=1, max_tokens=12)
        assert baseline
        assert steered.ask(QUESTION, seed=1, max_tokens=12) == baseline
    with gn.steer(model, vector - vector, strength=5.0, span=span) as steered:
        assert steered.ask(QUESTION, seed=1, max_tokens=12) == baseline


def test_a_vector_changes_the_answer_and_its_double_negative_does_the_same(model, vector):
    with gn.steer(model, vector, strength=20.0) as steered:
        answer = steered.ask(QUESTION, seed=1, max_tokens=12)
        assert answer != steered.ask_unsteered(QUESTION, seed=1, max_tokens=12)
        assert answer == steered.ask(QUESTION, seed=1, max_tokens=12)
    for same, strength in ((-1 * -vector, 20.0), (-vector, -20.0), (2.0 * vector, 10.0)):
        with gn.steer(model, same, strength=strength) as steered:
            assert steered.ask(QUESTION, seed=1, max_tokens=12) == answer


def test_options_are_read_where_the_answer_begins_and_the_vector_moves_them(model, vector):
    options = {"yes": ["Yes", "yes"], "no": ["No"]}
    with gn.steer(model, vector, strength=20.0) as steered:
        read, again = (steered.read_options(QUESTION, options) for _ in range(2))
        plain = steered.read_options(QUESTION, options, steered=False)
        begun = steered.read_options(QUESTION, options, begun="I say", steered=False)
        with pytest.raises(InputError, match="options 'a' and 'b' begin with the same token 'N'"):
            steered.read_options(QUESTION, {"a": "No", "b": "Never"})
    assert read == again
    assert set(read.log_probabilities) == {"yes", "no"}
    assert abs(read.log_odds("yes", "no") - plain.log_odds("yes", "no")) > 1e-3
    assert begun.entropy != plain.entropy
    text = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": QUESTION}], tokenize=False, add_generation_prompt=True
    )
    ids = model.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    shares = model.model(input_ids=ids).logits[0, -1].log_softmax(0)
    (no,) = model.tokenizer("N", add_special_tokens=False)["input_ids"]
    assert plain.log_probabilities["no"] == pytest.approx(shares[no].item(), abs=1e-5)


def test_the_model_is_as_before_after_the_block_and_after_an_error(model, vector):
    ids = torch.arange(5)[None]
    before = model.model(ids).logits
    with pytest.raises(gn.GnomonError, match="question: is empty"), gn.steer(model, vector, strength=20.0) as steered:
        _ask_twice(steered)
    assert torch.equal(model.model(ids).logits, before)
    with pytest.raises(gn.GnomonError, match="'with' block is over"):
        steered.ask(QUESTION)


def _ask_twice(steered: SteeredModel) -> None:
    steered.ask(QUESTION, max_tokens=4)
    steered.ask("")


def test_the_vector_tells_what_was_measured_of_it(vector):
    assert (vector.layer, vector.tensor.shape, vector.label) == (1, (WIDTH,), "ocean")
    assert set(vector.measured) == {"residual_norm", "steering"}


MISTAKES = [
    ({"strength": float("nan")}, "strength nan: give a finite number"),
    ({"span": "later"}, "span 'later' is not known: choose from all, generation, from_marker"),
    ({"vector": SteeringVector(9, torch.zeros(WIDTH))}, "layer 9: model '.*' has layers 0 to 3"),
    ({"vector": SteeringVector(1, torch.zeros(3), "short")}, r"vector 'short': has shape \(3,\), model '.*' has width"),
]


@pytest.mark.parametrize(("changed", "problem"), MISTAKES)
def test_what_does_not_fit_the_model_is_refused_in_one_line(model, vector, changed, problem):
    with pytest.raises(gn.GnomonError, match=problem), gn.steer(model, **{"vector": vector, **changed}):
        pass


def test_other_mistakes_are_refused_in_one_line(model, vector):
    with pytest.raises(gn.GnomonError, match="has layers 0 to 3"):
        gn.concept_vector(model, "ocean", layer=4)
    with pytest.raises(gn.GnomonError, match="concept: is empty"):
        gn.concept_vector(model, " ", layer=1)
    with pytest.raises(gn.GnomonError, match="method 'magic' is not known"):
        gn.concept_vector(model, "ocean", layer=1, method="magic")
    with pytest.raises(gn.GnomonError, match="only vectors of one layer"):
        _ = vector + SteeringVector(2, vector.tensor)
    with gn.steer(model, vector) as steered, pytest.raises(gn.GnomonError, match="question: is empty"):
        steered.ask("  ")


@pytest.mark.model
def test_the_embedded_model_is_steered():
    model = gn.load_model("embedded")
    vector = gn.concept_vector(model, "ocean", layer=24)
    with gn.steer(model, vector, strength=4.0) as steered:
        answer = steered.ask("What is on your mind?", seed=1, max_tokens=30)
        plain = steered.ask_unsteered("What is on your mind?", seed=1, max_tokens=30)
    assert answer != plain
    with gn.steer(model, vector - vector, strength=4.0) as steered:
        assert steered.ask("What is on your mind?", seed=1, max_tokens=30) == plain
