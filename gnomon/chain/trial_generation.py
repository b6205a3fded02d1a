"""Generates the missing trials of an open study, or estimates how long that takes; prints nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, JsonValue, SerializerFunctionWrapHandler, model_serializer
from sqlalchemy import select

from gnomon.chain.measure_summary import MeasureSummary, summarize_measure
from gnomon.chain.planned_scope import vector_method
from gnomon.chain.session import OpenStudy, sync_scope
from gnomon.chain.subject_axes import (
    excluded_conditions,
    planned_layers,
    shared_layers,
    stored_layer_counts,
    stored_limits,
    strange_strengths,
    subject_axes,
)
from gnomon.data.arms import measured_arms
from gnomon.data.errors import InputError, StudyFileError
from gnomon.data.foreign_documents.permissions import TRUSTED_CODE, is_trusted_model, model_entry, permission_hint
from gnomon.data.records import Subject, utc_timestamp
from gnomon.data.results import ResultPart
from gnomon.data.storage.tables import events
from gnomon.study_file import DesignSpec, SubjectSpec, resolve_study_path

if TYPE_CHECKING:
    from gnomon.generation.engine.base import EngineKind
    from gnomon.generation.sweeps.sweep_plan import SweepPlan
    from gnomon.generation.sweeps.trial_design import SweepDesign


class SweepSummary(ResultPart):
    """What was generated of one subject: trials planned, made now, stored before, failed among those made; seconds.

    What a measure has observed that no judge reads follows under the name of its arm.
    """

    subject: str
    planned: int
    made: int
    already: int
    failed: int
    seconds: float
    measures: tuple[MeasureSummary, ...] = Field(default=(), exclude=True)
    """What measures that judges do not read have observed, by arm; in JSON each under the name of its arm."""

    @model_serializer(mode="wrap")
    def _with_measures(self, content: SerializerFunctionWrapHandler) -> dict[str, JsonValue]:
        return {**content(self), **{each.arm: each.json_content() for each in self.measures}}


class ArmForecast(ResultPart):
    """Trials of one arm: planned, stored before, and to be generated."""

    arm: str
    planned: int
    already: int
    missing: int


class SweepForecast(ResultPart):
    """What would be generated of one subject: trials and largest number of tokens; the time on this machine if asked.

    `rows` run together; a row takes `admit_seconds` for its prompt and `step_seconds` for each further token. These
    and `seconds` are null unless the model was loaded to measure them (`--time`).
    """

    subject: str
    planned: int
    already: int
    missing: int
    tokens: int
    seconds: float | None = None
    rows: int | None = None
    admit_seconds: float | None = None
    step_seconds: float | None = None
    arms: tuple[ArmForecast, ...] = ()


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How trials are generated: by which engine, and by this process or by the actors of a Ray cluster.

    `batch_size` None means as many rows as fit in memory. `engine` is the name of a registered engine; `here` stands
    for the default one, and `ray` for the default one in Ray actors. `address`, `cores`, `gpus`, `gpus_per_actor` and
    `wait` are for Ray, as `gnomon.generation.sweeps.ray_workers.ClusterOptions` has them; `wait` is in seconds.
    """

    batch_size: int | None = None
    engine: str = "torch"
    address: str | None = None
    cores: int = 8
    ray: bool = False
    gpus: int | None = None
    gpus_per_actor: int = 1
    wait: float = 15.0

    def __post_init__(self) -> None:
        """Check that nothing is asked of Ray without Ray."""
        for_ray = {"--address": self.address, "--gpus": self.gpus, "--gpus-per-actor": self.gpus_per_actor > 1}
        given = [option for option, value in for_ray.items() if value]
        if given and not self.uses_ray:
            raise InputError(f"generate: {given[0]} is for Ray: give --ray too")

    @property
    def uses_ray(self) -> bool:
        """Whether Ray actors generate the trials."""
        return self.ray or self.engine == "ray"

    def engine_kind(self) -> EngineKind:
        """The engine; raises `UnknownNameError` if there is none of that name."""
        from gnomon.generation.engine.base import ENGINES, TORCH

        return ENGINES.find(TORCH if self.engine in ("here", "ray") else self.engine)


@dataclass(frozen=True, slots=True)
class UnloadedSubject:
    """What planning must know of a model that is not loaded."""

    name: str
    revision: str
    layers: int


ANY_DEPTH = 10_000
"""Number of blocks of a model that is not known yet: there each depth is a block of its own."""
LENT = "vectors_lent"
"""Event: which revision of a model lends its vectors to others."""
DEFAULT_OPTIONS = GenerateOptions()


