"""Seam between sweeps and what generates responses: requests, answers, and engines by name. Needs no torch.

A further engine is one call of `register_engine`, in a plug-in (entry point group `gnomon.engines`) or a script;
`gnomon generate --engine NAME` then uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from gnomon.data.errors import InputError, PluginError
from gnomon.data.readings import Readings
from gnomon.data.registry import Registry

if TYPE_CHECKING:
    from gnomon.generation.engine.injection import VectorAddition

TORCH, FAST, EAGER, VLLM = "torch", "fast", "eager", "vllm"
"""Names of Gnomon's engines: `torch` is `fast` on a GPU if the subject allows it, and else `eager`."""


@dataclass(frozen=True)
class ReadingRequest:
    """What is read from a row's logits at one place, without a token being sampled.

    Attributes
    ----------
    place : str
        Name of the place, by which the answer gives the reading.
    options : mapping of str to tuple of int
        Ids of the tokens that stand for each option: its probability is theirs together.
    position : int or None
        Position after which the options might stand; None for the prompt's last, where the answer begins.
    """

    place: str
    options: Mapping[str, tuple[int, ...]]
    position: int | None = None


@dataclass(frozen=True)
class TrialRequest:
    """One row: the prompt's token ids, what is added and read, and how its response is sampled.

    `temperature` 0 takes the most probable token; else the noise depends on `seed` and the token's index only. The
    response ends before the first text of `stop`, at an end token, or after `max_tokens` tokens; with `max_tokens` 0
    nothing is sampled, and the row gives its `readings` only.

    Raises
    ------
    InputError
        If a vector would be added or a reading taken where the row has no position, or nothing is sampled or read.
    """

    prompt: tuple[int, ...]
    additions: tuple[VectorAddition, ...]
    seed: int
    temperature: float
    max_tokens: int
    stop: tuple[str, ...] = ()
    readings: tuple[ReadingRequest, ...] = ()

    def __post_init__(self) -> None:
        """Check what is asked against the row's positions."""
        if not self.prompt or self.max_tokens < 0 or not (self.max_tokens or self.readings):
            raise InputError("request: needs a prompt, and a token to sample or an option to read")
        for addition in self.additions:
            if addition.start >= self.cache_columns:
                raise InputError(
                    f"vector added from position {addition.start}: the row computes positions 0 to "
                    f"{self.cache_columns - 1}: choose a span inside them, or a larger max_tokens"
                )
        for reading in self.readings:
            if not 0 <= self.reading_position(reading) < len(self.prompt) or not all(reading.options.values()):
                raise InputError(
                    f"reading at '{reading.place}': needs a position inside the prompt (0 to {len(self.prompt) - 1}) "
                    "and a token for each option"
                )

    def reading_position(self, reading: ReadingRequest) -> int:
        """Position from whose output a reading is taken."""
        return len(self.prompt) - 1 if reading.position is None else reading.position

    @property
    def first_computed(self) -> int:
        """First position that the row must compute itself: where it is steered or read first, or the prompt's last."""
        steered = [addition.start for addition in self.additions]
        return min([len(self.prompt) - 1, *steered, *map(self.reading_position, self.readings)])

    @property
    def cache_columns(self) -> int:
        """Positions that the row may fill. The last token of a response is chosen but never read back."""
        return len(self.prompt) + max(self.max_tokens, 1) - 1


@dataclass(frozen=True)
class EngineAnswer:
    """The subject's response.

    Attributes
    ----------
    text : str
        The response; empty where nothing was sampled.
    tokens : tuple of int
        Its token ids.
    finish : {"stop", "length", "read", "error"}
        How it ended; `read` where nothing was to be sampled.
    error : str or None
        Why there is no response.
    touched : tuple of range
        Positions at which each of the request's additions was made.
    readings : mapping of str to OptionReading
        What was read, by the name of the place.
    """

    text: str
    tokens: tuple[int, ...]
    finish: str
    error: str | None
    touched: tuple[range, ...]
    readings: Readings = field(default_factory=dict)


@dataclass
class EngineTimings:
    """Time spent by an engine: rows admitted and steps of rows, each with seconds; steps of the batch.

    `settled` counts tokens whose choice was so close that rounding could have changed it.
    """

    admitted: int = 0
    admit_seconds: float = 0.0
    row_steps: int = 0
    step_seconds: float = 0.0
    steps: int = 0
    settled: int = 0


class EngineSubject(Protocol):
    """What a sweep needs to know of a subject, whatever holds its weights.

    `revision` identifies weights, template and number format, and is part of every trial's id: an engine whose
    responses differ from another's must give another revision.
    """

    @property
    def name(self) -> str:
        """Name in the study."""

    @property
    def revision(self) -> str:
        """Hash of all that determines its responses."""

    @property
    def layers(self) -> int:
        """Number of blocks."""

    @property
    def width(self) -> int:
        """Width of the residual stream."""

    @property
    def parameters(self) -> float:
        """Number of parameters."""

    @property
    def tokenizer(self) -> Any:
        """Tokenizer with a chat template, as transformers has them."""


