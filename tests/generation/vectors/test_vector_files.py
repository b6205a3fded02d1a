"""Claims about directions of somebody else's: what is added is what the file holds, and nothing else is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_subjects import WIDTH

from gnomon.data.errors import InputError
from gnomon.generation.subjects.loading import LoadedSubject
from gnomon.generation.vectors.baseline_words import BASELINE_WORDS
from gnomon.generation.vectors.concept_vectors import concept_vectors
from gnomon.generation.vectors.vector_files import VectorSource, read_vector_file
from gnomon.generation.vectors.vector_methods import recipe_hash, recipe_of
from gnomon.generation.vectors.vector_spec import PLAIN, VectorMethod

CONCEPTS = ("ocean", "fear")


@pytest.fixture
def matrix() -> torch.Tensor:
    return torch.randn(6, WIDTH, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def decoder(tmp_path: Path, matrix: torch.Tensor) -> Path:
    save_file({"W_dec": matrix.to(torch.bfloat16), "b": torch.zeros(3)}, tmp_path / "sae.safetensors")
    return tmp_path / "sae.safetensors"


def method(source: VectorSource, scale: str = "raw") -> VectorMethod:
    return VectorMethod("file", scale, source=source)


def test_rows_of_a_decoder_are_the_vectors_at_every_layer(
    decoder: Path, matrix: torch.Tensor, small_subject: LoadedSubject
) -> None:
    source = read_vector_file(decoder, CONCEPTS, {"ocean": 4, "fear": 0})
    made = concept_vectors(small_subject, CONCEPTS, [1, 2], method(source))
    assert torch.equal(made["ocean", 1].tensor, matrix[4].to(torch.bfloat16).float())
    assert torch.equal(made["fear", 2].tensor, matrix[0].to(torch.bfloat16).float())
    assert made["ocean", 1].hash != made["ocean", 2].hash
    assert made["ocean", 1].recipe["source"] in source.hashes
    assert "residual_norm" in made["ocean", 1].about
    unit = concept_vectors(small_subject, CONCEPTS, [1], method(source, "unit"))
    assert unit["ocean", 1].norm == pytest.approx(1.0)


def test_tensors_are_named_by_concept_by_concept_and_layer_or_hold_all_layers(tmp_path: Path) -> None:
    whole = torch.arange(3.0 * WIDTH).view(3, WIDTH)
    held = {"ocean": whole, "fear@1": whole[0].clone(), "fear@2": whole[1].clone(), "other": torch.zeros(1)}
    save_file(held, tmp_path / "v.safetensors")
    source = read_vector_file(tmp_path / "v.safetensors", CONCEPTS)
    assert np.array_equal(source.direction("ocean", 2), whole[2])
    assert np.array_equal(source.direction("fear", 1), whole[0])
    assert set(source.rows) == {"ocean", "fear@1", "fear@2"}
    with pytest.raises(InputError, match="no direction of 'fear' at layer 0"):
        source.direction("fear", 0)
    with pytest.raises(InputError, match="has 3 layers of 'ocean', and none is layer 3"):
        source.direction("ocean", 3)


def test_an_array_has_a_row_for_each_concept(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(2, WIDTH))
    np.save(tmp_path / "v.npy", values)
    source = read_vector_file(tmp_path / "v.npy", CONCEPTS)
    assert np.array_equal(source.direction("fear", 3), values[1].astype(np.float32))
    with pytest.raises(InputError, match="has 2 rows, the study 3 concepts"):
        read_vector_file(tmp_path / "v.npy", (*CONCEPTS, "silence"))


@pytest.mark.attack
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True), "can't be read"),
        (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00"), "can't be read"),
        (lambda path: np.save(path, np.ones((2, 3), dtype=np.int64)), "write floating-point numbers"),
        (lambda path: np.save(path, np.full((2, 3), np.inf)), "not finite"),
        (lambda path: np.save(path, np.ones(3)), "write a matrix"),
    ],
)
def test_an_array_that_is_none_is_one_line(tmp_path: Path, write: Callable[[Path], object], message: str) -> None:
    write(tmp_path / "v.npy")
    with pytest.raises(InputError, match=message) as caught:
        read_vector_file(tmp_path / "v.npy", CONCEPTS)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "tensor", "message"),
    [
        ({"ocean": 4}, "W_dec", "'rows' names no row for 'fear'"),
        ({"ocean": 4, "fear": 6}, "W_dec", "row 6 of 'fear' is not in 'sae.safetensors': it has rows 0 to 5"),
        ({"ocean": 4, "fear": 1}, "decoder", "has no tensor 'decoder': it has W_dec, b"),
        ({"ocean": 4, "fear": 1}, "b", r"has shape \(3,\): write a matrix"),
        (None, "W_dec", "has no tensor 'ocean' or 'ocean@LAYER'"),
    ],
)
def test_what_a_file_lacks_is_named(decoder: Path, rows: dict[str, int] | None, tensor: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_vector_file(decoder, CONCEPTS, rows, tensor)


def test_directions_of_another_width_and_other_kinds_of_files_are_refused(
    tmp_path: Path, small_subject: LoadedSubject
) -> None:
    np.save(tmp_path / "v.npy", np.ones((2, WIDTH + 1)))
    with pytest.raises(InputError, match=f"have {WIDTH + 1} values, and the model's width is {WIDTH}"):
        concept_vectors(small_subject, CONCEPTS, [1], method(read_vector_file(tmp_path / "v.npy", CONCEPTS)))
    with pytest.raises(InputError, match="of no kind that is read"):
        read_vector_file(tmp_path / "v.pt", CONCEPTS)
    with pytest.raises(InputError, match="go together"):
        VectorMethod("file")


def test_concepts_among_the_baseline_words_are_left_out_of_it_where_the_study_says_so() -> None:
    word = BASELINE_WORDS[5]
    without = VectorMethod("mean", left_out=(word, "ocean"))
    assert set(BASELINE_WORDS) - set(without.baseline_words) == {word} | ({"ocean"} & set(BASELINE_WORDS))
    assert recipe_hash("r", word, 1, without) != recipe_hash("r", word, 1)
    assert "left out" in str(recipe_of("r", word, 1, without)["method"])
    unconcerned = VectorMethod("mean", left_out=("no such word",))
    assert recipe_of("r", word, 1, unconcerned) == recipe_of("r", word, 1, PLAIN)


def test_the_shorter_baseline_is_what_is_subtracted(small_subject: LoadedSubject) -> None:
    word = BASELINE_WORDS[5]
    usual = concept_vectors(small_subject, [word], [1])[word, 1]
    shorter = concept_vectors(small_subject, [word], [1], VectorMethod("mean", left_out=(word,)))[word, 1]
    many = len(BASELINE_WORDS)
    assert torch.allclose(shorter.tensor, usual.tensor * many / (many - 1), atol=1e-4)
