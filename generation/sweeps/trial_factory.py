"""Generates planned trials on one subject: converts conditions into requests and answers into trials.

Stores nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

from gnomon.data.arms import ADDED_CONCEPT, ARMS
from gnomon.data.arms.measures import MEASURES
from gnomon.data.errors import InputError
from gnomon.data.readings import ANSWER
from gnomon.data.records import REPORT, Arm, Span, Trial
from gnomon.generation.engine.base import (
    ENGINES,
    TORCH,
    EngineAnswer,
    EngineSubject,
    ReadingRequest,
    TrialRequest,
)
from gnomon.generation.engine.injection import VectorAddition
from gnomon.generation.prompts.protocol import Protocol
from gnomon.generation.prompts.question_protocols import condition_protocols, prefaced_protocol, question_protocols
from gnomon.generation.prompts.thinking import readable_text, split_thinking
from gnomon.generation.prompts.tokenization import TokenizedPrompt, make_prompt
from gnomon.generation.sweeps.trial_design import (
    PlannedProtocol,
    PlannedTrial,
    SweepDesign,
    VectorRecord,
    balanced_order,
    check_design,
    planned_conditions,
)
from gnomon.generation.vectors.additions import addition_of, recipe_match, steering_direction
from gnomon.generation.vectors.concept_vectors import (
    ConceptVector,
    check_layers,
    pairwise_cosines,
)
from gnomon.generation.vectors.effect_matching import MatchedScale, TrialDirection, TrialMatcher, match_scales
from gnomon.generation.vectors.vector_methods import recipe_hash
from gnomon.generation.vectors.vector_spec import EACH, NORM

PROBED_TOKENS = 8


@dataclass(frozen=True)
class SpeedProbe:
    """Speed measured before a sweep: rows together, seconds to admit one row, and seconds per step of one row."""

    rows: int
    admit_seconds: float
    step_seconds: float

    def estimated_seconds(self, trials: int, tokens: int) -> float:
        """Expected duration of a sweep, in seconds.

        Parameters
        ----------
        trials : int
            Number of trials; the first token of each comes with its prompt.
        tokens : int
            Number of response tokens of all trials together.
        """
        return trials * self.admit_seconds + max(tokens - trials, 0) * self.step_seconds


def plan_trials(design: SweepDesign, subject: Any, protocols: Sequence[Protocol]) -> list[PlannedTrial]:
    """Every trial of the design for a subject, each beginning balanced over the conditions. Nothing is computed.

    Parameters
    ----------
    design : SweepDesign
        The design.
    subject : LoadedSubject or SubjectInfo
        Anything with a name, a revision and a number of layers.
    protocols : sequence of Protocol
        The design's protocols, loaded.

    Returns
    -------
    list of PlannedTrial
        In the order in which they are to be generated.

    Raises
    ------
    InputError
        If an axis is empty or names a value twice, an exclusion names an unknown value, or the subject lacks a layer.
    """
    check_design(design)
    check_layers(subject, design.layers)
    said = [PlannedProtocol(p.name, p.protocol_hash, p.span, partial(_question_hashes, design, p)) for p in protocols]
    hashes = {
        (concept, layer): recipe_hash(subject.revision, concept, layer, design.vectors)
        for concept in design.vector_concepts
        for layer in design.layers
    }
    return balanced_order(planned_conditions(design, subject.name, subject.revision, said, hashes))


def _question_hashes(design: SweepDesign, protocol: Protocol, arm: Arm, concept: str | None) -> tuple[str, ...]:
    measure = MEASURES.find(ARMS[arm].measure)
    asked = question_protocols(protocol, measure, concept, design.closed_list)
    return tuple(each.protocol_hash for each in asked)


def all_protocols(design: SweepDesign, protocols: Sequence[Protocol]) -> list[Protocol]:
    """All protocols put to a subject: those given, and each with every question that the design's arms ask.

    Parameters
    ----------
    design : SweepDesign
        The design.
    protocols : sequence of Protocol
        Its protocols, loaded.
    """
    measures = dict.fromkeys(MEASURES.find(ARMS[arm].measure) for arm in design.arms)
    others: dict[str, Protocol] = {}
    for protocol, measure in product(protocols, measures):
        others |= condition_protocols(protocol, measure, design.concepts, design.closed_list)
    return [*protocols, *others.values()]


class TrialFactory:
    """Generates trials of one design on one subject.

    Parameters
    ----------
    subject : LoadedSubject
        The subject.
    design : SweepDesign
        The design; its concept vectors are made or read here.
    protocols : sequence of Protocol
        Its protocols, loaded.
    rows : int, optional
        Rows that run together; by default as many as fit in memory.
    engine : str
        Name of a registered engine.
    vectors : mapping of (str, int) to ConceptVector, optional
        Concept vectors that another process made; by default they are made or read here.
    """

    def __init__(
        self,
        subject: EngineSubject,
        design: SweepDesign,
        protocols: Sequence[Protocol],
        rows: int | None = None,
        engine: str = TORCH,
        vectors: Mapping[tuple[str, int], ConceptVector] | None = None,
    ) -> None:
        self.subject, self.design = subject, design
        self._kind = ENGINES.find(engine)
        self.engine = self._kind.build_engine(subject, rows)
        preface: str = getattr(subject, "preface", "")
        self._said = {  # before the vectors, which take long: here a protocol that does not suit the subject is told
            each.protocol_hash: (each, make_prompt(subject.tokenizer, prefaced_protocol(each, preface), design.day))
            for each in all_protocols(design, protocols)
        }
        steered = any(ARMS[arm].is_steered for arm in design.arms)
        if vectors is None:
            vectors = (
                self._kind.engine_vectors(subject, design.vector_concepts, design.layers, design.vectors)
                if steered
                else {}
            )
        self.vectors: Mapping[tuple[str, int], ConceptVector] = vectors
        self.engine.prepare(self.vectors)
        self._matcher: TrialMatcher | None = None
        self._own_scales: dict[str, MatchedScale] = {}
        doses = {layer: design.strengths_at(layer) for layer in design.layers}
        self.scales = match_scales(
            subject, design.vectors.match, design.arms, design.concepts, doses, self.vectors, design.closed_list
        )

    def make_trials(self, planned: Sequence[PlannedTrial]) -> Iterator[Trial]:
        """Yield the trials, each as soon as it is finished."""
        for hash_, span in dict.fromkeys((trial.condition.protocol, trial.condition.span) for trial in planned):
            check_spans(*self._said[hash_], span)
        self.match_trials(planned)
        for index, answer in self.engine.generate_stream(_LazyRequests(self, planned)):
            protocol, prompt = self._said[planned[index].condition.protocol]
            scale = self.trial_scale(planned[index])
            yield make_trial(planned[index], answer, self.subject, self.vectors, protocol, prompt, scale)

    def prompt_hashes(self) -> dict[str, str]:
        """Hash of the token ids of each protocol's prompt, by hash of the protocol."""
        return {hash_: prompt.ids_hash for hash_, (_, prompt) in self._said.items()}

    def probe_speed(self, planned: Sequence[PlannedTrial]) -> SpeedProbe:
        """Measure the speed on a few tokens of the first trials; nothing is kept."""
        asked = [self.make_request(trial) for trial in planned]
        requests = [replace(each, max_tokens=PROBED_TOKENS if each.max_tokens else 0, stop=()) for each in asked]
        rows = min(self.engine.rows or self.engine.max_rows(asked), len(requests))
        dict(self.engine.generate_stream(requests[:1]))  # computes the shared prompts and the set-up of the first call
        engine = self._kind.build_engine(self.subject, rows)
        engine.prepare(self.vectors)
        dict(engine.generate_stream(requests[:rows]))
        spent = engine.spent
        step = spent.step_seconds / spent.row_steps if spent.row_steps else 0.0
        return SpeedProbe(rows, spent.admit_seconds / max(spent.admitted, 1), step)

    def vector_records(self) -> Iterator[VectorRecord]:
        """Yield each vector in use as the store keeps it, for every arm that adds it in its own way."""
        steered = [arm for arm in self.design.arms if ARMS[arm].is_steered]
        additions = [(addition_of(arm), recipe_match(arm, self.design.vectors.match)) for arm in steered]
        beside = pairwise_cosines(self.vectors)
        for place, vector in self.vectors.items():
            own = {**vector.recipe, "sha256": vector.sha256, **vector.about, "cosines": beside[place]}
            others = [other for there, other in self.vectors.items() if there[1] == place[1] and there != place]
            for addition, match in additions:
                for other in others if addition.of_another else [None]:
                    theirs = None if other is None else other.hash
                    recipe = addition.added_recipe(vector.hash, theirs, match)
                    hash_ = addition.vector_hash(vector.hash, theirs, match)
                    named = {ADDED_CONCEPT: other.concept} if other else {}
                    yield VectorRecord(
                        hash=hash_,
                        subject=self.subject.name,
                        concept=vector.concept,
                        layer=vector.layer,
                        norm=vector.norm,
                        content=own if recipe is None else {**recipe, **named, **self._scale_content(hash_)},
                    )

    def _scale_content(self, added: str) -> dict[str, object]:
        """Multiples by strength, and the effect that they have, of a direction that is scaled to an effect."""
        mine = {strength: scale for (hash_, strength), scale in self.scales.items() if hash_ == added}
        if not mine:
            return {}
        factors = {f"{strength:g}": scale.factor for strength, scale in mine.items()}
        return {"factors": factors, "effects": {f"{strength:g}": scale.effect for strength, scale in mine.items()}}

    def match_trials(self, planned: Sequence[PlannedTrial]) -> None:
        """Find the multiples of trials' own directions where the design asks for them (`EACH`).

        Raises
        ------
        InputError
            A direction does not reach the effect with any multiple.
        """
        match = self.design.vectors.match
        if match not in EACH:
            return
        wanted = []
        for trial in planned:
            condition = trial.condition
            if not has_own_scale(condition.arm) or not condition.strength or trial.id in self._own_scales:
                continue
            place = (condition.concept or "", condition.layer or 0)
            direction = steering_direction(
                condition.arm, place, condition.vector, trial.trial_seed, self.vectors, match
            )
            wanted.append(TrialDirection(trial.id, condition.arm, place, condition.strength, direction))
        if wanted:
            self._matcher = self._matcher or TrialMatcher(self.subject, match, self.vectors)
            self._own_scales |= self._matcher.trial_scales(wanted)

    def trial_scale(self, trial: PlannedTrial) -> MatchedScale | None:
        """The multiple of what a trial adds: that of its own direction, or of all of its condition; None for none."""
        self.match_trials([trial])
        condition = trial.condition
        own = self._own_scales.get(trial.id)
        return own or self.scales.get((condition.vector or "", condition.strength))

    def make_request(self, trial: PlannedTrial) -> TrialRequest:
        """The engine's request for a trial."""
        protocol, prompt = self._said[trial.condition.protocol]
        match = self.design.vectors.match
        return TrialRequest(
            prompt=prompt.ids,
            additions=steering_for(trial, protocol, prompt, self.vectors, self.trial_scale(trial), match),
            seed=trial.trial_seed,
            temperature=protocol.temperature,
            max_tokens=protocol.max_tokens,
            stop=protocol.stop,
            readings=reading_requests(prompt),
        )


