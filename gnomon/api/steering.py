"""Steering a model by hand: load it, make a concept's vector, ask it a question with the vector added.

Knows nothing of studies, judges or stores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from gnomon.data.errors import GnomonError, InputError, missing_packages_named
from gnomon.data.readings import ANSWER, OptionReading
from gnomon.data.records import Span
from gnomon.generation.engine.base import EngineAnswer, ReadingRequest, TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.engine.steering_probe import load_steerable_subject
from gnomon.generation.engine.torch_engine import TorchEngine
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage
from gnomon.generation.prompts.protocol_parts import PlainFormat, parse_measure
from gnomon.generation.prompts.tokenization import make_prompt
from gnomon.generation.subjects.loading import LoadedSubject
from gnomon.generation.subjects.model_documents import EMBEDDED
from gnomon.generation.vectors.concept_vectors import concept_vectors
from gnomon.generation.vectors.vector_spec import MEAN, RAW, VectorMethod


@dataclass(frozen=True, eq=False)
class SteeringVector:
    """A direction to add to the output of one block.

    Vectors of one layer can be added, subtracted, negated and multiplied by a number.

    Attributes
    ----------
    layer : int
        Block, counted from 0.
    tensor : Tensor, shape (width,)
        Float32, on the CPU.
    label : str
        What it is, for people.
    measured : mapping of str to float
        `residual_norm`, the mean length of the residual stream there, and `steering`, by how much the log probability
        that an answer begins with the concept rises when the vector is added at that length; empty after arithmetic.
    """

    layer: int
    tensor: Tensor
    label: str = ""
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def norm(self) -> float:
        """Euclidean length."""
        return float(self.tensor.norm())

    def __add__(self, other: SteeringVector) -> SteeringVector:
        """The sum of two vectors of one layer."""
        self._check_alike(other)
        return SteeringVector(self.layer, self.tensor + other.tensor, f"({self.label} + {other.label})")

    def __sub__(self, other: SteeringVector) -> SteeringVector:
        """The difference of two vectors of one layer."""
        self._check_alike(other)
        return SteeringVector(self.layer, self.tensor - other.tensor, f"({self.label} - {other.label})")

    def __neg__(self) -> SteeringVector:
        """The opposite direction."""
        return SteeringVector(self.layer, -self.tensor, f"-{self.label}")

    def __mul__(self, factor: float) -> SteeringVector:
        """The vector, `factor` times as long."""
        return SteeringVector(self.layer, self.tensor * factor, f"{factor:g} {self.label}")

    __rmul__ = __mul__

    def _check_alike(self, other: SteeringVector) -> None:
        if self.layer != other.layer or self.tensor.shape != other.tensor.shape:
            raise InputError(
                f"vectors '{self.label}' of layer {self.layer} and '{other.label}' of layer {other.layer}: only "
                "vectors of one layer and width can be combined"
            )


class SteeredModel:
    """A model with a vector to add while it answers; made by `steer`, and of use only inside its `with` block."""

    def __init__(self, model: LoadedSubject, addition: tuple[int, Tensor], span: Span) -> None:
        self._engine, self._addition, self._span = TorchEngine(model), addition, span
        self._open = True

    def ask(
        self,
        question: str,
        *,
        seed: int = 0,
        temperature: float = 0.6,
        max_tokens: int = 60,
        stop: Sequence[str] = (),
    ) -> str:
        """The answer to a question, with the vector added.

        Parameters
        ----------
        question : str
            The user's turn; the model's own chat template is put around it.
        seed : int
            Seed of the sampling noise: the same seed, the same answer.
        temperature : float
            0 takes the likeliest token.
        max_tokens : int
            Longest answer.
        stop : sequence of str
            Texts before the first of which the answer ends.

        Raises
        ------
        GnomonError
            After the `with` block, or if the model gave no finite numbers (a smaller strength or dtype float32 helps).
        """
        return self._answer(_question_protocol(question, temperature, max_tokens, stop), seed, steered=True)

    def ask_unsteered(
        self,
        question: str,
        *,
        seed: int = 0,
        temperature: float = 0.6,
        max_tokens: int = 60,
        stop: Sequence[str] = (),
    ) -> str:
        """The answer of the same model to the same question without the vector: the baseline of `ask`.

        Parameters
        ----------
        question, seed, temperature, max_tokens, stop
            As for `ask`.
        """
        return self._answer(_question_protocol(question, temperature, max_tokens, stop), seed, steered=False)

    def read_options(
        self, question: str, options: Mapping[str, Sequence[str]], *, begun: str = "", steered: bool = True
    ) -> OptionReading:
        """Log-probabilities of named options where the answer to a question begins; nothing is sampled.

        Parameters
        ----------
        question : str
            The user's turn.
        options : mapping of str to sequence of str
            Texts that stand for each option, such as `{"yes": ["Yes", "yes"], "no": ["No", "no"]}`: the first token of
            each counts, with and without a space before it.
        begun : str
            Beginning of the answer, after which the options are read.
        steered : bool
            Whether the vector is added; without it, the baseline.

        Raises
        ------
        GnomonError
            After the `with` block; if options share a first token or the chat template refuses a begun answer; or if
            the model gave no finite numbers.
        """
        asked = _question_protocol(question, 0.0, 1, ())
        messages = (*asked.messages, ProtocolMessage("assistant", begun)) if begun else asked.messages
        texts = {name: [said] if isinstance(said, str) else list(said) for name, said in options.items()}
        measure = parse_measure({"name": "options", "options": texts}, "question")
        protocol = replace(asked, messages=messages, max_tokens=0, measure=measure)
        return self._run_protocol(protocol, 0, steered=steered).readings[ANSWER]

    def close(self) -> None:
        """Refuse further questions."""
        self._open = False

    def _answer(self, protocol: Protocol, seed: int, *, steered: bool) -> str:
        return self._run_protocol(protocol, seed, steered=steered).text

    def _run_protocol(self, protocol: Protocol, seed: int, *, steered: bool) -> EngineAnswer:
        if not self._open:
            raise GnomonError("steered model: its 'with' block is over: ask inside it")
        prompt = make_prompt(self._engine.subject.tokenizer, protocol)
        layer, delta = self._addition
        ranges = prompt.span_ranges(self._span) if steered else ()
        additions = tuple(VectorAddition(layer, delta, *part) for part in ranges)
        readings = (ReadingRequest(ANSWER, prompt.options),) if prompt.options else ()
        request = TrialRequest(
            prompt.ids, additions, seed, protocol.temperature, protocol.max_tokens, tuple(protocol.stop), readings
        )
        (answer,) = self._engine.generate_all([request])
        if answer.error:
            raise GnomonError(f"steered model: {answer.error}: try a smaller strength, or dtype 'float32'")
        return answer


@missing_packages_named()
def load_model(
    name_or_path: str | Path = EMBEDDED, *, dtype: str | None = None, device: str | None = None
) -> LoadedSubject:
    """Load a language model to steer.

    Parameters
    ----------
    name_or_path : str or Path
        `embedded` (the small model that ships), a name on the Hugging Face hub, a folder, or a `.gguf` file.
    dtype : {"float32", "bfloat16", "float16"}, optional
        Number format of weights and activations; by default bfloat16 on a GPU that computes in it, else float32.
    device : str, optional
        A torch device, or `auto` to spread the model; by default a GPU where there is one.

    Raises
    ------
    UserError
        If there is no such model, or it cannot be loaded without running its authors' code.
    """
    text = str(name_or_path)
    return load_steerable_subject(Path(text).name or text, text, dtype=dtype, device=device)


@missing_packages_named()
def concept_vector(
    model: LoadedSubject, concept: str, layer: int, *, method: str = MEAN, scale: str = RAW
) -> SteeringVector:
    """The vector of a concept at one layer of a model, from the cache folder where it was made before.

    Parameters
    ----------
    model : LoadedSubject
        From `load_model`.
    concept : str
        A word.
    layer : int
        Block, counted from 0.
    method : {"mean", "contrast", "pca"}
        How it is made (docs/generation.md).
    scale : {"raw", "unit", "matched"}
        Its length: as it comes out, 1, or that of the residual stream.

    Raises
    ------
    InputError
        If the model has no such layer, the concept is empty, or the method or scale is not known.
    """
    if not concept.strip():
        raise InputError("concept: is empty: name a word")
    _check_layer(model, layer)
    made = concept_vectors(model, [concept], [layer], VectorMethod(method, scale))[concept, layer]
    return SteeringVector(layer, made.tensor, concept, dict(made.about))


@contextmanager
@missing_packages_named()
def steer(
    model: LoadedSubject, vector: SteeringVector, *, strength: float = 1.0, span: str = Span.GENERATION
) -> Iterator[SteeredModel]:
    """Steer a model inside a `with` block: `strength` times the vector is added to the output of the vector's layer.

    The model itself is not changed: hooks are there only while it answers.

    Parameters
    ----------
    model : LoadedSubject
        From `load_model`.
    vector : SteeringVector
        From `concept_vector`, or made of a layer and a tensor.
    strength : float
        Factor of the vector; 0 adds nothing, a negative one turns the sign.
    span : {"generation", "from_marker", "all"}
        From which position on: the prompt's last token, the question's first token, or the first of all.

    Raises
    ------
    InputError
        If strength, span, layer or width do not fit the model.

    Examples
    --------
    >>> with gn.steer(model, vector, strength=2.0) as steered:  # doctest: +SKIP
    ...     steered.ask("Do you notice an injected thought?", seed=1)
    """
    if not math.isfinite(strength):
        raise InputError(f"strength {strength}: give a finite number")
    if span not in list(Span):
        raise InputError(f"span '{span}' is not known: choose from {', '.join(Span)}")
    _check_layer(model, vector.layer)
    if tuple(vector.tensor.shape) != (model.width,):
        raise InputError(
            f"vector '{vector.label}': has shape {tuple(vector.tensor.shape)}, model '{model.name}' has "
            f"width {model.width}"
        )
    steered = SteeredModel(model, (vector.layer, strength * vector.tensor), Span(span))
    try:
        yield steered
    finally:
        steered.close()


def _check_layer(model: LoadedSubject, layer: int) -> None:
    if not 0 <= layer < model.layers:
        raise InputError(f"layer {layer}: model '{model.name}' has layers 0 to {model.layers - 1}: choose one of them")


def _question_protocol(question: str, temperature: float, max_tokens: int, stop: Sequence[str]) -> Protocol:
    said = question.strip()
    if not said:
        raise InputError("question: is empty: ask something")
    if not (math.isfinite(temperature) and temperature >= 0 and max_tokens >= 1):
        raise InputError(f"temperature {temperature}, max_tokens {max_tokens}: give at least 0 and at least 1")
    asked = (ProtocolMessage("user", said),)
    sampling = (float(temperature), max_tokens, tuple(stop))
    return Protocol("question", asked, said, Span.GENERATION, *sampling, plain=PlainFormat())
