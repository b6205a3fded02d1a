"""Readings: log-probabilities of named options in a subject's logits, stored as facts of a trial. Knows no trials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

ANSWER = "answer"
"""Name of the place at which a subject's answer begins."""


@dataclass(frozen=True, slots=True)
class OptionReading:
    """Log-probabilities of named options for the next token at one place of a trial.

    Attributes
    ----------
    log_probabilities : mapping of str to float
        Natural logarithm of the probability of each option, at most 0: of any of the tokens that stand for it.
    entropy : float
        Entropy of the next token over the whole vocabulary, in nats.
    """

    log_probabilities: Mapping[str, float]
    entropy: float

    @property
    def mass(self) -> float:
        """Probability of all options together, 0 to 1: how far the subject would answer by one of them at all."""
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
        """As it is stored: JSON-able."""
        return {"log_probabilities": dict(self.log_probabilities), "entropy": self.entropy}


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
    options, entropy = found.get("log_probabilities"), found.get("entropy")
    if not isinstance(options, Mapping) or not options or not _is_number(entropy):
        raise ValueError(f"readings at '{place}': needs 'log_probabilities' of at least one option and 'entropy'")
    if wrong := [name for name, value in options.items() if not _is_number(value) or value > 1e-6]:
        raise ValueError(f"readings at '{place}': option '{wrong[0]}' is no log-probability: write a number up to 0")
    return OptionReading({str(name): float(value) for name, value in options.items()}, float(entropy))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
