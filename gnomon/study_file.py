"""Schema of `study.toml`; reads it with errors that name key and line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from math import isfinite, nan
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    PositiveInt,
    RootModel,
    ValidationError,
    field_validator,
    model_validator,
)
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from gnomon.calibration.results.label_plan import PlanPrices
from gnomon.dashboard.auth.roles import Access, check_roles
from gnomon.data.arms import ARMS
from gnomon.data.errors import InputError, StudyFileError, UnknownNameError
from gnomon.data.foreign_documents.bounds import ENTITIES, DocumentError
from gnomon.data.foreign_documents.chat_templates import PROMPT_DATE
from gnomon.data.foreign_documents.permissions import (
    PLACES,
    database_entry,
    is_allowed_database,
    is_allowed_path,
    permission_hint,
)
from gnomon.data.foreign_documents.toml_documents import read_toml_file
from gnomon.data.foreign_documents.validation_words import format_place, key_place, plain_problem
from gnomon.data.outcomes import RULES
from gnomon.data.raters import TruthRule
from gnomon.data.records import NONE, OTHER, Arm, RaterKind, Span
from gnomon.data.storage.engines import redact_password, sqlite_file, sqlite_url
from gnomon.data.storage.stored_settings import SubjectVariant, VariantChange
from gnomon.judging.config import JudgeConfig
from gnomon.stats.model.priors import Priors

FILE = "study.toml"
STRENGTH_TEXT = re.compile(r"\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s+of\s+(residual|limit)\s*")
Depth = Annotated[float, Field(gt=0, le=1)]
StrengthUnit = Literal["vector", "residual", "limit"]
ListedConcept = Annotated[str, Field(pattern=r"^[^A-Z\s][^A-Z]{0,99}$")]
Concept = Annotated[str, Field(pattern=r"^[a-z][a-z -]{0,40}$")]


class StudyTable(BaseModel):
    """Base class of study-file tables; unknown keys raise a validation error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlannedStrength(RootModel[float | str]):
    """A strength as a study file writes it: a multiple of the vector, "0.5 of residual" or "0.5 of limit"."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)

    @field_validator("root", mode="before")
    @classmethod
    def _known_form(cls, given: object) -> object:
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise ValueError('is no strength: write a finite number, "0.5 of residual" or "0.5 of limit"')
        if isinstance(given, str) and STRENGTH_TEXT.fullmatch(given):
            return given
        try:
            number = float(given)
        except (ValueError, OverflowError):
            number = nan
        if not isfinite(number):
            raise ValueError(f'\'{given}\' is no strength: write a finite number, "0.5 of residual" or "0.5 of limit"')
        return number

    @property
    def number(self) -> float:
        """The number that it begins with."""
        found = STRENGTH_TEXT.fullmatch(self.root) if isinstance(self.root, str) else None
        return float(found[1]) if found else float(self.root)

    @property
    def unit(self) -> StrengthUnit:
        """What the number is a multiple of: the vector, the residual stream's norm, or the limit of coherence."""
        found = STRENGTH_TEXT.fullmatch(self.root) if isinstance(self.root, str) else None
        return "vector" if found is None else "residual" if found[2] == "residual" else "limit"


class SubjectSpec(StudyTable):
    """A model to steer: `model` is `embedded`, a hub name, a folder or a GGUF file.

    `device` is a torch device, or `auto` to distribute the model over all; by default a GPU if there is one. `dtype` is
    by default bfloat16 on a GPU that computes in it, else float32.
    `pickled_weights` and `trust_remote_code` allow files that can run code of the model's authors; both are off by
    default. `layers`, `depths` and `strengths` take the place of the design's for this model; layers or depths, where
    one of the two is given, of both. `adapter` is a folder of a PEFT adapter that is merged into the model, `ablate` a
    file of a direction that is taken out of its residual stream, `vectors_of` another model whose vectors are added;
    the two are then compared as a variant and its base. `preface` is what the first message of each of its trials
    begins with.
    """

    name: str = Field(min_length=1, max_length=200)
    model: str = "embedded"
    parameters: float | None = Field(default=None, gt=0)
    family: str = "unknown"
    variant: str = "instruct"
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    device: str | None = None
    pickled_weights: bool = False
    trust_remote_code: bool = False
    layers: list[int] | None = Field(default=None, min_length=1)
    depths: list[Depth] | None = Field(default=None, min_length=1)
    strengths: list[PlannedStrength] | None = Field(default=None, min_length=1)
    adapter: str | None = None
    ablate: str | None = None
    vectors_of: str | None = None
    preface: str | None = Field(default=None, min_length=1, max_length=20_000)

    @property
    def has_axes(self) -> bool:
        """Whether it has layers, depths or strengths of its own."""
        return not (self.layers is None and self.depths is None and self.strengths is None)

    def as_variant(self) -> SubjectVariant | None:
        """The variant of another model that this is: one that is steered with the other's vectors."""
        if self.vectors_of is None:
            return None
        made: dict[VariantChange, str | None] = {
            "adapter": self.adapter,
            "ablated": self.ablate,
            "informed": self.preface,
        }
        changes = tuple(change for change, given in made.items() if given is not None)
        return SubjectVariant(variant=self.name, base=self.vectors_of, changes=changes)


