"""One fit of a study as people read it: estimates, what is withheld and why, draws for ArviZ, charts."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gnomon.chain import fitting
from gnomon.chain.fitting import FitOptions
from gnomon.chain.session import OpenStudy
from gnomon.data.errors import FitFailedError, UnknownNameError
from gnomon.stats.fitted_posterior import PRIOR_DRAWS
from gnomon.stats.model.priors import Priors
from gnomon.stats.narrative.fit_frames import FitFrames, read_fit
from gnomon.stats.results import Diagnostics, EstimateRow, StoredFit, WithheldEstimate

COLUMNS = {"subject": "model", "mean": "estimate", "low95": "ci_low", "high95": "ci_high"}
FIRST = ["model", "estimand", "axis", "value", "estimate", "ci_low", "ci_high", "observed", "n"]


@dataclass(frozen=True)
class StudyFit:
    """A fit of a study, from `Study.fit`.

    Attributes
    ----------
    stored : StoredFit
        The whole fit as it is stored.
    """

    study: OpenStudy
    stored: StoredFit
    options: FitOptions

    @property
    def view(self) -> str:
        """Which fit it is: published, judged or corrected."""
        return self.stored.view

    @property
    def status(self) -> str:
        """`passed`, `failed` (it did not converge) or `refused` (nothing can be estimated)."""
        return self.stored.status

    @property
    def diagnostics(self) -> Diagnostics:
        """R-hat, effective sample sizes, divergences, and why a fit failed."""
        return self.stored.diagnostics

    @property
    def priors(self) -> Priors:
        """The priors that it was made with."""
        return Priors.from_mapping(self.stored.priors)

    @property
    def withheld(self) -> tuple[WithheldEstimate, ...]:
        """Estimates that are not given, and why."""
        return self.stored.result.refused

    @property
    def estimates(self) -> pd.DataFrame:
        """Posterior means with 95 % credible intervals, as fractions.

        Columns model, estimand, axis and value ("" over the whole design), estimate, ci_low, ci_high, observed (the
        same formula on raw counts), n, and further limits. Raises `FitFailedError` if the fit did not converge.
        """
        frame = self.frames.estimands.rename(columns=COLUMNS)
        ordered = [name for name in FIRST if name in frame]
        return frame[[*ordered, *(name for name in frame if name not in ordered)]]

    @property
    def frames(self) -> FitFrames:
        """The fit as tidy frames; raises `FitFailedError` if it did not converge."""
        self.raise_if_failed()
        return read_fit(self.stored)

    @property
    def plot(self) -> FitPlots:
        """Charts of the fit."""
        return FitPlots(self)

    def estimate(self, name: str, model: str | None = None) -> EstimateRow:
        """One estimate over the whole design of a model.

        Parameters
        ----------
        name : str
            The estimand, for example `net_detection_corrected`.
        model : str, optional
            The language model; needed if the study has several.

        Raises
        ------
        UnknownNameError
            If the fit has no such estimate; the message says why it is withheld, or which there are.
        FitFailedError
            If the fit did not converge.
        """
        self.raise_if_failed()
        rows = self.stored.result.overall_estimates
        named = [row for row in rows if row.estimand == name and model in (None, row.subject)]
        if len(named) == 1:
            return named[0]
        if named:
            models = ", ".join(row.subject for row in named)
            raise UnknownNameError(f"estimate '{name}': there are several models: choose one with model= ({models})")
        raise UnknownNameError(f"estimate '{name}'{_of_model(model)}: {self._reason_absent(name, model, rows)}")

    def to_inference_data(self, prior_draws: int = PRIOR_DRAWS) -> Any:
        """All draws as `arviz.InferenceData`: posterior, log_likelihood, observed_data, prior; named dimensions.

        Parameters
        ----------
        prior_draws : int
            Number of draws from the priors; 0 leaves them out.

        Raises
        ------
        NotEnoughDataError
            If the fit did not pass.
        InputError
            If trials, verdicts or labels have changed since.
        """
        return fitting.fit_posterior(self.study, self.stored, self.options).to_inference_data(prior_draws)

    def raise_if_failed(self) -> None:
        """Raise `FitFailedError` if the fit did not converge."""
        raise_failed_fit(self.stored)

    def _reason_absent(self, name: str, model: str | None, rows: Sequence[EstimateRow]) -> str:
        for line in self.withheld:
            if line.estimand in (name, "all") and (model is None or line.subject in (model, None, "all subjects")):
                return f"is withheld: {line.reason}"
        names, models = dict.fromkeys(row.estimand for row in rows), dict.fromkeys(row.subject for row in rows)
        return f"is not in this fit: it has {', '.join(names) or 'none'} of {', '.join(models) or 'no model'}"

    def _repr_html_(self) -> str:
        """The notebook's view: status, estimates over the whole design, what is withheld."""
        head = f"<p>fit <b>{html.escape(self.view)}</b>: {html.escape(self.status)}</p>"
        if self.stored.has_failed:
            return head + "".join(f"<p>{html.escape(reason)}</p>" for reason in self.diagnostics.reasons)
        shown = self.estimates
        shown = shown[shown["axis"] == ""] if len(shown) else shown
        columns = [name for name in ("model", "estimand", "estimate", "ci_low", "ci_high") if name in shown]
        table = shown[columns].to_html(index=False, float_format="{:.3f}".format)
        lines = "".join(
            f"<li>{html.escape(line)}</li>"
            for line in dict.fromkeys(f"{each.estimand}: {each.reason}" for each in self.withheld)
        )
        return head + table + (f"<p>Not given:</p><ul>{lines}</ul>" if lines else "")


