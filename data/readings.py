"""Readings: log-probabilities of named options in a subject's logits, stored as facts of a trial. Knows no trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

ANSWER = "answer"
"""Name of the place at which a subject's answer begins."""
LARGEST = 1e-6
"""Log-probability up to which a rounding error of a sum of probabilities may be stored."""
SLACK = 1e-3
"""By how much the sum of stored probabilities may differ from 1: readings of half precision are rounded."""
UNKNOWN = math.nan
"""Entropy or mass that is not known: one object, so that readings without it are equal."""


@dataclass(frozen=True, slots=True)
class OptionReading:
    """Log-probabilities of named options for the next token at one place of a trial.

    Attributes
    ----------
    log_probabilities : mapping of str to float
        Natural logarithm of the probability of each option, at most 0: of any of the tokens that stand for it.
    entropy : float
        Entropy of the next token over the whole vocabulary, in nats; NaN where it was not recorded.
    relative : bool
        Whether the probabilities are shares among the options, because only the options' logits are known: they sum to
        1, and how probable the options were in the vocabulary is not known.
    """

    log_probabilities: Mapping[str, float]
    entropy: float = UNKNOWN
    relative: bool = False

    @classmethod
    def from_logits(cls, logits: Mapping[str, float]) -> OptionReading:
        """A reading of which only the options' logits are known: their differences are kept, their mass is not known.

        Raises
        ------
        ValueError
            If there are fewer than two options, or a logit is no finite number.
        """
        if len(logits) < 2 or not all(_is_number(value) for value in logits.values()):
            raise ValueError("logits of options: give a finite number for each of at least two")
        most = max(logits.values())
        whole = most + math.log(math.fsum(math.exp(value - most) for value in logits.values()))
        return cls({name: min(0.0, value - whole) for name, value in logits.items()}, relative=True)

    @property
    def mass(self) -> float:
        """Probability of all options together, 0 to 1: how far the subject would answer by one of them at all. NaN
        where the probabilities are relative.
        """
        if self.relative:
            return UNKNOWN
        return math.fsum(math.exp(value) for value in self.log_probabilities.values())

    @property
    def shares(self) -> dict[str, float]:
        """Probability of each option given that one of them is chosen; they sum to 1."""
        most = max(self.log_probabilities.values())
        weights = {name: math.exp(value - most) for name, value in self.log_probabilities.items()}
        whole = math.fsum(weights.values())
        return {name: weight / whole for name, weight in weights.items()}

    def log_odds(self, option: str, other: str) -> float:
        """Log-odds of one option against another, in nats.

        Parameters
        ----------
        option, other : str
            Names of options.
        """
        return self.log_probabilities[option] - self.log_probabilities[other]

    def as_document(self) -> dict[str, object]:
        """As it is stored: JSON-able. What is not known is null, and `relative` is there only where it is true."""
        entropy = None if math.isnan(self.entropy) else self.entropy
        made: dict[str, object] = {"log_probabilities": dict(self.log_probabilities), "entropy": entropy}
        return {**made, "relative": True} if self.relative else made


Readings = Mapping[str, OptionReading]
"""Readings of a trial by the name of the place."""


def readings_document(readings: Readings | None) -> dict[str, object] | None:
    """Readings as they are stored; None where nothing was read."""
    return {place: reading.as_document() for place, reading in readings.items()} if readings else None


def parse_readings(document: object) -> Readings | None:
    """Readings of a stored document; None where it is None.

    Raises
    ------
    ValueError
        If it is not what `readings_document` writes.
    """
    if document is None:
        return None
    if not isinstance(document, Mapping) or not document:
        raise ValueError("readings: not a table of places")
    return {str(place): _parse_reading(str(place), content) for place, content in document.items()}


def _parse_reading(place: str, content: object) -> OptionReading:
    found = content if isinstance(content, Mapping) else {}
    options, entropy, relative = found.get("log_probabilities"), found.get("entropy"), found.get("relative", False)
    if not isinstance(options, Mapping) or not options or "entropy" not in found or not isinstance(relative, bool):
        raise ValueError(f"readings at '{place}': needs 'log_probabilities' of at least one option and 'entropy'")
    if entropy is not None and not _is_number(entropy):
        raise ValueError(f"readings at '{place}': 'entropy' is no number: write one, or null where it is not known")
    if wrong := [name for name, value in options.items() if not _is_number(value) or value > LARGEST]:
        raise ValueError(f"readings at '{place}': option '{wrong[0]}' is no log-probability: write a number up to 0")
    whole = math.fsum(math.exp(value) for value in options.values())
    if whole > 1 + SLACK or (relative and whole < 1 - SLACK):
        raise ValueError(f"readings at '{place}': probabilities of its options add up to {whole:.4g}: correct them")
    known = UNKNOWN if entropy is None else float(entropy)
    return OptionReading({str(name): float(value) for name, value in options.items()}, known, relative)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
