"""Commands of the chain on an open study: init, generate, calibrate, fit, dashboard (judges: `commands.judge`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gnomon.calibration.results.audit import AuditDocument
from gnomon.chain import fitting
from gnomon.commands.measure_summary import summarize_measure
from gnomon.console import print_json, print_status, progress_bar, readable_time
from gnomon.data.arms import measured_arms
from gnomon.data.errors import FitFailedError, InputError
from gnomon.data.records import Subject
from gnomon.render import estimates
from gnomon.session import Study, opened, write_study_file
from gnomon.stats.results import StoredFit
from gnomon.study_file import FILE, DesignSpec, SubjectSpec, database_url

if TYPE_CHECKING:
    from gnomon.generation.engine.base import EngineKind

TITLES = {"published": "published counts", "judged": "as judged", "corrected": "corrected"}
FULL = {"injection": 5, "control": 40, "random": 2, "draws": 1000, "tune": 500, "strengths": "[0.5, 0.75, 1.0]"}


def init_study(folder: Path) -> None:
    """Write a commented study file.

    Raises
    ------
    InputError
        If there is one already.
    """
    if not write_study_file(folder, "study.toml", **FULL, name=folder.resolve().name, calibration="false"):
        raise InputError(f"{folder / FILE}: is there already: edit it, or name another folder")
    print_status(f"{folder / FILE} written: edit it, then 'gnomon generate {folder}'")


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How trials are generated: by which engine, and by this process or by the actors of a Ray cluster.

    `batch_size` None means as many rows as fit in memory. `engine` is the name of a registered engine; `here` stands
    for the default one, and `ray` for the default one in Ray actors. `address` and `cores` are for Ray; with `dry_run`
    the run is only estimated.
    """

    batch_size: int | None = None
    engine: str = "torch"
    address: str | None = None
    cores: int = 8
    dry_run: bool = False
    ray: bool = False

    @property
    def uses_ray(self) -> bool:
        """Whether Ray actors generate the trials."""
        return self.ray or self.engine == "ray"

    def engine_kind(self) -> EngineKind:
        """The engine; raises `UnknownNameError` if there is none of that name."""
        from gnomon.generation.engine.base import ENGINES, TORCH

        return ENGINES.find(TORCH if self.engine in ("here", "ray") else self.engine)


def generate_trials(
    study: Study, subjects: Sequence[str], concepts: Sequence[str], how: GenerateOptions, json: bool
) -> list[dict[str, Any]]:
    """Generate the missing trials, subject by subject, or estimate how long that takes.

    Parameters
    ----------
    study : Study
        The open study.
    subjects : sequence of str
        Names of subjects; empty for all.
    concepts : sequence of str
        Names of concepts; empty for all.
    how : GenerateOptions
        Engine, batch size, and whether to estimate only.
    json : bool
        Whether to print one JSON document.

    Returns
    -------
    list of dict
        One document per subject.

    Raises
    ------
    InputError
        If the study holds counts or imported trials and has no design.
    UnknownNameError
        If the study lacks a subject or concept, or there is no such engine.
    """
    if study.file.design is None:
        held = "what was imported" if study.file.imported else "counts, not trials"
        raise InputError(f"study '{study.file.name}' holds {held}: nothing can be generated without [design]")
    names = study.file.select_known("subject", [spec.name for spec in study.file.subjects], subjects)
    wanted = study.file.select_known("concept", study.file.concept_names(), concepts)
    specs = [spec for spec in study.file.subjects if spec.name in names]
    design = study.file.design.model_copy(update={"concepts": wanted})
    how.engine_kind()
    make = _sweep_estimate if how.dry_run else _run_sweep
    reports = [make(study, spec, design, how) for spec in specs]
    if json:
        print_json(reports)
    return reports


def _run_sweep(study: Study, spec: SubjectSpec, design: DesignSpec, how: GenerateOptions) -> dict[str, Any]:
    from gnomon.generation.sweeps.runner import run_sweep

    plan = _sweep_design(study, design)
    with _trial_workers(spec, how) as workers:
        subject = workers.subject
        record = Subject(spec.name, subject.parameters, spec.family, spec.variant, subject.revision)
        with progress_bar(f"{spec.name}: trials") as report:
            done = run_sweep(study.store, workers, plan, record=record, progress=report)
    print_status(f"{spec.name}: {done.made} trials generated, {done.already} already stored, {done.failed} failed")
    document = {"subject": spec.name, **asdict(done)}
    for arm in (name for name in measured_arms() if name in plan.arms):
        document[arm] = summarize_measure(study.store, arm, spec.name)
    return document


