"""Strata from which the label queue samples trials; a label keeps its stratum and its inclusion probability."""

from __future__ import annotations

DISPUTED = "disputed"
UNCERTAIN = "uncertain"
AUDIT = "audit"
RANDOM = "random"
BY_VERDICT = (DISPUTED, UNCERTAIN)
RANDOM_STRATA = ("all", AUDIT, RANDOM)

SECOND = "second"
ADJUDICATE = "adjudicate"
LOOKS_AGAIN = (SECOND, ADJUDICATE)
