"""Finds the form in which a subject's model is steered, by a few tokens run against an independent hook.

Families differ in where their body is, how their head is run, what they keep of earlier positions and which masks they
read. Nothing is looked up by name: each form is tried, and the first is taken in which body, cache and head give the
logits of the model's own forward pass, and a vector added by Gnomon the same as one added by a hook of this module's
own. A model for which none does can't be steered, and says so before anything is computed with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import torch
from torch import Tensor

from gnomon.data.errors import GnomonError, InputError
from gnomon.generation.caches.slot_layers import layer_kinds
from gnomon.generation.engine.forward import (
    COLUMNS,
    HEADS,
    KINDS,
    OWN,
    POSITIONS,
    SLOTS,
    UNMASKED,
    ModelForm,
    model_parts,
    set_model_form,
)
from gnomon.generation.engine.injection import VectorAddition, decoder_blocks, injection_hooks
from gnomon.generation.engine.prompt_cache import PromptCache
from gnomon.generation.engine.row_memory import row_memory
from gnomon.generation.subjects.device_memory import is_lack_of_memory
from gnomon.generation.subjects.loading import LoadedSubject, load_subject

NEAR = {torch.float32: 1e-3, torch.float64: 1e-3}
COARSE = 0.25
"""Largest difference of logits from the model's own, as a share of the largest logit: rounding in this number format,
or coarser where mixtures of experts may choose other experts."""
STRENGTH = 0.5
"""Size of the probe's vector, as a share of the hidden state that it is added to."""


class UnfitFormError(Exception):
    """A form in which a model can't be run, and why."""


def load_steerable_subject(name: str, model: str, **options: Any) -> LoadedSubject:
    """Load a subject and find out how it is steered.

    Parameters
    ----------
    name : str
        Name of the subject in the study.
    model : str
        As for `load_subject`.
    **options : object
        Further arguments of `load_subject`.

    Raises
    ------
    UserError
        As `load_subject` does, or if its architecture can't be steered.
    """
    subject = load_subject(name, model, **options)
    find_model_form(subject)
    return subject


def find_model_form(subject: LoadedSubject) -> ModelForm:
    """Find and set the form in which a subject's model is called; found once for each loaded model.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.

    Raises
    ------
    InputError
        If the model can't be steered in any form, with the reason.
    """
    if not model_parts(subject.model).is_proven:
        try:
            set_model_form(subject.model, _found_form(subject)).is_proven = True
        except (UnfitFormError, GnomonError) as error:
            raise _refused(subject, str(error)) from error
        except Exception as error:  # a foreign model raises what it likes
            if is_lack_of_memory(error):
                raise
            raise _refused(subject, first_line(error)) from error
    return model_parts(subject.model).form


def _refused(subject: LoadedSubject, why: str) -> InputError:
    ending = ": this architecture can't be steered"
    return InputError(f"subject '{subject.name}'{ending}: {why.removesuffix(ending)}")


@dataclass(frozen=True)
class ProbeReference:
    """What the model itself gives for two rows of the same tokens, the second steered by a hook of this module.

    `logits` have shape (2, columns, vocabulary); `bodies` are the outputs of modules, by their names.
    """

    ids: tuple[int, ...]
    addition: VectorAddition
    logits: Tensor
    bodies: dict[str, Any]

    @property
    def nearness(self) -> float:
        """Largest difference that rounding explains, as a share of the largest logit."""
        return NEAR.get(self.logits.dtype, COARSE)

    def largest_difference(self, found: Tensor, row: int, column: int) -> float:
        """Largest difference of logits from the model's own, as a share of its largest logit.

        Parameters
        ----------
        found : Tensor, shape (vocabulary,)
            Logits of one position.
        row, column : int
            The row of the reference, and the position.
        """
        own = self.logits[row, column].to(found)
        return float((found - own).abs().max() / own.abs().max().clamp_min(1e-30))


def _found_form(subject: LoadedSubject) -> ModelForm:
    reference = probe_reference(subject)
    base = _body_and_head(subject.model, reference)
    why = ""
    for (cache, masks), continues in product(_caches_and_masks(subject.model), (True, False)):
        form = replace(base, cache=cache, continues=continues, masks=masks)
        try:
            set_model_form(subject.model, form)
            _check_form(subject, reference)
            return form
        except Exception as error:  # a foreign model raises what it likes
            if is_lack_of_memory(error):
                raise
            if cache == OWN and not why:  # what the model's own cache lacks, not what ours does
                why = str(error) if isinstance(error, UnfitFormError | GnomonError) else first_line(error)
    raise UnfitFormError(why)


def _caches_and_masks(model: Any) -> list[tuple[str, str]]:
    """Forms of cache and masks that may fit a model, the most capable first."""
    kinds, own = layer_kinds(model), [(OWN, KINDS), (OWN, UNMASKED)]
    if kinds is None:
        return own
    if all(kind.positions and not kind.states for kind in kinds):
        return [(POSITIONS, KINDS), (POSITIONS, COLUMNS), *own]
    if not any(kind.positions for kind in kinds):
        return [(SLOTS, UNMASKED), *own]
    return [(SLOTS, KINDS), (SLOTS, COLUMNS), *own]


