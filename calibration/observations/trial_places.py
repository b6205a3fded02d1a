"""Finding millions of trial ids among a million of them, exactly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TypeAlias, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from gnomon.data.storage.columns.column_batches import check_texts, equal_width_bytes

ABSENT = -1
_WORD = 8
_PORTION = 100_000
_ODD = 0x9E3779B97F4A7C15
"""An odd number (2^64 over the golden ratio): its powers mix the words of an id."""

Words: TypeAlias = NDArray[np.uint64]
Places: TypeAlias = NDArray[np.int64]


class TrialIds:
    """A column of trial ids, in the space that it needs.

    Ids of one length, as those that a study makes, are held as numbers of 64 bits that are made of their bytes, and
    any others as texts.

    Parameters
    ----------
    values : sequence of object
        The ids.

    Raises
    ------
    StoreError
        If one is no text.
    """

    def __init__(self, values: Sequence[object]) -> None:
        check_texts(values)
        self.words: Words | None = None
        """The ids as numbers (ids, words), if all have one length of whole words."""
        self._texts: list[str] = []
        found = equal_width_bytes(values)
        if found is not None and not found.shape[1] % _WORD:
            self.words = found.view(np.uint64)
        else:
            self._texts = list(cast(Sequence[str], values))

    @classmethod
    def joined(cls, columns: Sequence[TrialIds]) -> TrialIds:
        """The ids of several columns as one."""
        parts = [column.words for column in columns if column.words is not None]
        if len(parts) != len(columns) or len({part.shape[1] for part in parts}) != 1:
            return cls(list(chain.from_iterable(column.texts() for column in columns)))
        made = cls(())
        made.words = np.concatenate(parts)
        return made

    def __len__(self) -> int:
        """Number of ids."""
        return len(self._texts) if self.words is None else len(self.words)

    def texts(self) -> list[str]:
        """The ids as texts."""
        if self.words is None:
            return self._texts
        width = self.words.shape[1] * _WORD
        whole = self.words.tobytes().decode("ascii")
        return [whole[place : place + width] for place in range(0, len(whole), width)]

    def series(self) -> pd.Series[str]:
        """The ids as a series of texts, made in portions: a million objects would take more than the result."""
        parts = [self.take(places) for places in _portions(len(self))]
        made = [pd.Series(part.texts(), dtype="str") for part in parts]
        return pd.concat(made, ignore_index=True) if made else pd.Series([], dtype="str")

    def sorted_order(self) -> NDArray[np.intp]:
        """Places of the ids in ascending order."""
        if self.words is None:
            return np.array(sorted(range(len(self._texts)), key=self._texts.__getitem__), dtype=np.intp)
        return np.argsort(self.words.view(f"S{self.words.shape[1] * _WORD}").ravel())

    def take(self, places: NDArray[np.intp]) -> TrialIds:
        """The ids at some places."""
        if self.words is None:
            return TrialIds([self._texts[place] for place in places])
        made = TrialIds(())
        made.words = self.words[places]
        return made


class TrialPlaces:
    """The places of trials by their ids.

    Ids of one length are looked up by a number of 64 bits that is made of their bytes, and then compared byte by byte;
    this takes a third of the time of a table of texts, which any others are looked up in.

    Parameters
    ----------
    ids : TrialIds
        The ids, none twice.
    """

    def __init__(self, ids: TrialIds) -> None:
        self._ids = ids
        self._index = None if ids.words is None else pd.Index(_mixed(ids.words))
        self._by_text: dict[str, int] | None = None

    def places_of(self, asked: TrialIds) -> Places:
        """The place of each of some ids, `ABSENT` where it is none of these trials."""
        known, words = self._ids.words, asked.words
        if known is None or words is None or self._index is None or not self._index.is_unique:
            if self._by_text is None:
                self._by_text = {text: place for place, text in enumerate(self._ids.texts())}
            return np.array([self._by_text.get(text, ABSENT) for text in asked.texts()], dtype=np.int64)
        if words.shape[1] != known.shape[1]:
            return np.full(len(asked), ABSENT, dtype=np.int64)
        places = np.asarray(self._index.get_indexer(pd.Index(_mixed(words))), dtype=np.int64)
        same = (known[places] == words).all(axis=1)
        return np.where(same, places, ABSENT)


def _portions(count: int) -> Iterator[NDArray[np.intp]]:
    for start in range(0, count, _PORTION):
        yield np.arange(start, min(start + _PORTION, count), dtype=np.intp)


def _mixed(words: Words) -> Words:
    factors = [pow(_ODD, place + 1, 1 << 64) for place in range(words.shape[1])]
    return cast(Words, (words * np.array(factors, dtype=np.uint64)).sum(axis=1, dtype=np.uint64))
