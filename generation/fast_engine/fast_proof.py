"""Proves by a few tokens that a subject's steps can run as the fast engine runs them, and says why where they can't.

Two rows of different lengths, one steered, are decoded over forced tokens. Logits must be those of the model's own
forward pass with the independent hook of `steering_probe`, marks those that are due, tokens those that the other
sampler draws from these logits, and a step must not read a value of the device on the host. On a GPU the steps compared
are replays of graphs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from gnomon.data.errors import GnomonError, InputError
from gnomon.generation.engine.base import TrialRequest
from gnomon.generation.engine.batch import BatchRow
from gnomon.generation.engine.forward import OWN, POSITIONS, SLOTS
from gnomon.generation.engine.injection import injection_hooks
from gnomon.generation.engine.prompt_cache import PromptCache
from gnomon.generation.engine.sampling import choose_tokens
from gnomon.generation.engine.steering_probe import (
    ProbeReference,
    UnfitFormError,
    find_model_form,
    first_line,
    probe_reference,
)
from gnomon.generation.fast_engine.decode_step import EAGER
from gnomon.generation.fast_engine.fast_batch import FastBatch
from gnomon.generation.fast_engine.operation_count import OperationCount
from gnomon.generation.fast_engine.slot_table import SEEDS, STEPS
from gnomon.generation.fast_engine.step_shapes import StepOptions, step_options
from gnomon.generation.subjects.device_memory import is_lack_of_memory
from gnomon.generation.subjects.loading import LoadedSubject

KEPT_AS = "_gnomon_steps"
"""Attribute of a model under which the outcome is kept; `generation.subjects.environment` records it."""
KEPT_STATES = {SLOTS: "it keeps states beside keys and values", OWN: "its rows go in step in a cache of its own"}


@dataclass(frozen=True)
class StepProof:
    """How a subject's steps may run.

    Attributes
    ----------
    options : StepOptions or None
        Options with which the proof held; None if it held with none.
    why : str
        What did not hold; empty if all did.
    """

    options: StepOptions | None
    why: str = ""

    def __str__(self) -> str:
        """For the record of what trials were made on."""
        if self.options is None:
            return f"eager: {self.why}"
        return f"fast, without graphs: {self.why}" if self.why else "fast"


def find_fast_steps(subject: LoadedSubject) -> StepProof:
    """Find out how a subject's steps may run; found once for each loaded model.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.

    Raises
    ------
    InputError
        If the model can't be steered at all.
    """
    kept = subject.model.__dict__
    if KEPT_AS not in kept:
        find_model_form(subject)
        options = step_options(subject.model_device)
        proof = _proof(subject, options)
        if proof.options is None and options.has_graphs:
            without = _proof(subject, replace(options, has_graphs=False))
            proof = proof if without.options is None else StepProof(without.options, proof.why)
        kept[KEPT_AS] = proof
    found: StepProof = kept[KEPT_AS]
    return found


def prove_fast_steps(subject: LoadedSubject) -> StepOptions:
    """Options with which a subject's steps are proven to run.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.

    Raises
    ------
    InputError
        If they are not, with the reason.
    """
    proof = find_fast_steps(subject)
    if proof.options is None:
        raise InputError(f"subject '{subject.name}': engine 'fast' can't run it: {proof.why}: use the engine 'torch'")
    return proof.options


def _proof(subject: LoadedSubject, options: StepOptions) -> StepProof:
    form = PromptCache(subject).form
    if form.cache != POSITIONS or not form.continues:
        return StepProof(None, KEPT_STATES.get(form.cache, "its rows begin at position 0"))
    if len({part.device for part in subject.model.parameters()}) > 1:
        return StepProof(None, "its blocks lie on several devices")
    try:
        # in the shapes of a GPU on every device, so that a family is taken or refused alike
        _run_proof(subject, replace(options, is_static=True))
    except (UnfitFormError, GnomonError) as error:
        return StepProof(None, str(error))
    except Exception as error:  # a foreign model raises what it likes
        if is_lack_of_memory(error):
            raise
        return StepProof(None, first_line(error))
    return StepProof(options)


@torch.no_grad()
def _run_proof(subject: LoadedSubject, options: StepOptions) -> None:
    reference = probe_reference(subject)
    ids, addition = reference.ids, reference.addition
    requests = [
        TrialRequest(ids[:2], (), 1, 0.7, len(ids) - 2),
        TrialRequest(ids[:3], (addition,), 2, 0.0, len(ids) - 3),
    ]
    again = EAGER + 1 if options.has_graphs else 1
    with _opened_batch(subject, len(ids), options) as batch:
        batch.add_rows([BatchRow(index, request) for index, request in enumerate(requests)])
        for length in (2, 3):  # a second step reads what the first has written
            for turn in range(again):
                for row in (0, 1):
                    batch.steps.table.rewind(row, ids[length + row], length + row, length - 1)
                if turn == 0:
                    _compute_unread(batch, length + 2)
                else:
                    batch.steps.run(2, length + 2)
            _compare_logits(batch, reference, length)
        marks = batch.steering.take_marks(torch.tensor([0, 1], device=subject.model_device)).cpu().numpy()
        for row, request in enumerate(requests):
            begin, decoded = request.first_computed, range(len(request.prompt), len(request.prompt) + 2)
            computed = Counter(range(begin, decoded.start)) + Counter(dict.fromkeys(decoded, again))
            _, wrong = batch.steering.check_marks(marks[:, row], request.additions, decoded.stop, computed)
            if wrong:
                raise UnfitFormError(wrong)


@contextmanager
def _opened_batch(subject: LoadedSubject, columns: int, options: StepOptions) -> Iterator[FastBatch]:
    with injection_hooks(subject.model, [None]) as injection:
        batch = FastBatch(subject, injection, PromptCache(subject), 2, columns, options)
        try:
            with injection.pause_steering():
                yield batch
        finally:
            batch.close()


def _compute_unread(batch: FastBatch, width: int) -> None:
    """Run a step and see that it reads nothing back."""
    table = batch.steps.table
    seeds, steps = table.numbers[SEEDS].clone(), table.numbers[STEPS].clone()
    with OperationCount() as count:
        result = batch.steps.run(2, width)
    if reads := count.host_reads:
        which = ", ".join(f"{name} {times} times" for name, times in reads.items())
        raise UnfitFormError(f"its forward pass reads values of the device on the host in each step ({which})")
    logits: Any = batch.steps.logits
    drawn = choose_tokens(logits, table.temperatures, seeds, steps, batch.near)
    if bool(((drawn.tokens != result[0]) & (result[1] == 0)).any()):
        raise UnfitFormError("its tokens are not those that the other sampler draws")


def _compare_logits(batch: FastBatch, reference: ProbeReference, length: int) -> None:
    logits: Any = batch.steps.logits
    for row in (0, 1):
        far = reference.largest_difference(logits[row], row, length + row)
        if not far <= reference.nearness:
            what = "steered" if row else "plain"
            raise UnfitFormError(f"in steps, its logits are not its own (by {far:.1g} of the largest, {what} row)")
