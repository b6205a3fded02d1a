"""An open study: its folder, file and store, with the settings that readers of the database need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from pydantic import JsonValue
from sqlalchemy import select

from gnomon.chain.planned_scope import planned_design, planned_scope
from gnomon.chain.progress import SILENT, ProgressListener
from gnomon.chain.subject_axes import has_subject_axes
from gnomon.data import bundled
from gnomon.data.errors import InputError, StudyFileError
from gnomon.data.facts import FACTS
from gnomon.data.files import write_atomically
from gnomon.data.maintenance.integrity import FAULTS, blame_wrong_row
from gnomon.data.records import IMPORTED, LabelPolicy
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store
from gnomon.data.storage.stored_settings import StoredSettings
from gnomon.study_file import (
    FILE,
    StudyFile,
    TransportSpec,
    database_url,
    read_study,
    read_study_tolerating_judges,
    resolve_study_path,
)

LONGEST_GUIDELINE = 100_000
"""Characters of the longest guideline."""
TEMPLATES = Path(__file__).parents[1] / "templates"


@dataclass(frozen=True, slots=True)
class OpenStudy:
    """An open study: its folder, file and store; `broken` maps judges with an invalid table to the reason.

    `listener` hears what the steps of the chain do.
    """

    folder: Path
    file: StudyFile
    store: Store
    broken: Mapping[str, str] = field(default_factory=dict)
    listener: ProgressListener = SILENT


def write_study_file(folder: Path, template: str, **values: Any) -> bool:
    """Write `study.toml` from a template; False, with nothing written, if the folder has one.

    Parameters
    ----------
    folder : Path
        The study's folder; created if it does not exist.
    template : str
        File name of the template.
    **values : Any
        Values of the template's placeholders.
    """
    path = folder / FILE
    if path.exists():
        return False
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: no folder can be made there ({error.strerror}): name another") from error
    text = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)
    write_atomically(path, text.encode())
    return True


@contextmanager
def opened(folder: Path, *, spare_judges: bool = False, listener: ProgressListener = SILENT) -> Iterator[OpenStudy]:
    """Context manager: open the study in a folder, update settings and bundled data in its store, and close it.

    Parameters
    ----------
    folder : Path
        The study's folder.
    spare_judges : bool
        Whether to skip and report invalid `[[judges]]` tables instead of raising.
    listener : ProgressListener
        Hears what the steps of the chain do.

    Raises
    ------
    PluginError
        If a plug-in that declares a fact failed: nobody would be asked for it.
    StudyFileError
        If the study file is missing or invalid.
    """
    FACTS.check_plugins()
    file, broken = read_study_tolerating_judges(folder) if spare_judges else (read_study(folder), {})
    store = Store.open(database_url(folder, file))
    try:
        sync_settings(store, file, list(broken), folder)
        check_subjects(store, file, folder / FILE)
        yield OpenStudy(folder, file, store, broken, listener)
    except FAULTS as error:
        if wrong := blame_wrong_row(store.engine, error):
            raise wrong from error
        raise
    finally:
        store.close()


def sync_settings(store: Store, file: StudyFile, broken: Sequence[str] = (), folder: Path | None = None) -> None:
    """Store the settings that readers of the database need, and add the bundled data that the file names.

    Parameters
    ----------
    store : Store
        The study's store.
    file : StudyFile
        The study file.
    broken : sequence of str
        Names of judges whose tables are invalid.
    folder : Path, optional
        The study's folder, where protocols in files lie; without it the scope of the design stays as it was stored.
    """
    scope = None if folder is None else planned_scope(file, folder, store)
    guideline = None if folder is None else read_guideline(folder, file)
    if guideline is not None:
        store.add_label_policies([guideline])
    store.update_settings(
        lambda held: _with_guideline(_study_settings(store, file, held, broken, scope), held, guideline, folder)
    )
    if file.counts == "published":
        bundled.add_published(store)
    if file.labels.calibration_set:
        bundled.calibration_set().add_to_store(store)


def read_guideline(folder: Path, file: StudyFile) -> LabelPolicy | None:
    """The guideline that `[labels] guideline` names, or None.

    Parameters
    ----------
    folder : Path
        The study's folder.
    file : StudyFile
        The study file.

    Raises
    ------
    StudyFileError
        If it is not in the study's folder, cannot be read, or is empty or too long.
    """
    name = file.labels.guideline
    return None if name is None else label_policy(resolve_study_path(folder, name, "the guideline"), name)


def label_policy(path: Path, name: str) -> LabelPolicy:
    """A guideline from a text file.

    Parameters
    ----------
    path : Path
        The file.
    name : str
        Name that people know the guideline by.

    Raises
    ------
    StudyFileError
        If it cannot be read, or is empty or too long.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudyFileError(f"{path}: the guideline cannot be read ({error}): give a UTF-8 text file") from error
    if not text.strip() or len(text) > LONGEST_GUIDELINE:
        raise StudyFileError(
            f"{path}: the guideline has {len(text):,} characters: give a text of 1 to {LONGEST_GUIDELINE:,}"
        )
    return LabelPolicy(name, text)