class _LazyRequests(Sequence[TrialRequest]):
    """Requests of planned trials, created on access, because a sweep's vectors would fill memory."""

    def __init__(self, maker: TrialFactory, planned: Sequence[PlannedTrial]) -> None:
        self._maker, self._planned = maker, planned

    def __len__(self) -> int:
        return len(self._planned)

    def __getitem__(self, index: Any) -> Any:
        return self._maker.make_request(self._planned[index])


def has_own_scale(arm: Arm) -> bool:
    """Whether each trial of an arm has a direction of its own, which may be scaled to an effect."""
    return ARMS[arm].is_steered and ARMS[arm].is_matched and addition_of(arm).is_drawn


def reading_requests(prompt: TokenizedPrompt) -> tuple[ReadingRequest, ...]:
    """What is read of a prompt: the options where the answer begins, and at the protocol's further places."""
    if not prompt.options:
        return ()
    further = (ReadingRequest(place, options, position) for place, (position, options) in prompt.places.items())
    return (ReadingRequest(ANSWER, prompt.options), *further)


def check_spans(protocol: Protocol, prompt: TokenizedPrompt, span: Span) -> None:
    """Check that a span of the design is one of the protocol's and can be steered.

    Parameters
    ----------
    protocol : Protocol
        The protocol.
    prompt : TokenizedPrompt
        Its prompt.
    span : Span
        The span.

    Raises
    ------
    InputError
        If the protocol has no such span.
    """
    try:
        prompt.span_ranges(span)
    except InputError as error:
        raise InputError(f"protocol '{protocol.name}': {error}") from error


