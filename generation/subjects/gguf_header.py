"""Counts the weights of a GGUF file from its header, which may lie about how much it holds.

The package `gguf` makes an object for every element of an array that a header claims, before it looks whether the file
has them: 2^60 claimed numbers take all memory. Here nothing is made of what is skipped, and nothing is skipped beyond
the end of the file. Source of the form: the GGUF specification of ggml, versions 2 and 3.
"""

from __future__ import annotations

import math
import mmap
import struct
from pathlib import Path

from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.generation.subjects.model_documents import check_gguf_header

_START = struct.Struct("<4sIQQ")
_NUMBER, _LENGTH = struct.Struct("<I"), struct.Struct("<Q")
_WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by the number of its type."""
_TEXT, _ARRAY = 8, 9
_MOST_DIMENSIONS = 8


def gguf_values(path: Path) -> int:
    """Number of weights of a GGUF file; 0 if it is none, or the loader has to say what is wrong.

    Parameters
    ----------
    path : Path
        The file.
    """
    if path.suffix != ".gguf" or not path.is_file():
        return 0
    try:
        check_gguf_header(path)
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _count_values(_HeaderReader(content))
    except (DocumentError, OSError, ValueError, struct.error):
        return 0


class _HeaderReader:
    """Reads a header from its beginning; raises `ValueError` or `struct.error` at the end of the file."""

    def __init__(self, content: mmap.mmap) -> None:
        self.content, self.at = content, _START.size
        _, _, self.tensors, self.entries = _START.unpack_from(content)

    def take(self, form: struct.Struct) -> int:
        value = form.unpack_from(self.content, self.at)[0]
        self.at += form.size
        return int(value)

    def skip(self, length: int) -> None:
        if length > len(self.content) - self.at:
            raise ValueError("it ends before what it claims to hold")
        self.at += length

    def skip_text(self) -> None:
        self.skip(self.take(_LENGTH))

    def skip_value(self) -> None:
        kind = self.take(_NUMBER)
        if kind == _TEXT:
            self.skip_text()
        elif kind == _ARRAY:
            self._skip_array(self.take(_NUMBER), self.take(_LENGTH))
        else:
            self.skip(_width(kind))

    def _skip_array(self, kind: int, length: int) -> None:
        if kind != _TEXT:
            self.skip(length * _width(kind))
            return
        for _ in range(length):  # each takes its length at least, so that a false claim soon meets the end
            self.skip_text()


def _width(kind: int) -> int:
    if kind not in _WIDTHS:
        raise ValueError(f"values of type {kind} are not known")
    return _WIDTHS[kind]


def _count_values(header: _HeaderReader) -> int:
    for _ in range(header.entries):
        header.skip_text()
        header.skip_value()
    values = 0
    for _ in range(header.tensors):
        header.skip_text()
        dimensions = header.take(_NUMBER)
        if dimensions > _MOST_DIMENSIONS:
            raise ValueError("a tensor has more dimensions than any has")
        values += math.prod(header.take(_LENGTH) for _ in range(dimensions))
        header.take(_NUMBER)
        header.take(_LENGTH)
    return values
