"""`gnomon lens`: what later blocks hold of an injected concept, read through the model's own head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gnomon.api.study import open_study
from gnomon.chain.session import OpenStudy
from gnomon.chain.trial_generation import GenerateOptions, requested_sweeps, sweep_design, trial_workers
from gnomon.commands.console_listener import ConsoleListener
from gnomon.data.errors import InputError
from gnomon.data.results import ResultDocument, ResultPart
from gnomon.study_file import DesignSpec, SubjectSpec


class BlockReading(ResultPart):
    """What one block's state says of the concept, at the last token of the prompt.

    `log_probability` is that of a next token which begins the concept's name, in nats, and `plain` the same with
    nothing added; `rank` and `plain_rank` are ranks of the likeliest such token in the vocabulary, from 1.
    """

    layer: int
    log_probability: float
    rank: int
    plain: float
    plain_rank: int


class LensRow(ResultPart):
    """What later blocks say of a concept that was injected at one layer and strength."""

    subject: str
    concept: str
    layer: int
    strength: float
    readings: tuple[BlockReading, ...]


class LensDocument(ResultDocument):
    """Logit lens of injected concepts: a row for each model, concept, layer and strength."""

    rows: tuple[LensRow, ...]


def read_lens(folder: Path, subjects: Sequence[str], concepts: Sequence[str], options: GenerateOptions) -> LensDocument:
    """Read each injected concept from the states of the injected and all later blocks; nothing is stored.

    The prompt is that of the study's first protocol, steered at the first of its spans.

    Parameters
    ----------
    folder : Path
        The study's folder.
    subjects : sequence of str
        Names of models; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.
    options : GenerateOptions
        Engine, which has a model in torch.
    """
    with open_study(folder, listener=ConsoleListener()) as study:
        specs, design = requested_sweeps(study.opened, subjects, concepts)
        rows = [row for spec in specs for row in _subject_rows(study.opened, spec, design, options)]
    return LensDocument(rows=tuple(rows))


def _subject_rows(study: OpenStudy, spec: SubjectSpec, design: DesignSpec, options: GenerateOptions) -> list[LensRow]:
    from gnomon.generation.engine.injection import VectorAddition
    from gnomon.generation.prompts.protocol import load_protocol
    from gnomon.generation.prompts.question_protocols import prefaced_protocol
    from gnomon.generation.prompts.tokenization import make_prompt
    from gnomon.generation.subjects.loading import LoadedSubject
    from gnomon.generation.vectors.concept_vectors import concept_vectors
    from gnomon.generation.vectors.logit_lens import read_word

    found = []
    with trial_workers(study, spec, options) as workers:
        subject = workers.subject
        if not isinstance(subject, LoadedSubject):
            raise InputError(f"subject '{spec.name}': the lens needs a model in torch: leave --engine and --ray out")
        plan = sweep_design(study, design, spec, subject.layers)
        protocol = load_protocol(plan.protocols[0])
        prompt = make_prompt(subject.tokenizer, prefaced_protocol(protocol, subject.preface), plan.day)
        vectors = concept_vectors(subject, plan.concepts, plan.layers, plan.vectors)
        for (concept, layer), vector in vectors.items():
            later = range(layer, subject.layers)
            plain = read_word(subject, prompt.ids, (), later, concept)
            for strength in plan.strengths_at(layer):
                ranges = prompt.span_ranges((plan.spans or (protocol.span,))[0])
                steered = [VectorAddition(layer, strength * vector.tensor, *part) for part in ranges]
                reached = [one for one in steered if one.start < len(prompt.ids)]
                readings = tuple(
                    BlockReading(
                        layer=read.layer,
                        log_probability=round(read.log_probability, 4),
                        rank=read.rank,
                        plain=round(before.log_probability, 4),
                        plain_rank=before.rank,
                    )
                    for read, before in zip(read_word(subject, prompt.ids, reached, later, concept), plain, strict=True)
                )
                found.append(
                    LensRow(subject=spec.name, concept=concept, layer=layer, strength=strength, readings=readings)
                )
    return found


def print_lens(document: LensDocument) -> None:
    """Print the concept's rank at the injected block, in the middle of the later ones, and at the last, on stdout."""
    from rich.table import Table

    from gnomon.render.text_console import TextConsole

    table = Table("model", "concept", "layer", "strength", "there", "half-way", "last", box=None)
    for row in document.rows:
        places = (row.readings[0], row.readings[len(row.readings) // 2], row.readings[-1])
        cells = [f"{read.rank:,} ({read.plain_rank:,})" for read in places]
        table.add_row(row.subject, row.concept, str(row.layer), f"{row.strength:g}", *cells)
    console = TextConsole()
    console.print("rank of the concept among all next tokens, with the vector (without), by block", soft_wrap=True)
    console.print(table)
