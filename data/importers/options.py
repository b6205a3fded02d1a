"""What a person may say about an import beside its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """`judge` and `subject` name what the source leaves unnamed; `parameters` is the subject's size where its name
    does not tell; `map` is the column map of the `table` format.
    """

    judge: str | None = None
    subject: str | None = None
    parameters: float | None = None
    map: Path | None = None