def generate_trials(
    study: OpenStudy,
    subjects: Sequence[str] = (),
    concepts: Sequence[str] = (),
    options: GenerateOptions = DEFAULT_OPTIONS,
) -> list[SweepSummary]:
    """Generate the missing trials, subject by subject.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    subjects : sequence of str
        Names of subjects; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.
    options : GenerateOptions
        Engine and batch size.

    Raises
    ------
    InputError
        If the study holds counts or imported trials and has no design.
    UnknownNameError
        If the study lacks a subject or concept, or there is no such engine.
    """
    specs, design = requested_sweeps(study, subjects, concepts)
    options.engine_kind()
    _check_designs(study, specs, design)
    return [_run_sweep(study, spec, design, options) for spec in specs]


def forecast_generation(
    study: OpenStudy,
    subjects: Sequence[str] = (),
    concepts: Sequence[str] = (),
    options: GenerateOptions = DEFAULT_OPTIONS,
    *,
    timed: bool = True,
) -> list[SweepForecast]:
    """Count the trials that would be generated, and estimate how long that would take on this machine.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    subjects : sequence of str
        Names of subjects; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.
    options : GenerateOptions
        Engine and batch size.
    timed : bool, default True
        Whether to load each model and measure its speed; otherwise the numbers come from the design at once.

    Raises
    ------
    InputError
        If the study holds counts or imported trials and has no design, or the time of Ray actors is asked for.
    UnknownNameError
        If the study lacks a subject or concept, or there is no such engine.
    """
    from gnomon.generation.sweeps.runner import estimate_sweep, plan_sweep

    if timed and options.uses_ray:
        raise InputError("generate: --time measures on this machine, not on Ray's: leave --time or --ray out")
    specs, design = requested_sweeps(study, subjects, concepts)
    kind, found = options.engine_kind(), []
    _check_designs(study, specs, design)
    if not timed:
        return [_count_sweep(study, spec, design) for spec in specs]
    for spec in specs:
        _lend_vectors(study, spec, kind)
        subject = _load_subject(study, spec, kind)
        plan = sweep_design(study, design, spec, subject.layers)
        estimate = estimate_sweep(study.store, subject, plan, options.batch_size, kind.name)
        planned = plan_sweep(plan, subject)
        arms = _arm_forecasts(planned, planned.without(study.store.trial_ids()))
        found.append(SweepForecast(subject=spec.name, **asdict(estimate), arms=arms))
    return found


def _count_sweep(study: OpenStudy, spec: SubjectSpec, design: DesignSpec) -> SweepForecast:
    """What would be generated of one subject, without loading it: its revision is that of its stored trials."""
    from gnomon.generation.sweeps.runner import plan_sweep

    stored = {subject.name: subject.revision for subject in study.store.load_subjects()}
    layers = stored_layer_counts(study.store).get(spec.name)
    own = sweep_design(study, design, spec, layers or ANY_DEPTH)
    known = UnloadedSubject(
        spec.name, stored.get(spec.name, ""), layers or max(ANY_DEPTH, 1 + max(own.layers, default=0))
    )
    plan = plan_sweep(own, known)
    left = plan.without(study.store.trial_ids())
    planned, missing = len(plan.trials), len(left.trials)
    return SweepForecast(
        subject=spec.name,
        planned=planned,
        already=planned - missing,
        missing=missing,
        tokens=left.most_tokens,
        arms=_arm_forecasts(plan, left),
    )


def _arm_forecasts(plan: SweepPlan, left: SweepPlan) -> tuple[ArmForecast, ...]:
    """Trials of each arm: of a plan, and those of them that are left to generate."""
    planned = Counter(str(trial.condition.arm) for trial in plan.trials)
    missing = Counter(str(trial.condition.arm) for trial in left.trials)
    return tuple(
        ArmForecast(arm=arm, planned=number, already=number - missing[arm], missing=missing[arm])
        for arm, number in planned.items()
    )


def requested_sweeps(
    study: OpenStudy, subjects: Sequence[str], concepts: Sequence[str]
) -> tuple[list[SubjectSpec], DesignSpec]:
    """The study's subjects and design, narrowed to those that are asked for.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    subjects : sequence of str
        Names of subjects; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.

    Raises
    ------
    InputError
        If the study holds counts or imported trials and has no design.
    UnknownNameError
        If the study lacks a subject or concept.
    """
    if study.file.design is None:
        held = "what was imported" if study.file.imported else "counts, not trials"
        raise InputError(f"study '{study.file.name}' holds {held}: nothing can be generated without [design]")
    names = study.file.select_known("subject", [spec.name for spec in study.file.subjects], subjects)
    wanted = study.file.select_known("concept", study.file.concept_names(), concepts)
    specs = [spec for spec in study.file.subjects if spec.name in names]
    return specs, study.file.design.model_copy(update={"concepts": wanted})


