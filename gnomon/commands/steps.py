"""The steps of the chain, each on an open study: generate, calibrate, fit, dashboard (judges: `commands.judge`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gnomon.commands import yes_bias
from gnomon.console import answer, progress, readable_time, say
from gnomon.data.errors import BadInput, FitFailed, NotEnoughData
from gnomon.data.importers.row_builders import UNKNOWN_SIZE
from gnomon.data.records import Arm, Subject
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.render import estimates
from gnomon.session import Study, opened, write_template
from gnomon.study_file import FILE, DesignSpec, SubjectSpec, database_url

DRAWS = "draws"
"""Folder of a study in which draws of its newest fits lie, for refits; it may be deleted at any time."""
FULL = {"injection": 5, "control": 40, "random": 2, "draws": 1000, "tune": 500, "strengths": "[0.5, 0.75, 1.0]"}


def init(folder: Path) -> None:
    """Write a commented study file, never over one that is there."""
    if not write_template(folder, "study.toml", **FULL, name=folder.resolve().name, calibration="false"):
        raise BadInput(f"{folder / FILE}: is there already: edit it, or name another folder")
    say(f"{folder / FILE} written: edit it, then 'gnomon generate {folder}'")


@dataclass(frozen=True, slots=True)
class How:
    """How trials are made: rows together (None: what memory holds), `here` or on `ray`, or only a plan of it."""

    batch_size: int | None = None
    engine: str = "here"
    address: str | None = None
    cores: int = 8
    dry_run: bool = False


def generate(
    study: Study, subjects: Sequence[str], concepts: Sequence[str], how: How, json: bool
) -> list[dict[str, Any]]:
    """Make the trials that are missing, subject by subject."""
    if study.file.design is None:
        held = "what was imported" if study.file.imported else "counts, not trials"
        raise BadInput(f"study '{study.file.name}' holds {held}: nothing can be generated without [design]")
    names = study.file.only("subject", [spec.name for spec in study.file.subjects], subjects)
    wanted = study.file.only("concept", study.file.concepts(), concepts)
    specs = [spec for spec in study.file.subjects if spec.name in names]
    design = study.file.design.model_copy(update={"concepts": wanted})
    make = _planned if how.dry_run else _generate
    reports = [make(study, spec, design, how) for spec in specs]
    if json:
        answer(reports)
    return reports


def _generate(study: Study, spec: SubjectSpec, design: DesignSpec, how: How) -> dict[str, Any]:
    from gnomon.generation.sweeps.runner import run

    plan = _design(study, design)
    with _workers(spec, how) as workers:
        subject = workers.subject
        record = Subject(spec.name, subject.parameters, spec.family, spec.variant, subject.revision)
        with progress(f"{spec.name}: trials") as report:
            done = run(study.store, workers, plan, record=record, progress=report)
    say(f"{spec.name}: {done.made} trials made, {done.already} there already, {done.failed} failed")
    document = {"subject": spec.name, **asdict(done)}
    if Arm.MISMATCHED in plan.arms:
        document["mismatched"] = yes_bias.told(study.store, spec.name)
    return document


def _planned(study: Study, spec: SubjectSpec, design: DesignSpec, how: How) -> dict[str, Any]:
    """Say what would be made and how long it would take on this machine."""
    from gnomon.generation.sweeps.runner import estimate

    found = estimate(study.store, _loaded(spec), _design(study, design), how.batch_size)
    if not found.missing:
        say(f"{spec.name}: all {found.already:,} trials are there")
        return {"subject": spec.name, **asdict(found)}
    say(
        f"{spec.name}: {found.missing:,} trials to make, {found.already:,} there already; at most {found.tokens:,} "
        f"tokens; about {readable_time(found.seconds)} at {found.rows} rows together, less where answers end early"
    )
    return {"subject": spec.name, **asdict(found)}


@contextmanager
def _workers(spec: SubjectSpec, how: How) -> Iterator[Any]:
    """This process, or actors of a Ray cluster, with the subject loaded."""
    if how.engine == "ray":
        from gnomon.generation.sweeps.ray_workers import actors

        loaded = (spec.name, spec.model, _options(spec))
        with actors(*loaded, address=how.address, rows=how.batch_size, cores=how.cores, say=say) as workers:
            yield workers
        return
    from gnomon.generation.sweeps.runner import Here

    yield Here(_loaded(spec), how.batch_size)


def _loaded(spec: SubjectSpec) -> Any:
    from gnomon.generation.subjects.loading import load_subject

    say(f"{spec.name}: loading")
    return load_subject(spec.name, spec.model, **_options(spec))


def _options(spec: SubjectSpec) -> dict[str, Any]:
    return spec.model_dump(include={"parameters", "dtype", "device", "pickled_weights", "trust_remote_code"})


def _design(study: Study, design: DesignSpec) -> Any:
    """The design as the generator takes it; protocols in files are named by path."""
    from gnomon.generation.sweeps.trial_design import Design
    from gnomon.generation.vectors.vector_spec import Kind

    narrowed = set(study.file.concepts()) - set(design.concepts)  # by --concept: what is not wanted needs no exclusion
    excluded = [rule.model_dump(exclude_none=True) for rule in design.exclude if rule.concept not in narrowed]
    for rule in excluded:
        if "protocol" in rule:
            rule["protocol"] = _protocol(study.folder, rule["protocol"])
    return Design(
        concepts=tuple(design.concepts),
        layers=tuple(design.layers),
        strengths=tuple(design.strengths),
        arms=tuple(design.arms),
        spans=tuple(design.spans),
        protocols=tuple(_protocol(study.folder, name) for name in design.protocols),
        replicates={Arm(name): number for name, number in design.replicates.model_dump().items()},
        seed=study.file.seed,
        exclude=tuple(excluded),
        vectors=Kind(design.vectors.method, design.vectors.scale),
    )


def _protocol(folder: Path, name: str) -> str:
    """A protocol's shipped name, or the path of its file, which is relative to the study."""
    return str(folder / name) if name.endswith(".toml") else name