@runtime_checkable
class InferenceEngine(Protocol):
    """Generates responses of one steered subject.

    Attributes
    ----------
    rows : int or None
        Rows that run together; None as long as nobody has decided.
    spent : EngineTimings
        Time spent so far.
    """

    rows: int | None
    spent: EngineTimings

    def prepare(self, vectors: Mapping[Any, Any]) -> None:
        """Called once before the requests of a sweep, with its concept vectors by concept and layer."""

    def generate_stream(self, requests: Sequence[TrialRequest]) -> Iterator[tuple[int, EngineAnswer]]:
        """Answer all requests, in any order, each with the index of its request.

        `requests` may create its elements on access. Each of a request's additions is added to the output of its block
        at its positions, and the answer's `touched` says at which; what its `readings` ask is read from the logits,
        unscaled by the temperature. A request that fails, or of which an addition or a reading could not be made, has
        finish `error` and a reason.
        """

    def max_rows(self, requests: Sequence[TrialRequest]) -> int:
        """Number of rows that fit in memory."""


OWN_LOADER = "gnomon.generation.engine.steering_probe:load_steerable_subject"
DEFAULT_LOADER = "gnomon.generation.fast_engine.engine_choice:load_default_subject"
FAST_LOADER = "gnomon.generation.fast_engine.engine_choice:load_fast_subject"


@dataclass(frozen=True)
class EngineKind:
    """An engine by name. Each function may be given as "module:function", which is imported when it is needed.

    Attributes
    ----------
    name : str
        As it is typed after `--engine`.
    build : callable or str
        Function of a subject and a number of rows (None: as many as fit) that returns an `InferenceEngine`.
    load_subject : callable or str
        Function of a name, a model and the keywords of `generation.subjects.loading.load_subject` that returns an
        `EngineSubject`; by default that function.
    make_vectors : callable or str
        Function of a subject, concepts, layers and a `VectorMethod` that returns the concept vectors by concept and
        layer; by default `generation.vectors.concept_vectors.concept_vectors`, which needs a model in torch.
    """

    name: str
    build: Callable[..., Any] | str
    load_subject: Callable[..., Any] | str = OWN_LOADER
    make_vectors: Callable[..., Any] | str = "gnomon.generation.vectors.concept_vectors:concept_vectors"

    @property
    def has_own_loader(self) -> bool:
        """Whether subjects are loaded by Gnomon."""
        return self.load_subject in (OWN_LOADER, DEFAULT_LOADER, FAST_LOADER)

    def build_engine(self, subject: EngineSubject, rows: int | None = None) -> InferenceEngine:
        """The engine for a subject.

        Parameters
        ----------
        subject : EngineSubject
            The subject, as `load_subject` returned it.
        rows : int, optional
            Rows that run together; by default as many as fit in memory.

        Raises
        ------
        PluginError
            If the engine lacks what a sweep needs.
        """
        engine = _resolved(self.build)(subject, rows)
        lacking = [
            name for name in ("rows", "spent", "prepare", "generate_stream", "max_rows") if not hasattr(engine, name)
        ]
        if lacking:
            raise PluginError(f"engine '{self.name}': {type(engine).__name__} lacks {', '.join(lacking)}: add them")
        found: InferenceEngine = engine
        return found

    def load_engine_subject(self, name: str, model: str, **options: Any) -> Any:
        """The subject, loaded as this engine needs it.

        Parameters
        ----------
        name : str
            Name in the study.
        model : str
            Model of the study file.
        **options : object
            Further arguments of the loader.
        """
        return _resolved(self.load_subject)(name, model, **options)

    def engine_vectors(
        self, subject: EngineSubject, concepts: Sequence[str], layers: Sequence[int], method: Any
    ) -> Any:
        """The concept vectors by concept and layer.

        Parameters
        ----------
        subject : EngineSubject
            The subject.
        concepts : sequence of str
            Concepts of the design.
        layers : sequence of int
            Layers of the design, from 0.
        method : VectorMethod
            How the vectors are computed and scaled.
        """
        return _resolved(self.make_vectors)(subject, concepts, layers, method)


def _resolved(function: Callable[..., Any] | str) -> Callable[..., Any]:
    found: Callable[..., Any] = resolve_name(function) if isinstance(function, str) else function
    return found


ENGINES: Registry[EngineKind] = Registry("engine", group="gnomon.engines")


def register_engine(kind: EngineKind) -> EngineKind:
    """Register an engine: `gnomon generate --engine` takes its name from now on.

    Raises
    ------
    InputError
        If the name is taken.
    """
    return ENGINES.register(kind.name, kind)


register_engine(EngineKind(TORCH, "gnomon.generation.fast_engine.engine_choice:default_engine", DEFAULT_LOADER))
register_engine(EngineKind(FAST, "gnomon.generation.fast_engine.fast_engine:FastEngine", FAST_LOADER))
register_engine(EngineKind(EAGER, "gnomon.generation.engine.torch_engine:TorchEngine"))
register_engine(
    EngineKind(
        VLLM,
        "gnomon.generation.vllm_engine.vllm_engine:VllmEngine",
        "gnomon.generation.vllm_engine.vllm_subject:load_vllm_subject",
        "gnomon.generation.vllm_engine.vllm_subject:vllm_vectors",
    )
)
