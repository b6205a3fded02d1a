"""Estimands that labels are planned for and panels estimate: signed sums of arms' rates, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gnomon.calibration.numerics.rating_arrays import Floats
from gnomon.calibration.posterior.judge_panel import PanelPosterior
from gnomon.calibration.posterior.verdict_patterns import Question
from gnomon.data.arms import EVENT_RATE
from gnomon.data.errors import InputError
from gnomon.data.records import Arm

NET = "net_detection_corrected"
RATE = EVENT_RATE
FITTED_RATES = {"identification_corrected": str(Arm.INJECTION), "false_alarm_corrected": str(Arm.CONTROL)}
"""Rates of one arm under the names that a corrected fit gives them; the uncorrected names mean the same."""
CORRECTED = "_corrected"


@dataclass(frozen=True, slots=True)
class PlanTarget:
    """An estimand as a signed sum of arms' rates, and what is counted in them."""

    name: str
    signs: Mapping[str, int]
    question: Question = "event"

    @classmethod
    def from_name(cls, name: str) -> PlanTarget:
        """`net_detection_corrected` (identified in injection minus not denied in control), `identification_corrected`,
        `false_alarm_corrected`, or for any arm `event_rate_ARM` (or `event_rate_ARM_corrected`, as a fit names it).

        Raises
        ------
        InputError
            If the name is none of these.
        """
        if name == NET:
            return cls(name, {str(Arm.INJECTION): 1, str(Arm.CONTROL): -1}, "not_denied")
        full = name if name in FITTED_RATES else f"{name}{CORRECTED}"
        if full in FITTED_RATES:
            return cls(full, {FITTED_RATES[full]: 1})
        arms = {f"{RATE}{arm}": str(arm) for arm in Arm}
        name = name.removesuffix(CORRECTED) if name.removesuffix(CORRECTED) in arms else name
        if name not in arms:
            known = ", ".join([NET, *FITTED_RATES, *arms])
            raise InputError(f"estimand '{name}' cannot be planned for: choose from {known}")
        return cls(name, {arms[name]: 1})

    def posterior_draws(self, posteriors: Mapping[str, PanelPosterior]) -> Floats:
        """Posterior draws of the estimand; arms are independent."""
        return np.asarray(sum(sign * posteriors[arm].rate for arm, sign in self.signs.items()))