def calibrate(study: Study, view: str | None, json: bool) -> dict[str, Any]:
    """Audit every judge version against the labels, in every view of them or in one."""
    from gnomon.calibration.audit.document import audit_views
    from gnomon.calibration.labels.views import VIEWS
    from gnomon.render import audit

    document = audit_views(study.store, views=[view] if view else VIEWS)
    answer(document) if json else audit.audit(document)
    return document


def fit(study: Study, judge_name: str | None, json: bool, *, anew: bool = False) -> list[dict[str, Any]]:
    """Fit every view that the study's data allow; raises `FitFailed` where one did not pass its gates."""
    rows = fits(study, judge_name, anew=anew)
    document = estimates.estimates(study, rows)
    answer(document) if json else estimates.table(document)
    check(rows)
    return rows


def fits(study: Study, judge_name: str | None = None, *, anew: bool = False) -> list[dict[str, Any]]:
    """Rows of `tables.fits`: the published counts, or the verdicts at their word and with their error taken out.

    Where an earlier fit's draws carry the new one, they are weighted, unless it is to be sampled `anew`.
    """
    from gnomon.stats import fit as fitting
    from gnomon.stats.inference.importance_reweighting import Shelf
    from gnomon.stats.inference.sampler import Settings
    from gnomon.stats.model.judge_confusion import External

    chosen = study.file.fit
    how: dict[str, Any] = {
        "settings": Settings(draws=chosen.draws, tune=chosen.tune, chains=chosen.chains),
        "seed": chosen.seed,
        "shelf": Shelf(study.folder / DRAWS, reuse=not anew),
    }
    if study.file.counts:
        return [_timed("published counts", lambda: fitting.fit_published(study.store, **how))]
    study.file.only("judge", study.store.study()["judges"], [judge_name] if judge_name else [])
    _sized(study.store)
    if not study.store.count(tables.verdicts):
        raise NotEnoughData(f"study '{study.file.name}' has no verdicts: run 'gnomon judge {study.folder}' first")
    judges = chosen.judges or None
    external = [External(**one.model_dump(mode="json")) for one in chosen.external]
    return [
        _timed("as judged", lambda: fitting.fit_judged(study.store, judge=judge_name, **how)),
        _timed("corrected", lambda: fitting.fit_corrected(study.store, judges=judges, external=external, **how)),
    ]


def _sized(store: Store) -> None:
    """Raise `NotEnoughData` where sizes are compared and one is not known: it would bend every figure by size."""
    subjects = store.subjects()
    unknown = [subject.name for subject in subjects if subject.parameters == UNKNOWN_SIZE]
    if unknown and len(subjects) > 1:
        raise NotEnoughData(
            f"subject '{unknown[0]}': its number of parameters is not known, and figures by size need it: import its "
            "files again with --parameters"
        )


def check(rows: Sequence[dict[str, Any]]) -> None:
    """Raise `FitFailed` where a fit did not pass its gates."""
    for row in rows:
        if row["status"] == "failed":
            reasons = "; ".join(row["diagnostics"]["reasons"])
            raise FitFailed(
                f"fit '{row['view']}' failed: {reasons}: raise 'draws' and 'tune' under [fit] and fit again"
            )


def _timed(title: str, run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    say(f"fit {title}: sampling")
    row = run()
    say(f"fit {title}: {estimates.diagnosed(row)}")
    return row


def dashboard(folder: Path, port: int, address: str = "127.0.0.1") -> None:
    """Serve the study, and those in folders under it, until stopped."""
    from gnomon.dashboard.auth.roles import SECRETS, Access
    from gnomon.dashboard.server.launch import serve

    found = [path for path in (folder, *sorted(folder.glob("*"))) if (path / FILE).is_file()]
    if not found:
        raise BadInput(
            f"{folder}: has no {FILE}: 'gnomon init {folder}' writes one, 'gnomon demo {folder}' makes a whole study"
        )
    studies, known = [], []
    for path in found:
        with opened(path) as study:
            studies.append((study.file.name, database_url(path, study.file)))
            known.append(Access(study.file.dashboard.auth, study.file.dashboard.roles))
    if any(each != known[0] for each in known):
        raise BadInput(
            f"{folder}: its studies have different [dashboard] tables: serve each by itself, or make them one"
        )
    serve(studies, address=address, port=port, access=known[0], secrets=(found[0] / SECRETS).resolve())