class ReplicateSpec(RootModel[dict[Arm, PositiveInt]]):
    """Trials per condition of an arm, all arms included; a condition without a vector has no concept or layer."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: object) -> object:
        """Every arm that the file leaves out has its own default (`ArmSpec.default_replicates`)."""
        if not isinstance(given, Mapping):
            return given
        return {**{name: spec.default_replicates for name, spec in ARMS.items()}, **given}


class ExclusionSpec(StudyTable):
    """Conditions that are not planned: those that agree with all values given here."""

    subject: str | None = None
    arm: Arm | None = None
    concept: str | None = None
    layer: int | None = None
    depth: float | None = None
    strength: PlannedStrength | None = None
    span: Span | None = None
    protocol: str | None = None


class VectorSpec(StudyTable):
    """Method and scale of concept vectors.

    `baseline` says whether words of the study's concepts stay among the words whose mean is subtracted. `file` are
    directions of somebody else's; `rows` are those of the concepts in its matrix `tensor`. `match` says what is equal
    between a concept's vector and what control arms add.
    """

    method: Literal["mean", "contrast", "pca", "file"] = "mean"
    scale: Literal["raw", "unit", "matched"] = "raw"
    baseline: Literal["all", "without_concepts"] = "all"
    file: str | None = None
    rows: dict[str, int] | None = None
    tensor: str = "W_dec"
    match: Literal["norm", "kl", "entropy", "kl_each", "entropy_each"] = "norm"

    @model_validator(mode="after")
    def _file_and_method(self) -> VectorSpec:
        if (self.file is None) == (self.method == "file"):
            raise ValueError("method 'file' and a 'file' go together: name both, or neither")
        if self.rows is not None and self.file is None:
            raise ValueError("'rows' are rows of a file's matrix: name the 'file', and method 'file'")
        return self


class DesignSpec(StudyTable):
    """The axes of a sweep: their product is planned.

    `layers` are blocks from 0 and the same for every model; `depths` are shares of a model's blocks, in (0, 1], and are
    resolved for each model (`gnomon.chain.subject_axes`). A study may have both.
    """

    concepts: list[Concept] = Field(min_length=1)
    layers: list[int] = Field(default_factory=list, min_length=1)
    depths: list[Depth] = Field(default_factory=list, min_length=1)
    strengths: list[PlannedStrength] = Field(min_length=1)
    arms: list[Arm] = Field(default_factory=lambda: [Arm.INJECTION, Arm.CONTROL, Arm.RANDOM], min_length=1)
    spans: list[Span] = Field(default_factory=lambda: [Span.GENERATION], min_length=1)
    protocols: list[str] = Field(default_factory=lambda: ["plain"], min_length=1)
    replicates: ReplicateSpec = Field(default_factory=lambda: ReplicateSpec.model_validate({}))
    exclude: list[ExclusionSpec] = Field(default_factory=list)
    vectors: VectorSpec = VectorSpec()

    @model_validator(mode="after")
    def _one_unit(self) -> DesignSpec:
        if not self.layers and not self.depths:
            raise ValueError("it names neither layers nor depths: write 'layers' or 'depths'")
        units = {strength.unit for strength in self.strengths}
        if len(units) > 1:
            raise ValueError("strengths: write all as multiples of the vector, all 'of residual' or all 'of limit'")
        if units == {"residual"} and self.vectors.scale != "matched" and "scale" in self.vectors.model_fields_set:
            raise ValueError("strengths 'of residual' need vectors of the residual stream's norm: leave 'scale' out")
        return self

    @property
    def strength_unit(self) -> StrengthUnit:
        """What its strengths are multiples of."""
        return self.strengths[0].unit

    @property
    def vector_scale(self) -> str:
        """Scale of its vectors: that of the residual stream where its strengths are shares of that."""
        return "matched" if self.strength_unit == "residual" else self.vectors.scale

    @field_validator("concepts")
    @classmethod
    def _plain_words(cls, concepts: list[str]) -> list[str]:
        if reserved := {NONE, OTHER} & set(concepts):
            raise ValueError(f"'{reserved.pop()}' is an answer of the judges and cannot be a concept")
        if len(set(concepts)) < len(concepts):
            raise ValueError("a concept is named twice")
        return concepts


class LabelSpec(StudyTable):
    """Which labels count: whether the bundled calibration set is added, which view of the label history, which of
    several raters' labels is the truth (`gnomon.data.raters.TruthRule`), what raters are whose name misleads, and which
    raters that are no people count all the same (those of the calibration set do where it is added). `guideline` is a
    text file in the study's folder that raters follow: labels made in the dashboard carry its hash.
    """

    calibration_set: bool = False
    view: Literal["blind", "first", "current"] = "blind"
    truth: str = "voices"
    kinds: dict[str, RaterKind] = Field(default_factory=dict)
    admit: list[str] = Field(default_factory=list)
    guideline: str | None = Field(default=None, min_length=1)

    @field_validator("truth")
    @classmethod
    def _known_truth(cls, truth: str) -> str:
        try:
            return str(TruthRule.from_text(truth))
        except InputError as error:
            raise ValueError(str(error)) from error


class ExternalSpec(StudyTable):
    """Labelled transcripts of another study: for `n` with true class `truth`, the judge's class was `said`.

    They are used only if it is shown that the judge errs here as there (`[transport] margin`), or `unchecked`.
    """

    judge: str
    arm: Arm
    truth: Literal["refused", "event", "incoherent", "misnamed", "rest"]
    said: Literal["refused", "event", "incoherent", "misnamed", "rest"]
    n: PositiveInt
    unchecked: bool = False


class TransportSpec(StudyTable):
    """What is said beforehand of errors that are learnt in one place and used in another: the greatest difference of a
    sensitivity or specificity that does not matter, the greatest probability of a wrong decision, and fields of trials
    (such as `language`) in each of whose values the errors of `[[fit.external]]` must hold.
    """

    margin: float | None = Field(default=None, gt=0, lt=1)
    error: float = Field(default=0.05, gt=0, lt=0.5)
    by: list[str] = Field(default_factory=list, max_length=4)

    def as_settings(self) -> dict[str, JsonValue]:
        """As it is stored; `by` only where it says something, as in studies from before it."""
        said: dict[str, JsonValue] = {"margin": self.margin, "error": self.error}
        return {**said, "by": list(self.by)} if self.by else said


class FitSpec(StudyTable):
    """How the rates are fitted. `judges` are those whose error is modelled; all if empty. `graded` counts verdicts of
    the first judge that gave scores with how sure they are.

    `priors` are the numbers of `gnomon.stats.model.priors.Priors` that differ from their defaults.
    """

    draws: int = Field(default=1000, ge=200)
    tune: int = Field(default=500, ge=200)
    chains: int = Field(default=4, ge=2)
    seed: int = Field(default=1, ge=0)
    judges: list[str] = Field(default_factory=list)
    graded: bool = False
    external: list[ExternalSpec] = Field(default_factory=list)
    priors: dict[str, float] = Field(default_factory=dict)

    @field_validator("priors", mode="before")
    @classmethod
    def _known_priors(cls, priors: object) -> object:
        if isinstance(priors, dict):
            try:
                Priors.from_mapping(priors)
            except InputError as error:
                raise ValueError(str(error)) from error
        return priors


class PlanSpec(StudyTable):
    """What `gnomon plan` reckons with: the price of a label, a new trial and a verdict in one unit, and a budget.

    `width` is the width of the 95 % interval to aim at, as a fraction; the Label page shows how far labelling has come.
    """

    label: float = Field(default=1.0, ge=0)
    trial: float = Field(default=0.0, ge=0)
    verdict: float = Field(default=0.0, ge=0)
    budget: float | None = Field(default=None, gt=0)
    width: float | None = Field(default=None, gt=0, lt=2)

    @property
    def prices(self) -> PlanPrices:
        """The three prices."""
        return PlanPrices(label=self.label, trial=self.trial, verdict=self.verdict)


class DashboardSpec(StudyTable):
    """Access to the dashboard: everybody without a login, or people with a role after a login, by address or account.

    With `email_verified` optional, an address of which the provider says nothing counts like a verified one.
    """

    auth: Literal["name", "oidc"] = "name"
    roles: dict[str, Literal["viewer", "rater", "admin"]] = Field(default_factory=dict)
    email_verified: Literal["required", "optional"] = "required"

    @model_validator(mode="after")
    def _somebody(self) -> DashboardSpec:
        check_roles(self.to_access())
        return self

    def to_access(self) -> Access:
        """As the server takes it."""
        return Access(self.auth, self.roles, self.email_verified)


class StudyFile(StudyTable):
    """A whole `study.toml`."""

    name: str = Field(min_length=1, max_length=100)
    seed: int = Field(default=1, ge=0)
    day: date = Field(default=PROMPT_DATE, alias="date")
    database: str = "gnomon.db"
    rule: str = "strict"
    counts: Literal["published", "imported"] | None = None
    imported: bool = False
    listed: list[ListedConcept] | None = Field(default=None, alias="concepts", min_length=1)
    describe: dict[str, str] = Field(default_factory=dict)
    subjects: list[SubjectSpec] = Field(default_factory=list)
    design: DesignSpec | None = None
    judges: list[JudgeConfig] = Field(default_factory=list)
    labels: LabelSpec = LabelSpec()
    fit: FitSpec = FitSpec()
    plan: PlanSpec = PlanSpec()
    transport: TransportSpec = TransportSpec()
    dashboard: DashboardSpec = DashboardSpec()

    @field_validator("rule")
    @classmethod
    def _known_rule(cls, rule: str) -> str:
        if rule not in RULES:
            raise ValueError(f"choose from {', '.join(RULES)}")
        return rule

    @model_validator(mode="after")
    def _whole(self) -> StudyFile:
        if self.counts is None and not self.imported and not (self.subjects and self.design):
            raise ValueError('a study needs [[subjects]] and [design], or counts = "published", or imported = true')
        if self.design is not None:
            self._check_axes(self.design)
        if self.listed is not None and self.design is not None:
            raise ValueError("concepts stands in [design] of this study: leave the other list out")
        for kind, names in (("subject", [s.name for s in self.subjects]), ("judge", [j.name for j in self.judges])):
            if len(set(names)) < len(names):
                raise ValueError(f"two {kind}s have the same name")
        if self.concept_names() and (strange := self.describe.keys() - set(self.concept_names())):
            raise ValueError(f"describe names '{min(strange)}', which is not among the concepts")
        known = {judge.name for judge in self.judges}
        if unknown := [name for name in self.fit.judges if name not in known]:
            raise ValueError(f"fit.judges names '{unknown[0]}', which is not among [[judges]]")
        return self

    def _check_axes(self, design: DesignSpec) -> None:
        """Models' own axes are in the design's unit, and exclusions name models and depths that there are."""
        names = [spec.name for spec in self.subjects]
        lenders = [spec.name for spec in self.subjects if spec.vectors_of is None]
        for spec in self.subjects:
            if spec.vectors_of is not None and spec.vectors_of not in lenders:
                raise ValueError(
                    f"subject '{spec.name}': vectors_of '{spec.vectors_of}' is no model with vectors of its own"
                )
            if spec.strengths is not None and {one.unit for one in spec.strengths} != {design.strength_unit}:
                raise ValueError(f"subject '{spec.name}': its strengths are in another unit than the design's")
        depths = {*design.depths, *(depth for spec in self.subjects for depth in spec.depths or ())}
        for rule in design.exclude:
            if rule.subject is not None and rule.subject not in names:
                raise ValueError(f"exclude names the subject '{rule.subject}', which is not among [[subjects]]")
            if rule.depth is not None and rule.depth not in depths:
                raise ValueError(f"exclude names the depth {rule.depth:g}, which the design does not have")

    def concept_names(self) -> list[str]:
        """The closed list of concepts for judges and raters; empty if the file has none."""
        return list(self.design.concepts) if self.design else list(self.listed or [])

    def select_known(self, kind: str, known: Sequence[str], wanted: Sequence[str]) -> list[str]:
        """The requested names, or all known ones if none is requested.

        Parameters
        ----------
        kind : str
            What is named, for the error message.
        known : sequence of str
            Names that exist.
        wanted : sequence of str
            Requested names.

        Raises
        ------
        UnknownNameError
            If a requested name does not exist.
        """
        for name in wanted:
            if name not in known:
                raise UnknownNameError(
                    f"{kind} '{name}' is not in study '{self.name}': it has {', '.join(known) or 'none'}"
                )
        return list(wanted) or list(known)


def read_study(folder: Path) -> StudyFile:
    """Read `study.toml` in a folder.

    Raises
    ------
    StudyFileError
        If it is missing or invalid; the message names file, line and key.
    """
    path, text, tables = _load_toml(folder)
    try:
        return StudyFile.model_validate(tables)
    except ValidationError as error:
        raise StudyFileError(_format_validation_error(path, text, tables, error)) from error


def read_study_tolerating_judges(folder: Path) -> tuple[StudyFile, dict[str, str]]:
    """As `read_study`, but without invalid `[[judges]]` tables; also returns what is wrong with each, by name.

    Raises
    ------
    StudyFileError
        If the file is missing, or another table is invalid.
    """
    path, text, tables = _load_toml(folder)
    listed = tables.get("judges")
    broken: dict[str, str] = {}
    good = []
    for place, table in enumerate(listed if isinstance(listed, list) else []):
        try:
            good.append(JudgeConfig.model_validate(table).model_dump(exclude_unset=True))
        except ValidationError as error:
            name = str(table.get("name", f"number {place + 1}")) if isinstance(table, dict) else f"number {place + 1}"
            broken[name] = f"judge '{name}': {_format_validation_error(path, text, tables, error, ('judges', place))}"
    if not broken:
        return read_study(folder), {}
    fit = {key: value for key, value in tables.get("fit", {}).items() if key != "judges"}  # may name an invalid judge
    try:
        return StudyFile.model_validate({**tables, "judges": good, "fit": fit}), broken
    except ValidationError as error:
        raise StudyFileError(_format_validation_error(path, text, tables, error)) from error


def _load_toml(folder: Path) -> tuple[Path, str, dict[str, Any]]:
    path = folder / FILE
    if folder.is_file():
        raise StudyFileError(f"{folder}: is a file: name the study's folder")
    resolve_study_path(folder, FILE, "the study file")
    try:
        text, tables = read_toml_file(path, finite=False)
        for name in ("subjects", "judges"):
            listed = tables.get(name)
            ENTITIES.check(len(listed) if isinstance(listed, list) else 0, path)
        return path, text, tables
    except FileNotFoundError:
        raise StudyFileError(f"{path}: not there: 'gnomon init {folder}' writes one") from None
    except DocumentError as error:
        raise StudyFileError(str(error)) from error


def database_url(folder: Path, study: StudyFile) -> str:
    """URL of the study's store.

    Parameters
    ----------
    folder : Path
        The study's folder.
    study : StudyFile
        The study file.

    Raises
    ------
    StudyFileError
        If the database is a file outside the study's folder.
    """
    return resolve_database_url(folder, study.database)


def resolve_database_url(folder: Path, database: str) -> str:
    """URL of a database as the study file names it, by a URL or as a file in the study's folder.

    Parameters
    ----------
    folder : Path
        The study's folder.
    database : str
        A file name, or a URL, which is returned unchanged.

    Raises
    ------
    StudyFileError
        If the database is not in the study's folder and the user of this machine has not allowed it.
    """
    where = f"{folder / FILE}: database '{redact_password(database)}'"
    if "://" not in database:
        path = _path_in(folder, database)
        if not is_allowed_path(path, folder):
            raise StudyFileError(f"{where} lies outside the study's folder: {_if_meant(PLACES, path.resolve().parent)}")
        _check_kind(folder, path)
        return sqlite_url(path.resolve())
    try:
        url = make_url(database)
    except (ArgumentError, ValueError) as error:
        raise StudyFileError(f"{where} is no URL: use sqlite:///FILE or postgresql+psycopg://...") from error
    file = sqlite_file(database) if url.drivername in ("sqlite", "sqlite+pysqlite") and not url.query else None
    if file is not None and not file.is_absolute():
        raise StudyFileError(f"{where} depends on the current folder: name a file in the study's folder, as '{file}'")
    if not (is_allowed_database(url) if file is None else is_allowed_path(file, folder)):
        entry = database_entry(url) if file is None else str(file.resolve().parent)
        raise StudyFileError(f"{where} lies outside the study's folder: {_if_meant(PLACES, entry)}")
    return database


def database_name(folder: Path, database: str) -> str:
    """A database as it is written into the study file: a file in the study's folder by its name there.

    Parameters
    ----------
    folder : Path
        The study's folder.
    database : str
        A URL or a file name.
    """
    file = sqlite_file(database) if "://" in database else None
    real = None if file is None else file.resolve()
    if real is None or make_url(database).query or not real.is_relative_to(folder.resolve()):
        return database
    return str(real.relative_to(folder.resolve()))


def resolve_study_path(folder: Path, name: str, what: str) -> Path:
    """Path of a file or folder of a study.

    Parameters
    ----------
    folder : Path
        The study's folder.
    name : str
        Its name there.
    what : str
        What it is, for the error message.

    Raises
    ------
    StudyFileError
        If it is not in the study's folder, links resolved, and the user of this machine has not allowed it.
    """
    path = _path_in(folder, name)
    if not is_allowed_path(path, folder):
        raise StudyFileError(
            f"{folder}: {what} '{name}' lies outside the study's folder: copy it there, or, "
            f"{_if_meant(PLACES, path.resolve().parent)}"
        )
    _check_kind(folder, path)
    return path


def _path_in(folder: Path, name: str) -> Path:
    try:
        path = folder / name
        path.resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise StudyFileError(f"{folder}: '{name}': {error}: name a file in the study's folder") from error
    return path


def _check_kind(folder: Path, path: Path) -> None:
    """Refuse pipes, sockets and devices: opening one may wait for ever, or act on the machine."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise StudyFileError(f"{folder}: '{path.name}' is no file: it is a pipe, socket or device: remove it")


