"""Column map of the `table` format: a TOML file that says which column holds what, validated before any row is read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gnomon.data.errors import InputError
from gnomon.data.facts import CORE_FLAGS, PASSED, recorded_names
from gnomon.data.foreign_documents.bounds import SMALL_TEXT
from gnomon.data.foreign_documents.json_documents import read_text_file
from gnomon.data.foreign_documents.toml_documents import decode_toml
from gnomon.data.foreign_documents.validation_words import format_place, key_place, plain_problem
from gnomon.data.importers.tabular.value_ranges import YES_NO, parse_threshold, value_word
from gnomon.data.importers.text_files import MISSING, value_at
from gnomon.data.records import check_field


class ConstantColumn(BaseModel):
    """A value that is the same in every row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str | int | float | bool


class RowNumberKey(BaseModel):
    """The file's name and the row's number, for a table without a key of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    row_number: Literal[True]


Source = Annotated[str, Field(min_length=1)] | ConstantColumn
KeyColumns = Annotated[list[Source], Field(min_length=1, max_length=20)]
ListedValue = str | bool | int | float
ValueLists = dict[str, dict[str, ListedValue]]
BESIDE_SOURCES = frozenset(("values", "threshold", "each", "where", "further", "key", "fields"))
"""Keys of a part that name no single column."""


FIELD_KEY = "fields."
"""Beginning of our name of a further field of a trial, in messages as in the map."""


class MapPart(BaseModel):
    """A table of the map: each key names a column, or a constant as {value = ...}. `values` translates the words of its
    columns by Gnomon's names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: ValueLists = Field(default_factory=dict)

    def mapped_sources(self) -> dict[str, Source]:
        """Mapped columns and constants by Gnomon's field names."""
        names = (name for name in type(self).model_fields if name not in BESIDE_SOURCES)
        pairs = ((name, getattr(self, name)) for name in names)
        return {name: source for name, source in pairs if source is not None}


class TrialPart(MapPart):
    """Columns of the trial. `key` is the table's own name of the trial: a column, several, or the row's number; `id`
    refers to a trial already in the study instead. `fields` are further ones by name, such as `language`; they are kept
    with the protocol.
    """

    key: Source | KeyColumns | RowNumberKey | None = None
    id: Source | None = None
    subject: Source | None = None
    parameters: Source | None = None
    answer: Source | None = None
    arm: Source | None = None
    concept: Source | None = None
    layer: Source | None = None
    strength: Source | None = None
    magnitude: Source | None = None
    depth: Source | None = None
    span: Source | None = None
    protocol: Source | None = None
    seed: Source | None = None
    time: Source | None = None
    fields: dict[str, Source] = Field(default_factory=dict)

    @field_validator("fields")
    @classmethod
    def _are_fields(cls, fields: dict[str, Source]) -> dict[str, Source]:
        for name, source in fields.items():
            check_field(name, source.value if isinstance(source, ConstantColumn) else name)
        return fields

    def mapped_sources(self) -> dict[str, Source]:
        """What is mapped, by our names; further fields as `FIELD_KEY` and the name."""
        return {**super().mapped_sources(), **{FIELD_KEY + name: source for name, source in self.fields.items()}}