def steering_for(
    trial: PlannedTrial,
    protocol: Protocol,
    prompt: TokenizedPrompt,
    vectors: Mapping[tuple[str, int], ConceptVector],
    scale: MatchedScale | None = None,
    match: str = NORM,
) -> tuple[VectorAddition, ...]:
    """What a trial's arm adds, with its layer and positions; empty if it adds nothing.

    Parameters
    ----------
    trial : PlannedTrial
        The trial.
    protocol : Protocol
        Its protocol, which may name further spans.
    prompt : TokenizedPrompt
        Prompt of its protocol.
    vectors : mapping of (str, int) to ConceptVector
        Concept vectors, by concept and layer.
    scale : MatchedScale, optional
        Multiple of a direction that is scaled to an effect.
    match : str
        What the design makes equal.
    """
    condition = trial.condition
    if condition.concept is None or condition.layer is None:
        return ()
    layer = condition.layer
    place = condition.concept, layer
    direction = steering_direction(condition.arm, place, condition.vector, trial.trial_seed, vectors, match)
    delta = condition.strength * direction
    if scale is not None:
        delta = scale.factor * delta
    own = [VectorAddition(layer, delta, *part) for part in prompt.span_ranges(condition.span)]
    further = [
        VectorAddition(layer, also.share * delta, *part)
        for also in protocol.also
        for part in prompt.span_ranges(also.span)
    ]
    return (*own, *further)


