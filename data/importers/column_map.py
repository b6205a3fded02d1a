"""Column map of the `table` format: a TOML file that says which column holds what, validated before any row is read."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from gnomon.data.errors import InputError
from gnomon.data.facts import further_names


class ConstantColumn(BaseModel):
    """A value that is the same in every row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: str | int | float | bool


Source = Annotated[str, Field(min_length=1)] | ConstantColumn


class MapPart(BaseModel):
    """A table of the map: each key names a column, or a constant as {value = ...}."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def mapped_sources(self) -> dict[str, Source]:
        """Mapped columns and constants by Gnomon's field names."""
        pairs = ((name, getattr(self, name)) for name in type(self).model_fields)
        return {name: source for name, source in pairs if source is not None}


class TrialPart(MapPart):
    """Columns of the trial. `key` is the table's own name of the trial; `id` refers to a trial already in the study
    instead.
    """

    key: Source | None = None
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


class FactsPart(MapPart):
    """Columns of facts, for verdicts and labels alike: `claims` or `passed` is required.

    A registered further fact is a key like the others; it is kept in `further`.
    """

    claims: Source | None = None
    concept: Source | None = None
    coherent: Source | None = None
    refused: Source | None = None
    passed: Source | None = None
    time: Source | None = None
    further: dict[str, Source] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _collect_further(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        if "further" in values:  # a key of the field, not of the map
            raise PydanticCustomError("extra_forbidden", "further is no key")
        further = {name: values[name] for name in further_names() if name in values}
        return {**{name: value for name, value in values.items() if name not in further}, "further": further}

    def mapped_sources(self) -> dict[str, Source]:
        """What is mapped, by our names, further facts included."""
        mapped = {name: source for name, source in super().mapped_sources().items() if name != "further"}
        return {**mapped, **self.further}


class VerdictPart(FactsPart):
    """One judge's columns."""

    judge: Source
    quote: Source | None = None
    raw: Source | None = None


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
    raters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Annotated[str, Field(min_length=1, max_length=50)] = "table"
    trial: TrialPart
    verdict: list[VerdictPart] = Field(default_factory=list)
    label: list[LabelPart] = Field(default_factory=list)
    values: dict[str, dict[str, str | int | float | bool]] = Field(default_factory=dict)
    raters: list[str] | None = None

    def list_sections(self) -> list[MapPart]:
        """All tables of the map that name columns."""
        return [self.trial, *self.verdict, *self.label]

    def check_columns(self, path: Path, columns: Sequence[str]) -> None:
        """Check that the file has every mapped column.

        Parameters
        ----------
        path : Path
            File, for the message.
        columns : sequence of str
            Column names of the file.

        Raises
        ------
        InputError
            If a column is missing; the message lists those that exist.
        """
        for part in self.list_sections():
            for name, source in part.mapped_sources().items():
                if isinstance(source, str) and source not in columns:
                    raise InputError(
                        f"{path}: has no column '{source}', which the map names for '{name}': it has "
                        f"{', '.join(map(str, columns))}"
                    )

    def row_picker(self, part: MapPart) -> Callable[[Mapping[str, object]], dict[str, object]]:
        """The function that maps a row to Gnomon's field names, with words translated."""
        sources = part.mapped_sources()
        constant = {name: source.value for name, source in sources.items() if isinstance(source, ConstantColumn)}
        columns = [(name, source) for name, source in sources.items() if not isinstance(source, ConstantColumn)]
        words = [(name, self.values[name]) for name in sources if self.values.get(name)]

        def pick(row: Mapping[str, object]) -> dict[str, object]:
            picked = {**constant, **{name: row[source] for name, source in columns}}
            for name, known in words:
                picked[name] = known.get(_as_key(picked[name]), picked[name])
            return picked

        return pick


def _as_key(value: Any) -> str:
    """A value of the table as it is written as a key of a [values] table."""
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


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
        made = ColumnMap.model_validate(_parse_tables(tomllib.loads(path.read_text(encoding="utf-8"))))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}): name a TOML file (docs/importing.md)") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("ConstantColumn", "constrained-str"))
        problem = "there is no such key" if first["type"] == "extra_forbidden" else first["msg"]
        raise InputError(f"{path}: {where or 'the map'}: {problem}: see docs/importing.md for the keys") from None
    trial = made.trial
    if (trial.key is None) == (trial.id is None):
        raise InputError(f"{path}: trial: name either 'key' (new trials) or 'id' (trials that the study has)")
    if trial.key is not None and (trial.subject is None or trial.answer is None):
        raise InputError(f"{path}: trial: new trials need 'subject' and 'answer': map both")
    for part in (*made.verdict, *made.label):
        if part.claims is None and part.passed is None:
            raise InputError(f"{path}: a verdict or label needs 'claims' or 'passed': map one of them")
    return made


def _parse_tables(content: dict[str, object]) -> dict[str, object]:
    """Accept [verdict] and [label] written once, as a table, or several times, as [[verdict]] and [[label]]."""
    for name in ("verdict", "label"):
        if isinstance(content.get(name), dict):
            content[name] = [content[name]]
    return content