def _sweep_estimate(study: Study, spec: SubjectSpec, design: DesignSpec, how: GenerateOptions) -> dict[str, Any]:
    """Print how many trials would be generated and how long that would take on this machine."""
    from gnomon.generation.sweeps.runner import estimate_sweep

    kind, plan = how.engine_kind(), _sweep_design(study, design)
    found = estimate_sweep(study.store, _load_subject(spec, kind), plan, how.batch_size, kind.name)
    if not found.missing:
        print_status(f"{spec.name}: all {found.already:,} trials are there")
        return {"subject": spec.name, **asdict(found)}
    print_status(
        f"{spec.name}: {found.missing:,} trials to generate, {found.already:,} already stored; "
        f"at most {found.tokens:,} tokens; about {readable_time(found.seconds)} at {found.rows} rows together, "
        f"less where answers end early"
    )
    return {"subject": spec.name, **asdict(found)}


@contextmanager
def _trial_workers(spec: SubjectSpec, how: GenerateOptions) -> Iterator[Any]:
    """This process, or actors of a Ray cluster, with the subject loaded."""
    kind = how.engine_kind()
    if how.uses_ray:
        from gnomon.generation.sweeps.ray_workers import ray_cluster

        loaded = (spec.name, spec.model, _load_options(spec))
        with ray_cluster(
            *loaded,
            address=how.address,
            rows=how.batch_size,
            cores=how.cores,
            engine=kind.name,
            say=print_status,
        ) as workers:
            yield workers
        return
    from gnomon.generation.sweeps.runner import LocalWorker

    yield LocalWorker(_load_subject(spec, kind), how.batch_size, kind.name)


def _load_subject(spec: SubjectSpec, kind: EngineKind) -> Any:
    print_status(f"{spec.name}: loading")
    return kind.load_engine_subject(spec.name, spec.model, **_load_options(spec))


def _load_options(spec: SubjectSpec) -> dict[str, Any]:
    return spec.model_dump(include={"parameters", "dtype", "device", "pickled_weights", "trust_remote_code"})


def _sweep_design(study: Study, design: DesignSpec) -> Any:
    """The design as the generator takes it; protocols in files are given by path."""
    from gnomon.generation.sweeps.trial_design import SweepDesign
    from gnomon.generation.vectors.vector_spec import VectorMethod

    narrowed = set(study.file.concept_names()) - set(
        design.concepts
    )  # by --concept: what is not wanted needs no exclusion
    excluded = [rule.model_dump(exclude_none=True) for rule in design.exclude if rule.concept not in narrowed]
    for rule in excluded:
        if "protocol" in rule:
            rule["protocol"] = _protocol_path(study.folder, rule["protocol"])
    return SweepDesign(
        concepts=tuple(design.concepts),
        listed=tuple(study.file.concept_names()),
        layers=tuple(design.layers),
        strengths=tuple(design.strengths),
        arms=tuple(design.arms),
        spans=tuple(design.spans),
        protocols=tuple(_protocol_path(study.folder, name) for name in design.protocols),
        replicates=design.replicates.root,
        seed=study.file.seed,
        exclude=tuple(excluded),
        vectors=VectorMethod(design.vectors.method, design.vectors.scale),
    )


def _protocol_path(folder: Path, name: str) -> str:
    """A bundled protocol's name, or the path of its file, which is relative to the study."""
    return str(folder / name) if name.endswith(".toml") else name


def audit_judges(study: Study, view: str | None, json: bool) -> AuditDocument:
    """Audit every judge version against the labels, and print the audit.

    Parameters
    ----------
    study : Study
        The open study.
    view : str, optional
        Label view: blind, first or current; None for each in turn.
    json : bool
        Whether to print one JSON document.
    """
    from gnomon.calibration.audit.document import audit_views
    from gnomon.calibration.labels.views import VIEWS
    from gnomon.render import audit

    document = audit_views(study.store, views=[view] if view else VIEWS)
    print_json(document) if json else audit.print_audit(document)
    return document


