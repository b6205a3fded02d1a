"""What runs inside vLLM's own worker: hooks that steer, and the choice of tokens. Imported by vLLM alone.

The hooks need every step to run their Python: vLLM runs eagerly, with its first model runner and without asynchronous
scheduling (`vllm_worker` sees to that).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from vllm.v1.sample.logits_processor import LogitsProcessor
from vllm.v1.sample.logits_processor.builtin import process_dict_updates

from gnomon.generation.engine.injection import decoder_blocks
from gnomon.generation.engine.sampling import choose_tokens
from gnomon.generation.vllm_engine.steering_state import RowEvidence, SteeringState, StepRow, stream_parts
from gnomon.generation.vllm_engine.worker_messages import RequestMessage

OWN = "gnomon"
"""Key of `extra_args` under which vLLM carries a request of ours to the worker."""
READ_TOGETHER = 64
"""Places of which logits are computed at once: their float64 copies need memory."""
STATES: list[SteeringState] = []
"""The state of this process's model: the token chooser, which vLLM builds itself, finds it here."""


class SteeringExtension:
    """Methods that vLLM mixes into its worker (`worker_extension_cls`); called through `collective_rpc`."""

    model_runner: Any

    def gnomon_install(self, width: int, columns: int) -> dict[str, str]:
        """Install the hooks; returns the model's class and device.

        Parameters
        ----------
        width : int
            Width of the residual stream.
        columns : int
            Positions of the longest request.
        """
        runner = self.model_runner
        model: nn.Module = runner.get_model()
        dtype, device = runner.model_config.dtype, runner.device
        state = SteeringState(width, dtype, device, columns)
        STATES[:] = [state]
        self._gnomon_blocks = decoder_blocks(model)
        self._gnomon_names: dict[str, RequestMessage] = {}
        for layer, block in enumerate(self._gnomon_blocks):
            block.register_forward_hook(_adder(state, layer))
        model.register_forward_pre_hook(self._gnomon_begin, with_kwargs=True)
        model.register_forward_hook(self._gnomon_end)
        return {"class": type(model).__name__, "device": device.type, "torch": torch.__version__}

    def gnomon_vectors(self, names: Sequence[str], values: bytes, forget: Sequence[str]) -> None:
        """Hold vectors, and forget others.

        Parameters
        ----------
        names : sequence of str
            Names of vectors to hold.
        values : bytes
            Their values, float32, one after the other.
        forget : sequence of str
            Names of vectors that are no longer needed.
        """
        (state,) = STATES
        state.forget_vectors(forget)
        state.hold_vectors(names, np.frombuffer(values, dtype=np.float32).reshape(len(names), state.width))

    def gnomon_evidence(self, numbers: Sequence[int]) -> list[RowEvidence]:
        """What is known of finished requests, which are forgotten."""
        (state,) = STATES
        self._gnomon_forget(numbers)
        return [state.take_evidence(number) for number in numbers]

    def gnomon_drop(self, numbers: Sequence[int]) -> None:
        """Forget requests that will not be finished."""
        (state,) = STATES
        self._gnomon_forget(numbers)
        for number in numbers:
            state.drop_row(number)

    def gnomon_watch(self, layer: int) -> None:
        """Record the residual stream before a block in the next steps, until `gnomon_watched`.

        Parameters
        ----------
        layer : int
            Index of the block.
        """
        self._gnomon_seen: list[Tensor] = []
        width = self.model_runner.model_config.get_hidden_size()

        def record(_module: nn.Module, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
            (state,) = STATES
            parts = stream_parts([*args, *kwargs.values()], state.step_tokens, width)
            if state.step_tokens and parts:
                self._gnomon_seen.append(torch.stack([part.float() for part in parts]).sum(dim=0).cpu())

        self._gnomon_watch = self._gnomon_blocks[layer].register_forward_pre_hook(record, with_kwargs=True)

    def gnomon_watched(self) -> list[list[list[float]]]:
        """The recorded states, one array (tokens, width) for each step."""
        self._gnomon_watch.remove()
        return [seen.tolist() for seen in self._gnomon_seen]

    def _gnomon_begin(self, _module: nn.Module, _args: tuple[object, ...], kwargs: Mapping[str, Any]) -> None:
        """Before the model runs: tell the state what the step consists of."""
        (state,) = STATES
        runner = self.model_runner
        batch = runner.input_batch
        rows = []
        lengths = np.diff(runner.query_start_loc.np[: batch.num_reqs + 1]) if batch.num_reqs else []
        for place, (name, count) in enumerate(zip(batch.req_ids, lengths, strict=True)):
            request = self._gnomon_request(name)
            if request is None:
                return
            if not state.has_row(request.number):
                state.add_row(request.number, request.additions, request.readings)
            rows.append(StepRow(request.number, int(batch.num_computed_tokens_cpu[place]), int(count)))
        positions = kwargs["positions"]
        if rows:
            state.begin_step(rows, positions[0] if positions.dim() == 2 else positions)

    def _gnomon_request(self, name: str) -> RequestMessage | None:
        """The request of ours that vLLM knows by a name."""
        if name not in self._gnomon_names:
            request = own_request(self.model_runner.requests[name].sampling_params)
            if request is None:
                return None
            self._gnomon_names[name] = request
        return self._gnomon_names[name]

    def _gnomon_forget(self, numbers: Sequence[int]) -> None:
        gone = set(numbers)
        self._gnomon_names = {
            name: request for name, request in self._gnomon_names.items() if request.number not in gone
        }

    def _gnomon_end(self, module: Any, _args: tuple[object, ...], output: Any) -> None:
        """After the model has run: read what is to be read of its last hidden states."""
        (state,) = STATES
        wanted = state.wanted_states()
        for first in range(0, len(wanted), READ_TOGETHER):
            part = wanted[first : first + READ_TOGETHER]
            logits = module.compute_logits(output[[token for _, _, token in part]])
            if logits is not None:
                state.keep_readings(part, logits)
        state.end_step()


class TokenChooser(LogitsProcessor):  # type: ignore[misc]  # vLLM has no types here
    """Chooses each row's token by Gnomon's own draw (`choose_tokens`), and leaves vLLM no other.

    vLLM then takes the most probable token. The draw depends on the trial's seed and the token's number only.
    """

    def __init__(self, vllm_config: Any, device: torch.device, is_pin_memory: bool) -> None:
        self._rows: dict[int, tuple[RequestMessage, list[int]]] = {}

    def is_argmax_invariant(self) -> bool:
        """It decides which token is most probable."""
        return False

    def update_state(self, batch_update: Any) -> None:
        """Requests have come, gone or moved within the batch.

        Parameters
        ----------
        batch_update : BatchUpdate or None
            What has changed.
        """
        process_dict_updates(self._rows, batch_update, _chosen_row)

    def apply(self, logits: Tensor) -> Tensor:
        """The logits, in which each row's token is the only possible one.

        Parameters
        ----------
        logits : Tensor of float32, shape (rows, vocabulary)
            Logits.
        """
        if not self._rows:
            return logits
        places = sorted(self._rows)
        rows = [self._rows[place] for place in places]
        device = logits.device
        drawn = choose_tokens(
            logits[places],
            torch.tensor([request.temperature for request, _ in rows], dtype=torch.float64, device=device),
            torch.tensor([request.seed for request, _ in rows], device=device),
            torch.tensor([len(tokens) for _, tokens in rows], device=device),
            0.0,
        )
        chosen = drawn.tokens.tolist()
        for index, (fine, (request, tokens)) in enumerate(zip(drawn.finite.tolist(), rows, strict=True)):
            if not fine:
                chosen[index] = request.ends[0] if request.ends else 0
                _report_not_finite(request, len(tokens) + 1)
        logits[places] = -torch.inf
        logits[places, chosen] = 0.0
        return logits


def own_request(params: Any) -> RequestMessage | None:
    """The request of ours that vLLM's parameters carry; None for a request of vLLM itself."""
    extra = getattr(params, "extra_args", None) or {}
    document = extra.get(OWN)
    return None if document is None else RequestMessage.from_document(document)


def _chosen_row(params: Any, _prompt: Any, tokens: list[int]) -> tuple[RequestMessage, list[int]] | None:
    request = own_request(params)
    return None if request is None else (request, tokens)


def _report_not_finite(request: RequestMessage, token: int) -> None:
    for state in STATES:
        if state.has_row(request.number):
            steering = state.steering_of(request.number)
            state.report_error(request.number, f"logits of answer token {token} are not finite ({steering})")


def _adder(state: SteeringState, layer: int) -> Any:
    def hook(_module: nn.Module, _args: Any, output: Any) -> Any:
        return state.add_vectors(layer, output)

    return hook
