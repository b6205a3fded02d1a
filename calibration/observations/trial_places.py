"""Finding millions of trial ids among a million of them, exactly."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

ABSENT = -1
_WORD = 8
_ODD = 0x9E3779B97F4A7C15
"""An odd number (2^64 over the golden ratio): its powers mix the words of an id."""

Words = NDArray[np.uint64]
Places = NDArray[np.int64]


def sorted_order(ids: pa.Array) -> NDArray[np.intp]:
    """Places of ids in ascending order of their bytes."""
    words = _id_words(ids)
    if words is None:
        return np.asarray(compute.sort_indices(ids).to_numpy(), dtype=np.intp)
    return np.argsort(words.view(f"S{words.shape[1] * _WORD}").ravel())


class TrialPlaces:
    """The places of trials by their ids.

    Ids of one length, as those that a study makes, are looked up by a number of 64 bits that is made of their bytes,
    and then compared byte by byte; this takes a third of the time of a table of texts, which any others are looked
    up in.

    Parameters
    ----------
    ids : pyarrow.Array of string
        The ids, none twice.
    """

    def __init__(self, ids: pa.Array) -> None:
        self._ids = ids
        self._words = _id_words(ids)
        self._index = None if self._words is None else pd.Index(_mixed(self._words))

    def places_of(self, asked: pa.Array) -> Places:
        """The place of each of some ids, `ABSENT` where it is none of these trials."""
        words = _id_words(asked)
        if self._words is None or words is None or self._index is None or not self._index.is_unique:
            found = compute.index_in(asked, value_set=self._ids)
            return np.asarray(compute.fill_null(found, ABSENT).to_numpy(zero_copy_only=False), dtype=np.int64)
        if words.shape[1] != self._words.shape[1]:
            return np.full(len(asked), ABSENT, dtype=np.int64)
        places = np.asarray(self._index.get_indexer(pd.Index(_mixed(words))), dtype=np.int64)
        same = (self._words[places] == words).all(axis=1)
        return np.where(same, places, ABSENT)


def _id_words(ids: pa.Array) -> Words | None:
    """The bytes of ids as numbers of 64 bits (ids, words); None unless all have one length of whole words."""
    if not len(ids) or ids.null_count:
        return None
    _, offsets, text = ids.buffers()
    ends = np.frombuffer(offsets, dtype=np.int32)[ids.offset : ids.offset + len(ids) + 1]
    width = int(ends[1] - ends[0])
    if not width or width % _WORD or (np.diff(ends) != width).any():
        return None
    words = np.frombuffer(text, dtype=np.uint64, count=len(ids) * width // _WORD, offset=int(ends[0]))
    return words.reshape(len(ids), width // _WORD)


def _mixed(words: Words) -> Words:
    factors = [pow(_ODD, place + 1, 1 << 64) for place in range(words.shape[1])]
    return cast(Words, (words * np.array(factors, dtype=np.uint64)).sum(axis=1, dtype=np.uint64))
