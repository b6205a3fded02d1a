"""Options of an import that the files themselves do not give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gnomon.data.importers.tabular.table_files import FileLayout
from gnomon.data.records import LabelPolicy, RaterKind


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import.

    `judge` and `subject` are names for what the source leaves unnamed; `parameters` is the subject's size if its name
    does not contain it; `map` is the column map of the `table` format; `separator`, `encoding`, `sheet` and
    `rows` say how a table is written; `rater_kind` what the raters are of whom the source does not say it; `guideline`
    what raters followed where the source does not say it.
    `shared_controls` says of counts whether control rows that repeat are the same trials, and `add_repeated`
    that rows of the same cell are added up. `score` names the scorer, or the part of its values, that is read, and
    `threshold` what passes (`>= 7`), where the source's scores do not say it themselves.
    """

    judge: str | None = None
    subject: str | None = None
    parameters: float | None = None
    map: Path | None = None
    separator: str | None = None
    encoding: str | None = None
    rater_kind: RaterKind | None = None
    guideline: LabelPolicy | None = None
    shared_controls: bool | None = None
    add_repeated: bool = False
    score: str | None = None
    threshold: str | None = None
    sheet: str | None = None
    rows: str | None = None

    @property
    def layout(self) -> FileLayout:
        """How tables are written, as far as the options say it."""
        return FileLayout(self.separator, self.encoding, self.sheet, self.rows)