def _with_guideline(
    settings: StoredSettings, held: StoredSettings, guideline: LabelPolicy | None, folder: Path | None
) -> StoredSettings:
    """The settings with the guideline that the file names; where it never named one, the setting stays away."""
    if folder is None or (guideline is None and not held.get("label_policy")):
        return settings
    return {**settings, "label_policy": "" if guideline is None else guideline.hash}


def sync_scope(study: OpenStudy, layers: Mapping[str, int]) -> None:
    """Store which layers and strengths belong to the design, once models are loaded and their layers known.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    layers : mapping of str to int
        Numbers of layers of the models that are loaded.
    """
    if study.file.design is None or not has_subject_axes(study.file):
        return
    scope = planned_scope(study.file, study.folder, study.store, layers)
    design = planned_design(study.file, study.store, layers)

    def with_scope(held: StoredSettings) -> StoredSettings:
        return {**held, "scope": scope, "design": design}

    study.store.update_settings(with_scope)


def check_subjects(store: Store, file: StudyFile, where: Path) -> None:
    """Raise `StudyFileError` if the file says something else of a steered model than its stored trials.

    Parameters
    ----------
    store : Store
        The study's store.
    file : StudyFile
        The study file.
    where : Path
        Its path, for the message.
    """
    if file.design is None or file.imported:
        return
    with store.read_transaction() as connection:
        steered = set(connection.execute(select(tables.vectors.c.subject).distinct()).scalars())
    kept = {subject.name: subject for subject in store.load_subjects() if subject.name in steered}
    for spec in file.subjects:
        for name in ("parameters", "family", "variant"):
            stored = getattr(kept.get(spec.name), name, None)
            given = getattr(spec, name) if name in spec.model_fields_set else None
            if None not in (stored, given) and stored != given:
                raise StudyFileError(
                    f"{where}: subject '{spec.name}': {name} is {_as_toml(given)} here and was {_as_toml(stored)} when "
                    "its trials were made: write that, or give the subject another name"
                )


def _as_toml(value: object) -> str:
    return f"{value:_.15g}" if isinstance(value, float) else f'"{value}"'


def _study_settings(
    store: Store, file: StudyFile, held: StoredSettings, broken: Sequence[str], scope: dict[str, JsonValue] | None
) -> StoredSettings:
    """The study's settings from its file, given those that the store holds."""
    settings: StoredSettings = {
        "name": file.name,
        "kind": "counts" if file.counts else "trials",
        "concepts": file.concept_names(),
        "described": dict(file.describe),
        "judges": [judge.name for judge in file.judges],
        "rule": file.rule,
        "label_view": file.labels.view,
        "truth": file.labels.truth,
        "admitted_raters": [*file.labels.admit, *(bundled.RATERS if file.labels.calibration_set else ())],
        "rater_kinds": {name: str(kind) for name, kind in file.labels.kinds.items()},
        "fit_judges": list(file.fit.judges),
        "design": planned_design(file, store) if file.design else {},
    }
    variants: list[JsonValue] = [
        found.model_dump(mode="json") for spec in file.subjects if (found := spec.as_variant()) is not None
    ]
    if variants or "variants" in held:
        settings["variants"] = variants
    if file.design is None or "generates" in held:
        settings["generates"] = file.design is not None
    if file.transport != TransportSpec() or "transport" in held:
        settings["transport"] = file.transport.as_settings()
    if file.fit.graded or "fit_graded" in held:
        settings["fit_graded"] = file.fit.graded
    if file.plan.width is not None or "plan" in held:
        settings["plan"] = {"width": file.plan.width, "seed": file.fit.seed}
    if file.fit.external or "external" in held:
        settings["external"] = [each.model_dump(mode="json") for each in file.fit.external]
    if scope is not None or "scope" in held:
        settings["scope"] = held["scope"] if scope is None else scope
    if broken:  # the order of judges is that of the whole file, which has to be corrected first
        settings["judges"] = held.get("judges", settings["judges"])
    if file.imported:
        settings |= _imported_settings(store, file, held)
    return settings


def _imported_settings(store: Store, file: StudyFile, held: StoredSettings) -> StoredSettings:
    """Settings that an imported study takes from its store because its file leaves them out."""
    seen = store.read_frame(select(tables.trials.c.concept).distinct().order_by(tables.trials.c.concept))["concept"]
    known = store.read_frame(select(tables.judges.c.name, tables.judges.c.kind).distinct())
    mine = [judge.name for judge in file.judges]
    there = {*known["name"], *mine}
    brought = sorted(known.loc[known["kind"] == IMPORTED, "name"])
    listed = dict.fromkeys([*held.get("judges", []), *brought, *mine])
    names = [name for name in listed if name in there or not mine]
    return {
        "kind": "counts" if file.counts else held.get("kind", "trials"),
        "concepts": file.concept_names() or [str(name) for name in seen.dropna()],
        "judges": names,
        "design": planned_design(file, store) if file.design else held.get("design", {}),
    }
