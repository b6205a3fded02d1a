"""Finds, for each model and layer of a study, the strengths at which its answers stay coherent; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field
from sqlalchemy import select

from gnomon.chain.planned_scope import vector_method
from gnomon.chain.session import OpenStudy, sync_scope
from gnomon.chain.subject_axes import DOSES_FOUND, planned_layers
from gnomon.chain.trial_generation import GenerateOptions, lender_revision, requested_sweeps, trial_workers
from gnomon.data.errors import GnomonError, InputError
from gnomon.data.records import canonical_hash, utc_timestamp
from gnomon.data.results import ResultDocument, ResultPart
from gnomon.data.storage.tables import events
from gnomon.study_file import DesignSpec, SubjectSpec

if TYPE_CHECKING:
    from gnomon.generation.doses.dose_search import DoseSearch

DEFAULT_ANSWERS = 48
"""Answers at each strength."""


class CoherentDose(ResultPart):
    """The strength at which a share of the coherent answers stays coherent; null where the search did not reach it.

    `low` and `high` bound its 95 % interval. `of_residual` is the strength as a share of the residual stream's norm: it
    times the mean norm of the concepts' vectors, over the mean norm of the residual stream at that layer.
    """

    share: float
    strength: float | None
    low: float | None
    high: float | None
    of_residual: float | None


class TriedStrength(ResultPart):
    """A strength that was tried, and how many of the answers were coherent."""

    strength: float
    coherent: int


class StrengthSearch(ResultPart):
    """What was found of one model at one layer.

    `answers` of the `asked` are coherent with nothing added; shares are of that number. `stored` says whether an
    earlier search is shown. `problem` is a sentence if a dose was not found, else null.
    """

    subject: str
    layer: int
    depth: float
    asked: int
    answers: int
    doses: tuple[CoherentDose, ...]
    tried: tuple[TriedStrength, ...]
    stored: bool
    problem: str | None


class StrengthsDocument(ResultDocument):
    """Strengths at which the answers of a study's models stay coherent, a search for each model and layer."""

    searches: tuple[StrengthSearch, ...] = Field(default=())

    def raise_if_not_found(self) -> None:
        """Raise `GnomonError`, with a sentence for each search, if a dose was not found."""
        if problems := [search.problem for search in self.searches if search.problem]:
            raise GnomonError("; ".join(problems))


def find_strengths(
    study: OpenStudy,
    subjects: Sequence[str] = (),
    options: GenerateOptions | None = None,
    answers: int = DEFAULT_ANSWERS,
    *,
    again: bool = False,
) -> StrengthsDocument:
    """The strengths at which 95, 80 and 50 % of each model's answers stay coherent, by bisection on neutral questions.

    Each search is stored in the study when it ends, and read again by the next run. An answer is coherent if the
    wording statistics of `gnomon.judging.judges.readability` find no fault with it; no judge is asked.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    subjects : sequence of str
        Names of models; empty for all.
    options : GenerateOptions, optional
        Engine and batch size.
    answers : int
        Answers at each strength.
    again : bool
        Search again where the study has a search already.

    Raises
    ------
    InputError
        If the study has no design, or fewer answers are asked for than can tell a dose.
    UnknownNameError
        If the study lacks a model, or there is no such engine.
    """
    options = options or GenerateOptions()
    if options.uses_ray:
        raise InputError("strengths: Ray actors search for no doses: leave --ray out")
    specs, design = requested_sweeps(study, subjects, ())
    found: list[StrengthSearch] = []
    for spec in specs:
        found += _search_subject(study, spec, design, options, answers, again)
    return StrengthsDocument(searches=tuple(found))


