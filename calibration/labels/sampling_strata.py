"""Strata from which the label queue samples trials; a label keeps its stratum and its inclusion probability."""

from __future__ import annotations

DISPUTED = "disputed"
UNCERTAIN = "uncertain"
AUDIT = "audit"
RANDOM = "random"
PICKED = "picked"
"""Chosen by a person who may have read the trial, its verdicts too: of unknown probability, and no random draw."""
BY_VERDICT = (DISPUTED, UNCERTAIN, PICKED)
RANDOM_STRATA = ("all", AUDIT, RANDOM)

SECOND = "second"
ADJUDICATE = "adjudicate"
LOOKS_AGAIN = (SECOND, ADJUDICATE)