@torch.no_grad()
def probe_reference(subject: LoadedSubject) -> ProbeReference:
    """The model's own forward pass over two rows of the same tokens, the second steered from position 1 on.

    Raises
    ------
    UnfitFormError
        If the model can't be steered by a hook of this module's own.
    """
    model, layer = subject.model, subject.layers // 2
    ids = _probe_ids(model)
    noise = torch.randn(subject.width, generator=torch.Generator().manual_seed(0), dtype=torch.float32)
    deltas: list[Tensor] = []
    bodies: dict[str, Any] = {}

    def steer(_module: Any, _args: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        expected = (2, len(ids), subject.width)
        if not isinstance(hidden, Tensor) or tuple(hidden.shape) != expected:
            shape = tuple(hidden.shape) if isinstance(hidden, Tensor) else type(hidden).__name__
            raise UnfitFormError(f"a block's output is {shape}, not one stream {expected} of (rows, columns, width)")
        size = STRENGTH * hidden[1, -1].float().norm() / noise.norm()
        deltas.append((noise.to(hidden.device) * size).to(hidden.dtype))
        steered = hidden.clone()
        steered[1, 1:] += deltas[0]
        return (steered, *output[1:]) if isinstance(output, tuple) else steered

    def keep(name: str) -> Any:
        return lambda _module, _args, output: bodies.setdefault(name, output)

    blocks = decoder_blocks(model)
    with _hooks([(blocks[layer], steer), *((model.get_submodule(name), keep(name)) for name in _body_names(model))]):
        logits = model(input_ids=torch.tensor([ids, ids], device=model.device), use_cache=False).logits
    if len(deltas) != 1:
        raise UnfitFormError(f"block {layer} runs {len(deltas)} times in one pass, not once")
    if not torch.isfinite(logits).all():
        raise UnfitFormError("its logits are not finite")
    if torch.equal(logits[0, 1:], logits[1, 1:]):
        raise UnfitFormError("what is added to a block's output does not reach its logits")
    return ProbeReference(ids, VectorAddition(layer, deltas[0], 1), logits, bodies)


def _probe_ids(model: Any) -> tuple[int, ...]:
    """Five different tokens from the middle of the vocabulary, far from those with a meaning of their own."""
    middle = int(model.get_input_embeddings().weight.shape[0]) // 2
    return tuple(range(middle, middle + 5))


def _body_names(model: Any) -> list[str]:
    """Modules around the blocks, the outermost first: one of them is the body whose output the head reads."""
    blocks = decoder_blocks(model)
    name = next(name for name, module in model.named_modules() if module is blocks)
    parts = name.split(".")[:-1]
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


@contextmanager
def _hooks(wanted: list[tuple[Any, Any]]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module, hook in wanted]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _body_and_head(model: Any, reference: ProbeReference) -> ModelForm:
    """The first body and head that give the model's own logits, bit for bit, from what the body gave."""
    why = "no module gives hidden states that a head reads"
    for name, head in product(_body_names(model), HEADS):
        output: Any = reference.bodies.get(name)
        if not isinstance(getattr(output, "last_hidden_state", None), Tensor):
            continue
        form = ModelForm(body=name, head=head)
        try:
            parts = set_model_form(model, form)
            logits = parts.run_head(output.last_hidden_state, type(output))
        except Exception as error:  # a foreign model raises what it likes
            if is_lack_of_memory(error):
                raise
            why = f"its head can't be run {head} ({first_line(error)})"
            continue
        if torch.equal(logits, reference.logits.to(logits.device)):
            return form
        why = f"its head, run {head}, gives other logits than the model"
    raise UnfitFormError(why)


def _check_form(subject: LoadedSubject, reference: ProbeReference) -> None:
    """Run two rows of different lengths as a batch does, and compare them with the model itself."""
    ids, prompts = reference.ids, PromptCache(subject)
    begin = 1 if prompts.form.continues else 0
    with injection_hooks(subject.model, [None, reference.addition]) as injection, torch.no_grad():
        memory = row_memory(subject, injection, prompts, 2, len(ids))
        found = {}
        for row, length in enumerate((2, 3)):
            last = memory.prefill([row], ids[:length], begin).at_column(-1)
            found[row, length - 1] = last.next_logits(slice(0, 1))[0]
        for length in (2, 3):  # a second step reads what the first has written
            both = memory.decode([ids[length], ids[length + 1]], [length, length + 1]).next_logits(slice(0, 2))
            found |= {(row, length + row): logits for row, logits in enumerate(both)}
        touched = injection.touched_positions(1)
    due = (reference.addition.due_positions(len(ids)),)
    if touched != due:
        raise UnfitFormError(f"positions {touched} were steered, {due} should have been")
    near = reference.nearness
    for (row, column), logits in found.items():
        far = reference.largest_difference(logits, row, column)
        if not far <= near:
            what = "steered" if row else "plain"
            raise UnfitFormError(
                f"with a cache, its logits are not those without one (by {far:.1g} of the largest, {what} row)"
            )


def first_line(error: Exception) -> str:
    """Kind and first line of an error."""
    said = str(error).strip().splitlines()[:1]
    return f"{type(error).__name__}: {said[0][:200]}" if said else type(error).__name__