def _search_subject(
    study: OpenStudy, spec: SubjectSpec, design: DesignSpec, options: GenerateOptions, answers: int, again: bool
) -> list[StrengthSearch]:
    from gnomon.generation.doses.neutral_answers import NeutralAnswers, find_coherent_doses, neutral_pairs
    from gnomon.generation.vectors.concept_vectors import check_layers
    from gnomon.judging.judges.readability import measure_wording

    kind = options.engine_kind()
    with trial_workers(study, spec, options) as workers:
        subject = workers.subject
        layers = planned_layers(design, spec, subject.layers)
        check_layers(subject, layers)
        identity = _search_identity(design, subject, answers)
        known = {} if again else _stored_searches(study, identity)
        missing = [layer for layer in layers if layer not in known]
        if missing:
            pairs = neutral_pairs(design.concepts, answers)
            method = vector_method(study.file, design, study.folder, lender_revision(study, spec))
            vectors = kind.engine_vectors(subject, design.concepts, missing, method)
            asked = NeutralAnswers(subject, vectors, options.batch_size, kind.name)
        for layer in missing:
            study.listener.tell(f"{spec.name}: layer {layer}, {len(pairs)} answers at each strength")
            norms = [vectors[concept, layer] for concept in design.concepts]
            unit = _residual_unit(norms)
            done = find_coherent_doses(
                asked, pairs, layer, float(f"{unit or 1.0:.3g}"), lambda text: not measure_wording(text).fault
            )
            known[layer] = _found_search(spec.name, layer, subject.layers, done, unit)
            _store_search(study, identity, known[layer])
        sync_scope(study, {spec.name: subject.layers})
    return [known[layer] for layer in layers]


def _search_identity(design: DesignSpec, subject: Any, answers: int) -> dict[str, Any]:
    """What a stored search must agree with, so that it need not be made again."""
    from gnomon.generation.doses.neutral_answers import TOKENS
    from gnomon.generation.prompts.neutral_questions import NEUTRAL_QUESTIONS

    return {
        "subject": subject.name,
        "revision": subject.revision,
        "method": design.vectors.method,
        "scale": design.vector_scale,
        "concepts": list(design.concepts),
        "questions": canonical_hash([list(NEUTRAL_QUESTIONS), TOKENS]),
        "pairs": answers,
    }


def _residual_unit(vectors: Sequence[Any]) -> float | None:
    """The strength at which vectors have, on average, the norm of the residual stream; None if that is not known."""
    lengths = [vector.about.get("residual_norm") for vector in vectors]
    norm = sum(vector.norm for vector in vectors) / len(vectors)
    known = [length for length in lengths if length]
    return sum(known) / len(known) / norm if known and norm > 0 else None


def _found_search(subject: str, layer: int, layers: int, done: DoseSearch, unit: float | None) -> StrengthSearch:
    doses = tuple(
        CoherentDose(
            share=dose.share,
            strength=dose.strength,
            low=dose.low,
            high=dose.high,
            of_residual=None if dose.strength is None or unit is None else float(f"{dose.strength / unit:.3g}"),
        )
        for dose in done.doses
    )
    return StrengthSearch(
        subject=subject,
        layer=layer,
        depth=(layer + 1) / layers,
        asked=done.asked,
        answers=done.answers,
        doses=doses,
        tried=tuple(
            TriedStrength(strength=strength, coherent=number)
            for strength, number in zip(done.strengths, done.coherent, strict=True)
        ),
        stored=False,
        problem=_problem_of(subject, layer, done),
    )


def _problem_of(subject: str, layer: int, done: DoseSearch) -> str | None:
    """Why a dose was not found, in a sentence; None if all were."""
    lacking = [f"{100 * dose.share:g} %" for dose in done.doses if dose.strength is None]
    if not lacking:
        return None
    where = f"subject '{subject}', layer {layer}"
    if not done.strengths:
        return (
            f"{where}: {done.answers} of {done.asked} answers are coherent with nothing added, too few to find a dose: "
            "choose a model that answers in English sentences"
        )
    return (
        f"{where}: no strength from {done.strengths[0]:g} to {done.strengths[-1]:g} at which {' or '.join(lacking)} of "
        "answers stay coherent: look at the vectors, or choose another layer"
    )


def _stored_searches(study: OpenStudy, identity: dict[str, Any]) -> dict[int, StrengthSearch]:
    """Earlier searches that agree in everything, by layer, the newest of each."""
    query = select(events.c.detail).where(events.c.kind == DOSES_FOUND).order_by(events.c.id)
    with study.store.read_transaction() as connection:
        details = list(connection.execute(query).scalars())
    return {
        int(detail["layer"]): StrengthSearch.model_validate({**detail["search"], "stored": True})
        for detail in details
        if all(detail.get(key) == value for key, value in identity.items())
    }


def _store_search(study: OpenStudy, identity: dict[str, Any], search: StrengthSearch) -> None:
    detail = {
        **identity,
        "layer": search.layer,
        "doses": {str(dose.share): dose.strength for dose in search.doses},
        "search": search.model_dump(mode="json"),
    }
    row = {"kind": DOSES_FOUND, "detail": detail, "created_at": utc_timestamp()}
    with study.store.write_transaction() as connection:
        study.store.insert_rows(connection, events, [row])