def _run_sweep(study: OpenStudy, spec: SubjectSpec, design: DesignSpec, options: GenerateOptions) -> SweepSummary:
    from gnomon.generation.sweeps.runner import plan_sweep

    def planned(own: SweepDesign, subject: Any) -> SweepPlan:
        for line in shared_layers(design, spec, subject.layers):
            study.listener.tell(line)
        return plan_sweep(own, subject)

    done = generate_planned(study, spec, design, options, planned)
    measures = tuple(summarize_measure(study.store, arm, spec.name) for arm in measured_arms() if arm in design.arms)
    return done.model_copy(update={"measures": measures})


def generate_planned(
    study: OpenStudy,
    spec: SubjectSpec,
    design: DesignSpec,
    options: GenerateOptions,
    make_plan: Callable[[SweepDesign, Any], SweepPlan],
    what: str = "trials",
) -> SweepSummary:
    """Generate the missing trials of one subject's plan.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    spec : SubjectSpec
        The subject.
    design : DesignSpec
        The design, narrowed to the concepts that are wanted.
    options : GenerateOptions
        Engine and batch size.
    make_plan : callable
        From the subject's own design and the loaded subject to what is generated.
    what : str, default "trials"
        What the progress is of.
    """
    from gnomon.generation.sweeps.runner import run_plan

    title = f"{spec.name}: {what}"
    with trial_workers(study, spec, options) as workers:
        subject = workers.subject
        own = sweep_design(study, design, spec, subject.layers)
        sync_scope(study, {spec.name: subject.layers})
        plan = make_plan(own, subject)
        record = Subject(spec.name, subject.parameters, spec.family, spec.variant, subject.revision)
        with study.listener.track_steps([title]) as advance:
            done = run_plan(
                study.store, workers, plan, record=record, progress=advance[title], tell=study.listener.tell
            )
    study.listener.tell(
        f"{spec.name}: {done.made} trials generated, {done.already} already stored, {done.failed} failed"
    )
    return SweepSummary(subject=spec.name, **asdict(done))


@contextmanager
def trial_workers(study: OpenStudy, spec: SubjectSpec, options: GenerateOptions) -> Iterator[Any]:
    """Context manager yielding this process, or actors of a Ray cluster, with the subject loaded.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    spec : SubjectSpec
        The subject.
    options : GenerateOptions
        Engine and batch size.
    """
    kind = options.engine_kind()
    _lend_vectors(study, spec, kind)
    if options.uses_ray:
        from gnomon.generation.sweeps.ray_workers import ClusterOptions, ray_cluster

        cluster = ClusterOptions(options.address, options.cores, options.gpus, options.gpus_per_actor, options.wait)
        with ray_cluster(
            spec.name,
            spec.model,
            _known_options(study, spec, kind),
            cluster,
            rows=options.batch_size,
            engine=kind.name,
            say=study.listener.tell,
        ) as workers:
            yield workers
        return
    from gnomon.generation.sweeps.runner import LocalWorker

    yield LocalWorker(_load_subject(study, spec, kind), options.batch_size, kind.name)


def _lend_vectors(study: OpenStudy, spec: SubjectSpec, kind: EngineKind) -> None:
    """Have the vectors that a model borrows in the cache folder, and keep in mind whose they are."""
    if spec.vectors_of is None or study.file.design is None:
        return
    design = study.file.design
    lender = next(one for one in study.file.subjects if one.name == spec.vectors_of)
    subject = _load_subject(study, lender, kind)
    layers = planned_layers(design, spec, subject.layers)
    kind.engine_vectors(subject, study.file.concept_names(), layers, vector_method(study.file, design, study.folder))
    lent: dict[str, JsonValue] = {"subject": lender.name, "revision": subject.revision}
    if lender_revision(study, spec) != subject.revision:
        with study.store.write_transaction() as connection:
            row = {"kind": LENT, "detail": lent, "created_at": utc_timestamp()}
            study.store.insert_rows(connection, events, [row])


def lender_revision(study: OpenStudy, spec: SubjectSpec) -> str:
    """Revision of the model that lends a model its vectors; empty where it has its own, or nothing was lent yet.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    spec : SubjectSpec
        The model that is steered.
    """
    if spec.vectors_of is None:
        return ""
    query = select(events.c.detail).where(events.c.kind == LENT).order_by(events.c.id.desc())
    with study.store.read_transaction() as connection:
        details = list(connection.execute(query).scalars())
    return next((str(one["revision"]) for one in details if one["subject"] == spec.vectors_of), "")


def _load_subject(study: OpenStudy, spec: SubjectSpec, kind: EngineKind) -> Any:
    study.listener.tell(f"{spec.name}: loading")
    from gnomon.generation.sweeps.model_variants import load_variant

    return load_variant(kind, spec.name, spec.model, **_known_options(study, spec, kind))