def make_trial(
    planned: PlannedTrial,
    answer: EngineAnswer,
    subject: EngineSubject,
    vectors: Mapping[tuple[str, int], ConceptVector],
    protocol: Protocol,
    prompt: TokenizedPrompt,
    scale: MatchedScale | None = None,
) -> Trial:
    """The trial with its response, for the store.

    Parameters
    ----------
    planned : PlannedTrial
        The planned trial.
    answer : EngineAnswer
        The subject's response.
    subject : LoadedSubject
        The subject; its number of layers gives the relative depth.
    vectors : mapping of (str, int) to ConceptVector
        Concept vectors, by concept and layer; their norms give the magnitude of the addition.
    protocol : Protocol
        What was put to it; names the measure and how thinking is marked.
    prompt : TokenizedPrompt
        Its prompt.
    scale : MatchedScale, optional
        Multiple of a direction that is scaled to an effect.
    """
    condition = planned.condition
    depth = magnitude = None
    if condition.concept is not None and condition.layer is not None:
        depth = (condition.layer + 1) / subject.layers
        norm = vectors[condition.concept, condition.layer].norm
        magnitude = condition.strength * norm * addition_of(condition.arm).relative_norm
        if scale is not None:
            magnitude *= scale.factor
    thinking, text = None, answer.text
    if protocol.thinking is not None:
        whole = readable_text(subject.tokenizer, protocol, answer.tokens, text)
        thinking, text = split_thinking(whole, protocol.thinking, is_thinking=prompt.is_thinking)
    return Trial(
        id=planned.id,
        condition=condition,
        replicate=planned.replicate,
        seed=planned.trial_seed,
        answer=text,
        finish=answer.finish,
        tokens=len(answer.tokens),
        depth=depth,
        magnitude=magnitude,
        error=answer.error,
        measure=REPORT if protocol.measure is None else protocol.measure.name,
        readings=answer.readings or None,
        thinking=thinking,
    )
