"""Methods and scales of concept vectors that a study may choose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gnomon.data.errors import InputError
from gnomon.generation.vectors.baseline_words import BASELINE_WORDS

if TYPE_CHECKING:
    from gnomon.generation.vectors.vector_files import VectorSource

MEAN, CONTRAST, PCA, FILE = "mean", "contrast", "pca", "file"
RAW, UNIT, MATCHED = "raw", "unit", "matched"
NORM, KL, ENTROPY = "norm", "kl", "entropy"
EACH = {"kl_each": KL, "entropy_each": ENTROPY}
"""Matches of each trial's own direction, and the effect that is equal."""
MATCHES = (NORM, KL, ENTROPY, *EACH)
METHODS = {
    MEAN: "mean subtraction at the last prompt token",
    CONTRAST: "contrastive pairs at the last prompt token",
    PCA: "first principal direction over paraphrases at the last prompt token",
    FILE: "direction from a file",
}
SCALES = {RAW: "raw", UNIT: "unit", MATCHED: "matched to the residual stream"}


@dataclass(frozen=True)
class VectorMethod:
    """How a study's vectors are made: `method` mean, contrast, pca or file; `scale` raw, unit or matched.

    `match` says what is equal between a concept's vector and the directions of control arms: `norm`, or the effect on
    the next token, `kl` or `entropy`, of drawn directions on average, or with `_each` of each trial's own. `left_out`
    are words, and their plurals, that the baseline does without; `source` are the directions of a file; `lender` is the
    revision of the model whose vectors they are, if that is another.
    """

    method: str = MEAN
    scale: str = RAW
    left_out: tuple[str, ...] = ()
    source: VectorSource | None = None
    match: str = NORM
    lender: str = ""

    @property
    def baseline_words(self) -> tuple[str, ...]:
        """Words whose mean activation is subtracted."""
        without = {form for word in self.left_out for form in (word, f"{word}s", f"{word}es")}
        return tuple(word for word in BASELINE_WORDS if word not in without)

    @property
    def label(self) -> str:
        """What recipes say of the method."""
        shorter = len(self.baseline_words) < len(BASELINE_WORDS) and self.method in (MEAN, PCA)
        return METHODS[self.method] + (", concepts left out of the baseline" if shorter else "")

    def __post_init__(self) -> None:
        """Raise `InputError` for an unknown method, scale or match, or a file that is missing where it is chosen."""
        if self.match not in MATCHES:
            raise InputError(f"vectors: match '{self.match}' is not known: choose from {', '.join(MATCHES)}")
        if (self.method == FILE) != (self.source is not None):
            raise InputError("vectors: method 'file' and a file go together: name both, or neither")
        for name, value, known in (("method", self.method, METHODS), ("scale", self.scale, SCALES)):
            if value not in known:
                raise InputError(f"vectors: {name} '{value}' is not known: choose from {', '.join(known)}")


PLAIN = VectorMethod()
