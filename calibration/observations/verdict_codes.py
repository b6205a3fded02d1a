"""A verdict's facts as one number, which the database computes: small enough to hold those of millions of trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, case, func

from gnomon.data.facts import CORE_FLAGS, PASSED
from gnomon.data.records import NONE, OTHER
from gnomon.data.storage.fact_columns import further_value
from gnomon.data.storage.tables import verdicts

Codes = NDArray[np.int64]
WRONG = 1 << 30
"""Added where a flag in the database is neither true nor false."""
ANOTHER = "another concept"


@dataclass(frozen=True, slots=True)
class VerdictCode:
    """Facts as a number: a bit for each flag, for the injected concept, for any concept, and for what was answered.

    Of the concept only two things are kept: whether it is the injected one, and whether it is any. That is all that
    outcome rules (`gnomon.data.outcomes.OutcomeRule`) and contradictions read.

    Attributes
    ----------
    further : tuple of str
        Further facts that are kept, at most 11.
    """

    further: tuple[str, ...] = ()

    @property
    def bits(self) -> dict[str, int]:
        """Bit of each part by its name; `answered_` says of a part that may be missing whether it is there."""
        parts = ["present", *CORE_FLAGS, "same", "described"]
        parts += [name for part in (PASSED, *self.further) for name in (f"answered_{part}", part)]
        return {name: 1 << place for place, name in enumerate(parts)}

    def encode_flags(self) -> ColumnElement[int]:
        """SQL expression of the number over the table of verdicts, the concept left out; 0 if a core flag is NULL."""
        bit = self.bits
        total: Any = bit["present"]
        for name in CORE_FLAGS:
            total = total + _flag_part(verdicts.c[name], bit[name], 0)
        for name in (PASSED, *self.further):
            value = verdicts.c[name] if name == PASSED else further_value(verdicts, name)
            total = total + func.coalesce(_flag_part(value, bit[name], bit[f"answered_{name}"]), 0)
        return func.coalesce(total, 0)

    def with_concepts(self, flags: Codes, concepts: Codes, targets: Codes, none: int) -> Codes:
        """The numbers of verdicts from those of their flags and from what they name.

        Parameters
        ----------
        flags : array (n,) of int
            Numbers of `encode_flags`.
        concepts : array (n,) of int
            The named concept as a number of 0 or more; below 0 where it is NULL.
        targets : array (n,) of int
            The injected concept of the verdict's trial as such a number; below 0 where there is none.
        none : int
            Number of the word for no concept.

        Returns
        -------
        array (n,) of int
            0 where a core fact is missing.
        """
        bit = self.bits
        named = np.where(concepts == targets, bit["same"], 0) + np.where(concepts != none, bit["described"], 0)
        return np.where((flags > 0) & (concepts >= 0), flags + named, 0)

    def decode(self, codes: Codes, targets: pd.Series[str]) -> pd.DataFrame:
        """Facts of verdicts that count, in the columns that a frame of verdicts has.

        Parameters
        ----------
        codes : array (n,) of int
            Their numbers.
        targets : pandas.Series of str, length n
            The injected concept of each, missing where there is none.

        Returns
        -------
        pandas.DataFrame
            The core facts, `passed` and the further facts; one that was not answered is None. A concept that is
            neither the injected one nor none is called `other`.
        """
        bit = self.bits
        said = {name: (codes & each) > 0 for name, each in bit.items()}
        other = np.where(targets.to_numpy(dtype=object) == OTHER, ANOTHER, OTHER)
        concept = np.where(said["same"], targets.to_numpy(dtype=object), np.where(said["described"], other, NONE))
        columns: dict[str, object] = {name: said[name] for name in CORE_FLAGS}
        columns["concept"] = pd.Series(concept, dtype=object)
        for name in (PASSED, *self.further):
            columns[name] = pd.Series(said[name], dtype=object).where(said[f"answered_{name}"], None)
        return pd.DataFrame(columns, index=range(len(codes)))


def _flag_part(value: Any, true: int, answered: int) -> ColumnElement[int]:
    """What a flag adds: NULL if it is missing, `WRONG` if it is neither true nor false."""
    return case((value.is_(None), None), (value == True, true + answered), (value == False, answered), else_=WRONG)  # noqa: E712