@dataclass(frozen=True)
class FitPlots:
    """Altair charts of a fit."""

    fit: StudyFit

    def scaling(self, estimand: str) -> Any:
        """An estimand over model size, with the regression line; raises `UnknownNameError` if it is not in the fit."""
        from gnomon.stats.charts import estimate_charts

        frames = self.fit.frames
        return estimate_charts.scaling_chart(self._select_rows(estimand, ""), frames.curve, estimand=estimand)

    def forest(self) -> Any:
        """All estimates over the whole design, one row each."""
        from gnomon.stats.charts import estimate_charts

        frame = self.fit.frames.estimands
        return estimate_charts.forest_plot(frame[frame["axis"] == ""])

    def by_concept(self, estimand: str) -> Any:
        """An estimand by concept, one panel a model; raises `UnknownNameError` if it is not in the fit."""
        from gnomon.stats.charts import estimate_charts

        return estimate_charts.concept_chart(self._select_rows(estimand, "concept"), estimand=estimand)

    def by_strength(self, estimand: str) -> Any:
        """An estimand by strength, one panel a model; raises `UnknownNameError` if it is not in the fit."""
        from gnomon.stats.charts import estimate_charts

        return estimate_charts.strength_chart(self._select_rows(estimand, "strength"), estimand=estimand)

    def _select_rows(self, estimand: str, axis: str) -> pd.DataFrame:
        rows = self.fit.frames.estimates_by_axis(estimand, axis)
        if not len(rows):
            frame = self.fit.frames.estimands
            known = ", ".join(dict.fromkeys(frame.loc[frame["axis"] == axis, "estimand"])) or "none"
            if reasons := [each.reason for each in self.fit.withheld if each.estimand == estimand and axis in each.by]:
                raise UnknownNameError(f"estimand '{estimand}': is withheld by {axis}: {reasons[0]}")
            raise UnknownNameError(f"estimand '{estimand}': is not in this fit{' by ' + axis if axis else ''}: {known}")
        return rows


def raise_failed_fit(stored: StoredFit) -> None:
    """Raise `FitFailedError` if a stored fit did not converge."""
    if stored.has_failed:
        reasons = "; ".join(stored.diagnostics.reasons)
        raise FitFailedError(
            f"fit '{stored.view}' failed: {reasons}: raise 'draws' and 'tune' under [fit] and fit again"
        )


def _of_model(model: str | None) -> str:
    return "" if model is None else f" of '{model}'"