def fit_study(
    study: Study,
    judge_name: str | None,
    json: bool,
    *,
    resample: bool = False,
    seed: int | None = None,
    netcdf: Path | None = None,
) -> list[StoredFit]:
    """Fit every view that the study's data allow, and print the estimates.

    Parameters
    ----------
    study : Study
        The open study.
    judge_name : str, optional
        Judge whose verdicts the uncorrected fit uses; None for the study's first.
    json : bool
        Whether to print one JSON document.
    resample : bool
        Whether to sample even if draws of an earlier fit could be reweighted.
    seed : int, optional
        The sampler's seed; None for the study's.
    netcdf : Path, optional
        File for all draws of each fit; the fit's view is put at the end of its name.

    Returns
    -------
    list of StoredFit
        One fit per view.

    Raises
    ------
    FitFailedError
        If a fit did not pass its convergence checks.
    """
    rows = fit_all_views(study, judge_name, resample=resample, seed=seed)
    document = estimates.estimates_document(study, rows)
    print_json(document) if json else estimates.print_estimates(document)
    if netcdf is not None:
        for path in fitting.write_draws(study, rows, netcdf):
            print_status(f"{path} written: arviz.from_netcdf reads it")
    raise_if_failed(rows)
    return rows


def fit_all_views(
    study: Study, judge_name: str | None = None, *, resample: bool = False, seed: int | None = None
) -> list[StoredFit]:
    """Fit the published counts, or the verdicts as judged and with the judges' error corrected.

    Parameters
    ----------
    study : Study
        The open study.
    judge_name : str, optional
        Judge whose verdicts the uncorrected fit uses; None for the study's first.
    resample : bool
        Whether to sample even if draws of an earlier fit could be reweighted.
    seed : int, optional
        The sampler's seed; None for the study's.

    Returns
    -------
    list of StoredFit
        One fit per view.

    Raises
    ------
    NotEnoughDataError
        If there are no verdicts, or the size of one of several subjects is unknown.
    UnknownNameError
        If the study lacks the judge.
    """
    options = fitting.fit_options(study, seed=seed, resample=resample)
    return [
        _fit_with_status(TITLES[view], partial(fitting.fit_view, study, view, options, judge_name))
        for view in fitting.fittable_views(study)
    ]


def raise_if_failed(fits: Sequence[StoredFit]) -> None:
    """Raise `FitFailedError` if a fit did not pass its convergence checks."""
    for fit in fits:
        if fit.has_failed:
            reasons = "; ".join(fit.diagnostics.reasons)
            raise FitFailedError(
                f"fit '{fit.view}' failed: {reasons}: raise 'draws' and 'tune' under [fit] and fit again"
            )


def _fit_with_status(title: str, run: Callable[[], StoredFit]) -> StoredFit:
    print_status(f"fit {title}: sampling")
    fit = run()
    print_status(f"fit {title}: {estimates.format_diagnostics(fit)}")
    return fit


def serve_dashboard(folder: Path, port: int, address: str = "127.0.0.1") -> None:
    """Serve the study in a folder and those in its subfolders until stopped.

    Parameters
    ----------
    folder : Path
        Folder of a study, or of several.
    port : int
        Port to listen on.
    address : str
        Address to listen on.

    Raises
    ------
    InputError
        If there is no study, the studies have different access settings, or the port is in use.
    """
    from gnomon.dashboard.auth.roles import SECRETS, Access
    from gnomon.dashboard.server.launch import serve_studies

    found = [path for path in (folder, *sorted(folder.glob("*"))) if (path / FILE).is_file()]
    if not found:
        raise InputError(
            f"{folder}: has no {FILE}: 'gnomon init {folder}' writes one, 'gnomon demo {folder}' makes a whole study"
        )
    studies, known = [], []
    for path in found:
        with opened(path) as study:
            studies.append((study.file.name, database_url(path, study.file)))
            known.append(Access(study.file.dashboard.auth, study.file.dashboard.roles))
    if any(each != known[0] for each in known):
        raise InputError(
            f"{folder}: its studies have different [dashboard] tables: serve each by itself, or make them one"
        )
    serve_studies(studies, address=address, port=port, access=known[0], secrets=(found[0] / SECRETS).resolve())