def _if_meant(setting: str, entry: object) -> str:
    return f"if that is meant, {permission_hint(setting, str(entry))}"


def _format_validation_error(
    path: Path, text: str, tables: Mapping[str, object], error: ValidationError, table: tuple[str | int, ...] = ()
) -> str:
    first = error.errors()[0]
    place = (*table, *key_place(first["loc"]))
    key = format_place(place, tables) or "the file"
    line = _line_of(text, place)
    open_ = place[:1] != ("judges",) or place[-1] in ("kind", "rubric", "transport")  # a key may stand anywhere else
    shown = (str, int, float) if open_ else (int, float)
    found = f" (found {first['input']!r})" if isinstance(first["input"], shown) else ""
    where = f"{path} line {line}" if line else f"{path}"
    problem = plain_problem(first)
    if first["type"] == "extra_forbidden":
        problem += f"{_nearest_key(place)}; see docs/study-file.md for those there are"
    elif first["type"] == "string_pattern_mismatch" and {"concepts", "concept"} & set(place):
        problem = "a concept is written in small letters with spaces and hyphens, as in 'ocean'"
    return f"{where}: {key}: {problem}{found}"


def _nearest_key(place: Sequence[str | int]) -> str:
    """The key of the same table that is spelt most like an unknown one, as a question; empty if none is."""
    table: type[BaseModel] | None = StudyFile
    for part in place[:-1]:
        if not isinstance(part, int) and table is not None:
            field = table.model_fields.get(part)
            table = None if field is None else _table_model(field.annotation)
    near = get_close_matches(str(place[-1]), [] if table is None else list(table.model_fields), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _table_model(annotation: object) -> type[BaseModel] | None:
    """The model of a table, or of the tables of a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_model(part)) is not None), None)


def _line_of(text: str, place: Sequence[Any]) -> int | None:
    """Line of the key at `place` (table names, list indexes, key), or of its table; None if neither is written."""
    names = [str(part) for part in place]
    best: int | None = None
    table: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[\[?)\s*([\w.\"-]+)\s*\]", line):
            name = header[2]
            table = name.split(".")
            if header[1] == "[[":
                seen[name] = seen.get(name, -1) + 1
                table = [*table, str(seen[name])]
            if table == names[: len(table)]:
                best = number
        elif key := re.match(r"\s*([\w-]+)\s*=", line):
            full = [*table, key[1]]
            if full == names[: len(full)]:
                return number
    return best
