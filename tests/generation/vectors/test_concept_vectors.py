"""Claims about concept vectors: what they are, that they are kept, and that a wrong one is never used."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_subjects import WIDTH

from gnomon.data.errors import InputError
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.vectors.baseline_words import BASELINE_WORDS
from gnomon.generation.vectors.concept_vectors import concept_vectors, load_vector, pairwise_cosines, random_direction
from gnomon.generation.vectors.vector_methods import PAIRS, PARAPHRASES, recipe_hash
from gnomon.generation.vectors.vector_spec import PLAIN, VectorMethod


def vector_file(cache: Path) -> Path:
    (path,) = (cache / "vectors").glob("*.safetensors")
    return path


def last_hidden(subject: LoadedSubject, word: str, layer: int) -> torch.Tensor:
    text = subject.tokenizer.apply_chat_template(
        [{"role": "user", "content": f"Tell me about {word}"}], add_generation_prompt=True, tokenize=False
    )
    ids = subject.tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    hidden: torch.Tensor = subject.model(input_ids=ids, output_hidden_states=True).hidden_states[layer + 1][0, -1]
    return hidden


def test_a_vector_is_the_concepts_last_activation_minus_the_mean_of_the_baselines(small_subject: LoadedSubject) -> None:
    vector = concept_vectors(small_subject, ["ocean"], [1, 2])["ocean", 2]
    baseline = torch.stack([last_hidden(small_subject, word, 2) for word in BASELINE_WORDS]).mean(dim=0)
    assert torch.allclose(vector.tensor, last_hidden(small_subject, "ocean", 2) - baseline, atol=1e-4)
    assert vector.norm == pytest.approx(float(vector.tensor.norm()))
    assert vector.norm > 0.1


def test_there_are_at_least_fifty_different_baseline_words() -> None:
    assert len(set(BASELINE_WORDS)) == len(BASELINE_WORDS) >= 50


def test_the_recipes_hash_is_the_same_on_every_machine_and_tells_recipes_apart() -> None:
    assert recipe_hash("r0", "ocean", 2) == "5c3179db2142dedc925907f4b6bf36b1"
    others = {recipe_hash("r1", "ocean", 2), recipe_hash("r0", "fear", 2), recipe_hash("r0", "ocean", 3)}
    assert recipe_hash("r0", "ocean", 2) not in others
    assert len(others) == 3


def test_a_vector_is_made_once_and_read_back_the_same(
    small_subject: LoadedSubject, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = concept_vectors(small_subject, ["ocean", "fear"], [1])
    monkeypatch.setattr(small_subject.model, "forward", None)
    again = concept_vectors(small_subject, ["ocean", "fear"], [1])
    assert all(torch.equal(made[key].tensor, again[key].tensor) for key in made)
    assert made["ocean", 1].sha256 == again["ocean", 1].sha256 != made["fear", 1].sha256


def test_a_layer_that_the_subject_does_not_have_is_refused(small_subject: LoadedSubject) -> None:
    with pytest.raises(InputError, match="layer 4: subject 'small' has layers 0 to 3"):
        concept_vectors(small_subject, ["ocean"], [1, 4])


def test_a_damaged_file_is_refused(small_subject: LoadedSubject, own_cache: Path) -> None:
    concept_vectors(small_subject, ["ocean"], [1])
    path = vector_file(own_cache)
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(InputError, match="can't be read: delete it and run again"):
        load_vector(small_subject, "ocean", 1)


def test_a_file_whose_values_were_changed_is_refused(small_subject: LoadedSubject, own_cache: Path) -> None:
    concept_vectors(small_subject, ["ocean"], [1])
    path = vector_file(own_cache)
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(InputError, match="is not as it was written"):
        load_vector(small_subject, "ocean", 1)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [(torch.full((WIDTH,), float("nan")), "not as it was written"), (torch.ones(WIDTH + 1), "has width 32")],
)
def test_a_vector_that_can_not_be_is_refused(
    small_subject: LoadedSubject, own_cache: Path, tensor: torch.Tensor, message: str
) -> None:
    concept_vectors(small_subject, ["ocean"], [1])
    save_file(
        {"vector": tensor}, vector_file(own_cache), metadata={"recipe": recipe_hash(small_subject.revision, "ocean", 1)}
    )
    with pytest.raises(InputError, match=message):
        load_vector(small_subject, "ocean", 1)


def test_another_subjects_vector_is_refused(
    small_subject: LoadedSubject, model_folder: Callable[..., Path], own_cache: Path
) -> None:
    other = load_subject("other", str(model_folder(seed=1)))
    concept_vectors(other, ["ocean"], [1])
    path = vector_file(own_cache)
    assert load_file(path)
    path.rename(path.with_name(f"{recipe_hash(small_subject.revision, 'ocean', 1)}.safetensors"))
    with pytest.raises(InputError, match="is of another subject or recipe"):
        load_vector(small_subject, "ocean", 1)


def test_activations_that_are_not_finite_make_no_vector(small_subject: LoadedSubject, own_cache: Path) -> None:
    small_subject.model.get_input_embeddings().weight[5:].fill_(float("nan"))
    with pytest.raises(InputError, match="'ocean' at layer 1 of 'small': holds values that are not finite"):
        concept_vectors(small_subject, ["ocean"], [1])
    assert not list((own_cache / "vectors").glob("*"))


def test_a_random_direction_has_the_norm_asked_for_and_depends_on_its_seed_alone() -> None:
    one, same, other = (random_direction(seed, 2000, 31.5) for seed in (7, 7, 8))
    assert one.norm().item() == pytest.approx(31.5, rel=1e-5)
    assert torch.equal(one, same)
    assert abs(torch.cosine_similarity(one, other, dim=0).item()) < 0.1


def test_hashes_of_the_plain_recipe_are_what_they_were_and_other_kinds_have_their_own() -> None:
    kinds = [
        VectorMethod(method, scale) for method in ("mean", "contrast", "pca") for scale in ("raw", "unit", "matched")
    ]
    hashes = [recipe_hash("r0", "ocean", 2, kind) for kind in kinds]
    assert len(set(hashes)) == 9
    assert hashes[kinds.index(PLAIN)] == "5c3179db2142dedc925907f4b6bf36b1"


@pytest.mark.parametrize("method", ["mean", "contrast", "pca"])
def test_scales_are_one_direction_at_three_lengths(small_subject: LoadedSubject, method: str) -> None:
    raw, unit, matched = (
        concept_vectors(small_subject, ["ocean"], [2], VectorMethod(method, scale))["ocean", 2]
        for scale in ("raw", "unit", "matched")
    )
    assert torch.allclose(raw.tensor / raw.norm, unit.tensor, atol=1e-6)
    assert unit.norm == pytest.approx(1.0)
    stream = [float(last_hidden(small_subject, word, 2).norm()) for word in BASELINE_WORDS]
    assert matched.norm == pytest.approx(sum(stream) / len(stream), rel=1e-4)
    assert raw.about["residual_norm"] == pytest.approx(matched.norm, rel=1e-5)


def turn(subject: LoadedSubject, text: str, layer: int) -> torch.Tensor:
    rendered = subject.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
    )
    ids = subject.tokenizer(rendered, add_special_tokens=False, return_tensors="pt")["input_ids"]
    hidden: torch.Tensor = subject.model(input_ids=ids, output_hidden_states=True).hidden_states[layer + 1][0, -1]
    return hidden


def test_a_contrastive_vector_is_the_mean_difference_of_its_pairs(small_subject: LoadedSubject) -> None:
    vector = concept_vectors(small_subject, ["fear", "ocean"], [1], VectorMethod("contrast"))["ocean", 1]
    pairs = [
        turn(small_subject, named.format(word="ocean"), 1) - turn(small_subject, plain, 1) for named, plain in PAIRS
    ]
    assert torch.allclose(vector.tensor, torch.stack(pairs).mean(dim=0), atol=1e-4)


def test_a_principal_vector_explains_the_most_and_points_with_the_mean(small_subject: LoadedSubject) -> None:
    vector = concept_vectors(small_subject, ["fear", "ocean"], [1], VectorMethod("pca"))["ocean", 1]
    words = BASELINE_WORDS[::5]
    rows = []
    for text in PARAPHRASES:
        base = torch.stack([turn(small_subject, text.format(word=word), 1) for word in words]).mean(dim=0)
        rows.append(turn(small_subject, text.format(word="ocean"), 1) - base)
    differences = torch.stack(rows)
    direction = vector.tensor / vector.norm
    assert (differences @ direction).square().sum() == pytest.approx(
        float(torch.linalg.eigvalsh(differences @ differences.T)[-1]), rel=1e-3
    )
    assert vector.norm == pytest.approx(float(differences.mean(dim=0) @ direction), rel=1e-3)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="vectors: method 'sae' is not known: choose from mean, contrast, pca"):
        VectorMethod("sae")


def test_cosines_are_with_other_concepts_there_and_the_same_concept_elsewhere(small_subject: LoadedSubject) -> None:
    vectors = concept_vectors(small_subject, ["ocean", "fear"], [1, 2])
    beside = pairwise_cosines(vectors)["ocean", 1]
    assert set(beside) == {"fear@1", "ocean@2"}
    expected = torch.cosine_similarity(vectors["ocean", 1].tensor, vectors["fear", 1].tensor, dim=0)
    assert beside["fear@1"] == pytest.approx(float(expected), abs=1e-4)


def test_a_file_of_an_older_version_is_made_anew_with_what_is_measured_now(
    small_subject: LoadedSubject, own_cache: Path
) -> None:
    made = concept_vectors(small_subject, ["ocean"], [1])["ocean", 1]
    metadata = {"recipe": made.hash, "subject": "small", "concept": "ocean", "layer": "1", "sha256": made.sha256}
    save_file({"vector": made.tensor}, vector_file(own_cache), metadata=metadata)
    again = concept_vectors(small_subject, ["ocean"], [1])["ocean", 1]
    assert again.about == made.about != {}
    assert torch.equal(again.tensor, made.tensor)


@pytest.mark.slow
@pytest.mark.model
def test_the_embedded_subjects_vectors_raise_their_concepts_words(smollm: LoadedSubject) -> None:
    for kind in (PLAIN, VectorMethod("contrast"), VectorMethod("pca")):
        vectors = concept_vectors(smollm, ["ocean", "fear"], [24], kind)
        assert all(vector.about["steering"] > 1.0 for vector in vectors.values()), kind


def test_a_file_with_values_that_are_not_finite_is_refused(small_subject: LoadedSubject, own_cache: Path) -> None:
    made = concept_vectors(small_subject, ["ocean"], [1])["ocean", 1]
    spoilt = torch.full((WIDTH,), float("nan"))
    sha = hashlib.sha256(spoilt.numpy().tobytes()).hexdigest()
    save_file({"vector": spoilt}, vector_file(own_cache), metadata={"recipe": made.hash, "sha256": sha})
    with pytest.raises(InputError, match="vector of 'ocean' at layer 1 of 'small': holds values that are not finite"):
        load_vector(small_subject, "ocean", 1)
