"""Methods and scales of concept vectors that a study may choose."""

from __future__ import annotations

from dataclasses import dataclass

from gnomon.data.errors import InputError

MEAN, CONTRAST, PCA = "mean", "contrast", "pca"
RAW, UNIT, MATCHED = "raw", "unit", "matched"
METHODS = {
    MEAN: "mean subtraction at the last prompt token",
    CONTRAST: "contrastive pairs at the last prompt token",
    PCA: "first principal direction over paraphrases at the last prompt token",
}
SCALES = {RAW: "raw", UNIT: "unit", MATCHED: "matched to the residual stream"}


@dataclass(frozen=True)
class VectorMethod:
    """How a study's vectors are made: `method` mean, contrast or pca; `scale` raw, unit or matched."""

    method: str = MEAN
    scale: str = RAW

    def __post_init__(self) -> None:
        """Raise `InputError` for an unknown method or scale."""
        for name, value, known in (("method", self.method, METHODS), ("scale", self.scale, SCALES)):
            if value not in known:
                raise InputError(f"vectors: {name} '{value}' is not known: choose from {', '.join(known)}")


PLAIN = VectorMethod()
