"""TOML that others wrote: study files, maps, protocols and secrets, within the bounds of foreign documents."""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

from gnomon.data.foreign_documents.bounds import DEPTH, SMALL_TEXT, DocumentError
from gnomon.data.foreign_documents.json_documents import read_text_file


def read_toml_file(path: Path, *, finite: bool = True) -> tuple[str, dict[str, Any]]:
    """Text and tables of a TOML file.

    Parameters
    ----------
    path : Path
        The file.
    finite : bool
        Whether NaN and infinities are refused; without, the schema that reads the tables refuses them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DocumentError
        If the file cannot be read, is no TOML, or exceeds a bound.
    """
    text = read_text_file(path, SMALL_TEXT)
    return text, decode_toml(text, path, finite=finite)


def decode_toml(text: str, place: object = "", *, finite: bool = True) -> dict[str, Any]:
    """Tables of a TOML text.

    Parameters
    ----------
    text : str
        The text.
    place : object
        Where the text is from, for messages.
    finite : bool
        Whether NaN and infinities are refused.

    Raises
    ------
    DocumentError
        If the text is no TOML, is nested too deeply, or holds NaN or an infinity.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DocumentError(place, f"{error}: fix that line") from error
    except (RecursionError, ValueError, OverflowError) as error:
        problem = "is nested too deeply" if isinstance(error, RecursionError) else str(error)[:80]
        raise DocumentError(place, f"{problem}: write it as in docs/study-file.md") from None
    _check_values(tables, place, finite)
    return tables


def _check_values(tables: dict[str, Any], place: object, finite: bool) -> None:
    level: list[tuple[str, Any]] = list(tables.items())
    depth = 1
    while level:
        DEPTH.check(depth, place)
        strange = next((name for name, value in level if isinstance(value, float) and not math.isfinite(value)), "")
        if finite and strange:
            raise DocumentError(place, f"{strange} is not a finite number: write a number")
        level = [
            (f"{name}.{key}", part)
            for name, value in level
            for key, part in (
                value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            )
        ]
        depth += 1
