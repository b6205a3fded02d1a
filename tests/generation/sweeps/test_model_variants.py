"""Claims about variants of a model: what an adapter and an ablation change, and that vectors can be lent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_subjects import TEMPLATE, WIDTH, byte_tokenizer

from gnomon.data.errors import InputError
from gnomon.data.records import Span
from gnomon.generation.engine.base import ENGINES, TORCH
from gnomon.generation.engine.injection import VectorAddition, injection_hooks
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage
from gnomon.generation.prompts.protocol_parts import NamedSpan
from gnomon.generation.prompts.question_protocols import prefaced_protocol
from gnomon.generation.prompts.tokenization import make_prompt
from gnomon.generation.subjects.loading import LoadedSubject, load_subject
from gnomon.generation.sweeps.model_variants import load_variant
from gnomon.generation.vectors.concept_vectors import concept_vectors
from gnomon.generation.vectors.vector_methods import recipe_hash
from gnomon.generation.vectors.vector_spec import VectorMethod

MODULE = "model.layers.1.mlp.down_proj"


def write_adapter(folder: Path, shape: tuple[int, int] = (WIDTH, 64), **changes: Any) -> tuple[Path, torch.Tensor]:
    folder.mkdir(exist_ok=True)
    down, up = torch.randn(2, shape[1]), torch.randn(shape[0], 2)
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, "bias": "none", **changes}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    names = {f"base_model.model.{MODULE}.lora_A.weight": down, f"base_model.model.{MODULE}.lora_B.weight": up}
    save_file(names, folder / "adapter_model.safetensors")
    return folder, up @ down


def loaded(folder: Path, **changes: Any) -> LoadedSubject:
    found: LoadedSubject = load_variant(ENGINES.find(TORCH), "small", str(folder), **changes)
    return found


def test_an_adapter_is_added_to_the_weights_that_it_names(model_folder: Callable[..., Path], tmp_path: Path) -> None:
    base = load_subject("small", str(model_folder()))
    for changes, scale in (({}, 6 / 2), ({"use_rslora": True}, 6 / 2**0.5)):
        folder, product = write_adapter(tmp_path / "adapter", **changes)
        made = loaded(model_folder(), adapter=str(folder))
        for name, weight in made.model.named_parameters():
            expected = dict(base.model.named_parameters())[name]
            expected = expected + scale * product if name == f"{MODULE}.weight" else expected
            assert torch.allclose(weight, expected, atol=1e-5), name
        assert made.revision != base.revision
        assert loaded(model_folder(), adapter=str(folder)).revision == made.revision
    assert loaded(model_folder()).revision == base.revision


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peft_type": "IA3"}, "is no LoRA adapter"),
        ({"use_dora": True}, "has 'use_dora', which is not known"),
        ({"bias": "all"}, "has 'bias', which is not known"),
        ({"modules_to_save": ["lm_head"]}, "has 'modules_to_save'"),
        ({"shape": (WIDTH, 63)}, "has weights of shape"),
    ],
)
def test_an_adapter_of_another_kind_or_model_is_one_line(
    model_folder: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    folder, _ = write_adapter(tmp_path / "adapter", **changes)
    with pytest.raises(InputError, match=message) as told:
        loaded(model_folder(), adapter=str(folder))
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="is missing: name the folder of a PEFT adapter"):
        loaded(model_folder(), adapter=str(tmp_path / "nothing"))


def test_an_ablated_direction_is_in_no_state_whatever_is_added(
    model_folder: Callable[..., Path], tmp_path: Path
) -> None:
    direction = np.random.default_rng(0).normal(size=(1, WIDTH)).astype(np.float32)
    np.save(tmp_path / "d.npy", direction)
    made = loaded(model_folder(), ablate=str(tmp_path / "d.npy"))
    ids = torch.arange(20, 30)[None]
    added = VectorAddition(1, 5 * torch.from_numpy(direction[0]), 3)
    states = []
    for block in made.model.model.layers:
        block.register_forward_hook(lambda _m, _a, out: states.append(out[0] if isinstance(out, tuple) else out))
    plain = made.model(input_ids=ids).logits
    with injection_hooks(made.model, [added]):
        steered = made.model(input_ids=ids, position_ids=torch.arange(10)[None]).logits
    unit = torch.from_numpy(direction[0] / np.linalg.norm(direction[0]))
    assert max(float((state @ unit).abs().max()) for state in states) < 1e-3
    assert torch.allclose(plain, steered, atol=1e-3)
    base = load_subject("small", str(model_folder()))
    assert not torch.allclose(base.model(input_ids=ids).logits, plain, atol=1e-2)
    assert made.revision != base.revision
    np.save(tmp_path / "d.npy", np.zeros((1, WIDTH)))
    with pytest.raises(InputError, match="or is zero"):
        loaded(model_folder(), ablate=str(tmp_path / "d.npy"))


def test_lent_vectors_are_the_lenders_under_a_recipe_of_the_borrowers(
    model_folder: Callable[..., Path], own_cache: Path, tmp_path: Path
) -> None:
    lender = load_subject("base", str(model_folder()))
    folder, _ = write_adapter(tmp_path / "adapter")
    borrower = replace(loaded(model_folder(), adapter=str(folder)), name="tuned")
    kind = VectorMethod(lender=lender.revision)
    with pytest.raises(InputError, match="'tuned': the model that lends it vectors has none of 'ocean' at layer 1"):
        concept_vectors(borrower, ["ocean"], [1], kind)
    own = concept_vectors(lender, ["ocean"], [1])["ocean", 1]
    lent = concept_vectors(borrower, ["ocean"], [1], kind)["ocean", 1]
    assert torch.equal(lent.tensor, own.tensor)
    assert (lent.sha256, lent.about) == (own.sha256, own.about)
    assert lent.hash == recipe_hash(borrower.revision, "ocean", 1, kind) != own.hash
    assert lent.recipe["lent_to"] == borrower.revision
    assert concept_vectors(lender, ["ocean"], [1], kind)["ocean", 1].hash == own.hash
    assert not torch.equal(concept_vectors(borrower, ["ocean"], [1])["ocean", 1].tensor, own.tensor)


def test_a_preface_begins_the_first_message_and_is_in_no_span() -> None:
    spans = (NamedSpan("earlier", turn=0), NamedSpan("later", turn=2))
    said = (
        ProtocolMessage("user", "Say a word."),
        ProtocolMessage("assistant", "Sea."),
        ProtocolMessage("user", "Why?"),
    )
    protocol = Protocol("p", said, "", Span("earlier"), 0.0, 4, spans=spans)
    tokenizer = byte_tokenizer(TEMPLATE)
    plain, told = (make_prompt(tokenizer, prefaced_protocol(protocol, words)) for words in ("", "Listen."))
    assert prefaced_protocol(protocol, "") is protocol
    more = len(told.ids) - len(plain.ids)
    assert more == len("Listen.\n\n")
    for span in ("earlier", "later"):
        ((first, end),), ((begin, stop),) = plain.span_ranges(Span(span)), told.span_ranges(Span(span))
        assert (begin - first, stop - (end or 0)) == (more, more)  # the same tokens, further back


def test_a_preface_is_part_of_the_revision(model_folder: Callable[..., Path]) -> None:
    base, told, other = (loaded(model_folder(), preface=words) for words in (None, "Listen.", "Hear."))
    assert len({base.revision, told.revision, other.revision}) == 3
    assert (base.preface, told.preface) == ("", "Listen.")