class FactsPart(MapPart):
    """Columns of facts, for verdicts and labels alike: `claims` or `passed` is required.

    A registered further fact is a key like the others; it is kept in `further`. `identified`, beside `claims`, says
    whether the injected concept was named. `threshold` says from which number on a graded column is true. `each` is the
    path of a list of which each element is one verdict or label; columns are its fields then. `where` limits the part
    to rows in which columns have certain values.
    """

    claims: Source | None = None
    identified: Source | None = None
    concept: Source | None = None
    coherent: Source | None = None
    refused: Source | None = None
    passed: Source | None = None
    time: Source | None = None
    threshold: ListedValue | None = None
    each: Annotated[str, Field(min_length=1)] | None = None
    where: dict[str, ListedValue | list[ListedValue]] = Field(default_factory=dict)
    further: dict[str, Source] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _collect_further(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        if "further" in values:  # a key of the field, not of the map
            raise PydanticCustomError("extra_forbidden", "further is no key")
        further = {name: values[name] for name in recorded_names() if name in values}
        return {**{name: value for name, value in values.items() if name not in further}, "further": further}

    def mapped_sources(self) -> dict[str, Source]:
        """What is mapped, by our names, further facts included."""
        return {**super().mapped_sources(), **self.further}

    @property
    def flag_names(self) -> list[str]:
        """Mapped fields that hold yes or no."""
        flags = (*CORE_FLAGS, PASSED, "identified", *recorded_names())
        return [name for name in self.mapped_sources() if name in flags]

    @property
    def main_flag(self) -> str | None:
        """The field that `threshold`, and values without a field's name, are for: the only one of the three."""
        named = [name for name in ("claims", "identified", PASSED) if name in self.mapped_sources()]
        return named[0] if len(named) == 1 else None


class VerdictPart(FactsPart):
    """One judge's columns. `score` holds numbers: the higher, the surer of a pass; beside `claims`, its probability."""

    judge: Source
    sample: Source | None = None
    quote: Source | None = None
    raw: Source | None = None
    score: Source | None = None


class LabelPart(FactsPart):
    """One rater's columns."""

    rater: Source
    kind: Source | None = None
    exposure: Source | None = None
    note: Source | None = None
    role: Source | None = None
    stratum: Source | None = None
    probability: Source | None = None
    chosen_by: Source | None = None


class ColumnMap(BaseModel):
    """A complete column map. `values` translates the table's words into Gnomon's; `raters` is the closed list of
    raters; `separator`, `encoding`, `sheet` and `rows` say how the file is written where it does not show.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1, max_length=50)] = "table"
    separator: str | None = None
    encoding: str | None = None
    sheet: str | None = None
    rows: str | None = None
    trial: TrialPart
    verdict: list[VerdictPart] = Field(default_factory=list)
    label: list[LabelPart] = Field(default_factory=list)
    values: ValueLists = Field(default_factory=dict)
    raters: list[str] | None = None

    @property
    def fact_parts(self) -> list[tuple[str, VerdictPart | LabelPart]]:
        """The parts that hold facts, with their names in messages."""
        return [*(("verdict", part) for part in self.verdict), *(("label", part) for part in self.label)]

    @property
    def is_reference(self) -> bool:
        """Whether the rows only add to trials that the study has: labels or verdicts in a file of their own."""
        about = self.trial
        return about.id is not None or (about.subject is None and about.answer is None and not self.verdict)

    def needed_columns(self) -> dict[str, str]:
        """Columns of the rows that are mapped, with the field that each is for."""
        about = self.trial
        keys = about.key if isinstance(about.key, list) else [about.key] if isinstance(about.key, str) else []
        needed = {column: "key" for column in keys if isinstance(column, str)}
        for part in (about, *(part for _, part in self.fact_parts if part.each is None)):
            needed |= {source: name for name, source in part.mapped_sources().items() if isinstance(source, str)}
        for _, part in self.fact_parts:
            needed |= {part.each: "each"} if part.each is not None else dict.fromkeys(part.where, "where")
        return needed

    def check_columns(self, path: Path, columns: Collection[str], missing: Collection[str]) -> None:
        """Check that the file has every mapped column.

        Parameters
        ----------
        path : Path
            File, for the message.
        columns : collection of str
            Column names of the file.
        missing : collection of str
            Mapped columns that no row has.

        Raises
        ------
        InputError
            If a column is missing; the message lists those that exist.
        """
        for column, name in self.needed_columns().items():
            if column in missing:
                shown = ", ".join(list(map(str, columns))[:40])
                raise InputError(f"{path}: has no column '{column}', which the map names for '{name}': it has {shown}")

    def listed_words(self, part: MapPart, name: str) -> dict[str, ListedValue] | None:
        """The part's own list of values for a field, by word, or None.

        Parameters
        ----------
        part : MapPart
            Part of the map.
        name : str
            Gnomon's name of the field.
        """
        listed = part.values.get(name)
        return None if listed is None else words_by_value(listed)

    def row_picker(self, part: MapPart) -> Callable[[Mapping[str, object]], dict[str, object]]:
        """The function that maps a row to Gnomon's field names, with words translated; a missing field is None."""
        sources = part.mapped_sources()
        constant = {name: source.value for name, source in sources.items() if isinstance(source, ConstantColumn)}
        columns = [(name, source) for name, source in sources.items() if not isinstance(source, ConstantColumn)]
        flags = part.flag_names if isinstance(part, FactsPart) else []
        listed = {name: part.values.get(name) or self.values.get(name) for name in sources if name not in flags}
        words = [(name, words_by_value(known)) for name, known in listed.items() if known]

        def pick(row: Mapping[str, object]) -> dict[str, object]:
            picked: dict[str, object] = dict(constant)
            for name, source in columns:
                value = row[source] if source in row else value_at(row, source)
                picked[name] = None if value is MISSING else value
            for name, known in words:
                picked[name] = known.get(value_word(picked[name]) or "", picked[name])
            return picked

        return pick


def words_by_value(listed: Mapping[str, ListedValue]) -> dict[str, ListedValue]:
    """A list of values of the map, by the words that cells are compared with ('' for an empty cell)."""
    return {value_word(key) or "": value for key, value in listed.items()}


def read_map(path: Path | None) -> ColumnMap:
    """Read and validate a column map.

    Raises
    ------
    InputError
        If no map is named, or it cannot be read or is invalid; the message names file, key and problem.
    """
    if path is None:
        raise InputError("the format 'table' needs a column map: name its TOML file with --map (docs/importing.md)")
    try:
        text = read_text_file(path, SMALL_TEXT)
    except FileNotFoundError:
        raise InputError(f"{path}: is not there: name a TOML file (docs/importing.md)") from None
    return parse_map(text, str(path))


def parse_map(text: str, path: str) -> ColumnMap:
    """Validate the text of a column map.

    Parameters
    ----------
    text : str
        TOML.
    path : str
        Where it is from, for messages.

    Raises
    ------
    InputError
        If it is invalid; the message names file, key and problem.
    """
    try:
        made = ColumnMap.model_validate(_parse_tables(decode_toml(text, path)))
    except ValidationError as error:
        first = error.errors()[0]
        where = format_place([part for part in key_place(first["loc"]) if part not in _UNION_NAMES])
        problem = plain_problem(first)
        raise InputError(f"{path}: {where or 'the map'}: {problem}: see docs/importing.md for the keys") from None
    _check_map(made, path)
    return made


_UNION_NAMES = ("ConstantColumn", "RowNumberKey")


def _check_map(made: ColumnMap, path: str) -> None:
    trial = made.trial
    if (trial.key is None) == (trial.id is None):
        raise InputError(f"{path}: trial: name either 'key' (new trials) or 'id' (trials that the study has)")
    for where, part in made.fact_parts:
        if part.claims is None and part.passed is None:
            beside = "; 'identified' needs 'claims' beside it" if part.identified is not None else ""
            raise InputError(f"{path}: a verdict or label needs 'claims' or 'passed': map one of them{beside}")
        if part.threshold is not None:
            if part.main_flag is None:
                raise InputError(f"{path}: {where}: 'threshold' needs one of 'claims' and 'passed', not both")
            try:
                parse_threshold(part.threshold)
            except ValueError as error:
                raise InputError(f"{path}: {where}: {error}") from None
        for name in part.flag_names:
            for listed in (part.values.get(name), made.values.get(name)):
                _check_listed(listed or {}, f"{path}: values.{name}")
    if isinstance(trial.key, RowNumberKey) and made.is_reference:
        raise InputError(f"{path}: trial: a row's number names no trial of the study: map a column as 'key'")


def _check_listed(listed: Mapping[str, ListedValue], where: str) -> None:
    for key, value in listed.items():
        try:
            flag_value(value)
        except ValueError:
            raise InputError(f"{where}: '{key}' is '{value}': write true, false or '' (no value)") from None


def flag_value(value: ListedValue) -> bool | None:
    """True, false or, for an empty text, None: what a list of values gives for a word.

    Raises
    ------
    ValueError
        If it is something else.
    """
    word = value_word(value)
    if word is None:
        return None
    if word not in YES_NO:
        raise ValueError(word)
    return YES_NO[word]


def _parse_tables(content: dict[str, object]) -> dict[str, object]:
    """Accept [verdict] and [label] written once, as a table, or several times, as [[verdict]] and [[label]]; and
    [verdict.values] without a field's name where only one field can be meant.
    """
    for name in ("verdict", "label"):
        if isinstance(content.get(name), dict):
            content[name] = [content[name]]
        parts = content.get(name)
        for part in parts if isinstance(parts, list) else ():
            values = part.get("values") if isinstance(part, dict) else None
            if isinstance(values, dict) and values and not any(isinstance(each, dict) for each in values.values()):
                flags = [flag for flag in ("claims", "identified", PASSED) if flag in part]
                if len(flags) == 1:
                    part["values"] = {flags[0]: values}
    return content
