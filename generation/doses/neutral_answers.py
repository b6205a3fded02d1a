"""Answers of a steered subject to neutral questions, at any strength: what a search for doses asks.

Whether an answer is coherent is for others to say: a function of its text is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gnomon.data.records import Span, canonical_hash, trial_seed
from gnomon.generation.doses.dose_search import DoseSearch, search_doses
from gnomon.generation.engine.base import ENGINES, TORCH, EngineSubject, TrialRequest
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.prompts.neutral_questions import NEUTRAL_QUESTIONS
from gnomon.generation.prompts.protocol import Protocol, ProtocolMessage
from gnomon.generation.prompts.tokenization import make_prompt
from gnomon.generation.vectors.concept_vectors import ConceptVector

TOKENS = 40
ANSWERS = 48
"""Answers at each strength: pairs of a concept and a question."""


@dataclass(frozen=True, slots=True)
class NeutralPair:
    """A concept and a question: the same pair, and noise, at each strength of a search."""

    concept: str
    question: str

    @property
    def seed(self) -> int:
        """Seed of the answer's noise."""
        return trial_seed(canonical_hash(["neutral answer", self.concept, self.question]))


def neutral_pairs(concepts: Sequence[str], number: int = ANSWERS) -> list[NeutralPair]:
    """Pairs of concept and question in turn, so that each concept and each question comes about equally often.

    Parameters
    ----------
    concepts : sequence of str
        Concepts of the study.
    number : int
        Most pairs.
    """
    many, questions = len(concepts), len(NEUTRAL_QUESTIONS)
    every = [
        NeutralPair(concepts[(place + turn) % many], NEUTRAL_QUESTIONS[place % questions])
        for turn in range(many)
        for place in range(questions)
    ]
    return list(dict.fromkeys(every))[:number]


class NeutralAnswers:
    """Asks neutral questions of a subject that is steered from the last token of the prompt on.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    vectors : mapping of (str, int) to ConceptVector
        Concept vectors, by concept and layer.
    rows : int, optional
        Rows that run together; by default as many as fit in memory.
    engine : str
        Name of a registered engine.
    """

    def __init__(
        self,
        subject: EngineSubject,
        vectors: Mapping[tuple[str, int], ConceptVector],
        rows: int | None = None,
        engine: str = TORCH,
    ) -> None:
        self._vectors = vectors
        self._engine = ENGINES.find(engine).build_engine(subject, rows)
        self._engine.prepare(vectors)
        self._prompts = {
            question: make_prompt(subject.tokenizer, _neutral_protocol(question)) for question in NEUTRAL_QUESTIONS
        }

    def answer_texts(self, pairs: Sequence[NeutralPair], layer: int, strength: float) -> list[str]:
        """The answers at a strength, in the order of the pairs; empty where a row failed.

        Parameters
        ----------
        pairs : sequence of NeutralPair
            What is asked.
        layer : int
            The layer that is steered, from 0.
        strength : float
            Multiple of each concept's vector.
        """
        requests = [self._request(pair, layer, strength) for pair in pairs]
        answers = dict(self._engine.generate_stream(requests))
        return ["" if answers[place].error else answers[place].text for place in range(len(pairs))]

    def _request(self, pair: NeutralPair, layer: int, strength: float) -> TrialRequest:
        prompt, vector = self._prompts[pair.question], self._vectors[pair.concept, layer]
        added = [VectorAddition(layer, strength * vector.tensor, *part) for part in prompt.span_ranges(Span.GENERATION)]
        return TrialRequest(prompt.ids, tuple(added) if strength else (), pair.seed, 1.0, TOKENS)


def find_coherent_doses(
    answers: NeutralAnswers,
    pairs: Sequence[NeutralPair],
    layer: int,
    start: float,
    is_coherent: Callable[[str], bool],
) -> DoseSearch:
    """The strengths at which 95, 80 and 50 % of a subject's answers to neutral questions stay coherent.

    Parameters
    ----------
    answers : NeutralAnswers
        The steered subject.
    pairs : sequence of NeutralPair
        What is asked.
    layer : int
        The layer that is steered, from 0.
    start : float
        A strength to begin with.
    is_coherent : callable
        Whether a text is coherent.
    """
    return search_doses(
        lambda strength: [is_coherent(text) for text in answers.answer_texts(pairs, layer, strength)], start
    )


def _neutral_protocol(question: str) -> Protocol:
    return Protocol(
        "neutral", (ProtocolMessage("user", question),), "", Span.GENERATION, temperature=1.0, max_tokens=TOKENS
    )
