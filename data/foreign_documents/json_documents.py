"""JSON that others wrote: measured before it is decoded, refused where it would fill the memory or is ambiguous."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gnomon.data.foreign_documents.bounds import DEPTH, TEXT, VALUES, Bound, DocumentError

_STRINGS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def check_structure(content: bytes | str, *, values: Bound = VALUES, place: object = "") -> int:
    """Check how many values a JSON text would become and how deep they are nested, without decoding it.

    Parameters
    ----------
    content : bytes or str
        The text; it need not be valid JSON.
    values : Bound
        Greatest number of values: openings of objects and lists, and commas, outside of strings.
    place : object
        Where the text is from, for the message.

    Returns
    -------
    int
        Number of values, or more: in a small text those inside of strings are counted too.

    Raises
    ------
    DocumentError
        If the text has more values or levels than allowed.
    """
    brackets: tuple[Any, ...] = (b"{", b"[", b",") if isinstance(content, bytes) else ("{", "[", ",")
    objects, lists, commas = map(content.count, brackets)
    is_flat = objects + lists <= DEPTH.most
    number = objects + lists + commas
    if is_flat and number <= values.most:
        return number
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    bare = _STRINGS.sub(b"", raw)
    number = sum(map(bare.count, (b"{", b"[", b",")))
    values.check(number, place)
    if not is_flat and _is_deeper(bare.translate(None, _NO_BRACKETS), DEPTH.most):
        raise DocumentError(place, f"is nested too deeply: it {DEPTH.refusal}")
    return number


def _is_deeper(brackets: bytes, levels: int) -> bool:
    """Whether brackets are nested deeper; each turn takes away the innermost, unpaired ones count as nested."""
    for _ in range(levels):
        fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return len(brackets) > levels


def mapping_of_pairs(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """The object of its members, for `json.JSONDecoder(object_pairs_hook=...)`.

    Raises
    ------
    DocumentError
        If a key stands twice: which value is meant cannot be told.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise DocumentError("", f"has the key '{twice[:60]}' twice in one object: keep one")
    return made


def _refuse_constant(name: str) -> None:
    raise DocumentError("", f"holds {name}, which JSON does not know: write null or a number")


def json_decoder(parse_constant: Callable[[str], Any] = _refuse_constant) -> json.JSONDecoder:
    """A decoder that refuses keys that stand twice in an object, and by default NaN and infinities."""
    return json.JSONDecoder(object_pairs_hook=mapping_of_pairs, parse_constant=parse_constant)


_DECODER = json_decoder()


def decode_json(text: str, place: object = "", decoder: json.JSONDecoder = _DECODER) -> Any:
    """Decode a JSON text that others wrote, within the bounds.

    Parameters
    ----------
    text : str
        The text.
    place : object
        Where the text is from, for messages; "" if the caller adds it.
    decoder : JSONDecoder
        A decoder of `json_decoder`.

    Raises
    ------
    DocumentError
        If the text is no JSON, ambiguous, or exceeds a bound.
    """
    check_structure(text, place=place)
    try:
        return decoder.decode(text)
    except DocumentError as error:
        raise DocumentError(place, error.problem) from None
    except RecursionError:
        raise DocumentError(place, "is nested too deeply: flatten it") from None
    except ValueError as error:
        raise DocumentError(place, f"is broken JSON or cut off ({str(error)[:80]}): write it again") from None


def read_json_file(path: Path, bound: Bound = TEXT) -> Any:
    """Content of a JSON file that others wrote.

    Parameters
    ----------
    path : Path
        The file.
    bound : Bound
        Greatest number of bytes.

    Raises
    ------
    DocumentError
        If the file cannot be read, is no JSON, or exceeds a bound.
    """
    return decode_json(read_text_file(path, bound), path)


def read_text_file(path: Path, bound: Bound = TEXT) -> str:
    """Content of a UTF-8 file that others wrote, without its byte-order mark.

    Parameters
    ----------
    path : Path
        The file.
    bound : Bound
        Greatest number of bytes.

    Raises
    ------
    FileNotFoundError
        If there is no such file: only the caller knows what creates one.
    DocumentError
        If the file cannot be read, is not UTF-8 text, or is larger than allowed.
    """
    try:
        with path.open("rb") as file:
            content = file.read(bound.most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DocumentError(path, f"cannot be read ({error.strerror}): change its permissions") from None
    bound.check(len(content), path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(path, f"cannot be read ({str(error)[:80]}): save it as UTF-8 text") from None