def _known_options(study: OpenStudy, spec: SubjectSpec, kind: EngineKind) -> dict[str, Any]:
    """How a subject is loaded, with the revision of its stored trials where the loader is Gnomon's own."""
    stored = {subject.name: subject.revision for subject in study.store.load_subjects()}
    known = {"known_revision": stored[spec.name]} if spec.name in stored and kind.has_own_loader else {}
    changes = {
        key: str(resolve_study_path(study.folder, given, key).absolute())
        for key, given in (("adapter", spec.adapter), ("ablate", spec.ablate))
        if given is not None
    }
    preface = {} if spec.preface is None else {"preface": spec.preface}
    return load_options(spec) | known | changes | preface


def load_options(spec: SubjectSpec) -> dict[str, Any]:
    """How a subject is loaded, as keywords of `load_subject`.

    Raises
    ------
    StudyFileError
        If its code or pickles would be used, and the user of this machine has not allowed that for this model.
    """
    if (spec.trust_remote_code or spec.pickled_weights) and not is_trusted_model(spec.model):
        key = "trust_remote_code" if spec.trust_remote_code else "pickled_weights"
        raise StudyFileError(
            f"subject '{spec.name}': {key} = true counts only for models that the user of this machine trusts: read "
            f"the files of '{spec.model}', and then {permission_hint(TRUSTED_CODE, model_entry(spec.model))}"
        )
    given = {} if spec.dtype is None else {"dtype": spec.dtype}
    return spec.model_dump(include={"parameters", "device", "pickled_weights", "trust_remote_code"}) | given


def _check_designs(study: OpenStudy, specs: Sequence[SubjectSpec], design: DesignSpec) -> None:
    """Refuse a design that makes no sense, and tell what is odd, as far as both show before a model is loaded."""
    from gnomon.generation.prompts.protocol import load_protocol
    from gnomon.generation.subjects.model_documents import described_layers
    from gnomon.generation.vectors.concept_vectors import check_layers

    for name in design.protocols:
        load_protocol(_protocol_path(study, name))
    for spec in specs:
        for line in strange_strengths(design, spec):
            study.listener.tell(line)
        if (layers := described_layers(spec.model)) is not None:
            check_layers(UnloadedSubject(spec.name, "", layers), planned_layers(design, spec, layers))
        depths = design.depths if spec.layers is None and spec.depths is None else spec.depths
        if not depths and all(rule.depth is None for rule in design.exclude):
            sweep_design(study, design, spec, None)


def sweep_design(study: OpenStudy, design: DesignSpec, spec: SubjectSpec, layers: int | None) -> SweepDesign:
    """The design of one model as the generator takes it; protocols in files are given by path.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    design : DesignSpec
        Its design, or a part of it.
    spec : SubjectSpec
        The model.
    layers : int or None
        Number of its blocks; None is enough where no depths are named.

    Raises
    ------
    InputError
        The design is not valid for this model, or its limit of coherence is needed and not known.
    """
    from gnomon.generation.sweeps.trial_design import SweepDesign, check_design

    narrowed = set(study.file.concept_names()) - set(
        design.concepts
    )  # by --concept: what is not wanted needs no exclusion
    limits = stored_limits(study.store, study.file, spec.name) if design.strength_unit == "limit" else {}
    axes = subject_axes(design, spec, layers, limits)
    excluded = [rule for rule in excluded_conditions(design, spec, axes, layers) if rule.get("concept") not in narrowed]
    for rule in excluded:
        if "protocol" in rule:
            rule["protocol"] = _protocol_path(study, str(rule["protocol"]))
    strengths = tuple(one for each in axes.doses.values() for one in each)
    made = SweepDesign(
        concepts=tuple(design.concepts),
        listed=tuple(study.file.concept_names()),
        layers=planned_layers(design, spec, layers),
        strengths=tuple(dict.fromkeys(strengths)) if limits else next(iter(axes.doses.values())),
        layer_strengths=axes.doses if limits else {},
        arms=tuple(design.arms),
        spans=tuple(design.spans),
        protocols=tuple(_protocol_path(study, name) for name in design.protocols),
        replicates=design.replicates.root,
        seed=study.file.seed,
        exclude=tuple(excluded),
        vectors=vector_method(study.file, design, study.folder, lender_revision(study, spec)),
        day=study.file.day,
    )
    check_design(made)
    return made


def _protocol_path(study: OpenStudy, name: str) -> str:
    """A bundled protocol's name, or the path of its file, which is relative to the study."""
    return str(resolve_study_path(study.folder, name, "protocol")) if Path(name).suffix == ".toml" else name
