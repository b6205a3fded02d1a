"""What a judge of a study is fooled by: from its store to section `susceptibility` of a calibration card."""

from __future__ import annotations

from collections.abc import Iterator

from gnomon.calibration.comparison.compared_versions import find_version, versions_with_verdicts
from gnomon.calibration.error_rates.confusion import collect_evidence
from gnomon.calibration.observations.measured_splits import splits_before_test
from gnomon.calibration.susceptibility.covariate_effects import covariate_effects
from gnomon.calibration.susceptibility.error_covariates import COVARIATES, covariate_frame
from gnomon.calibration.susceptibility.susceptibility_results import (
    CovariateEffect,
    ErrorKind,
    JudgeSusceptibility,
)
from gnomon.data.storage.store import Store

ERROR_WORDS = {
    ErrorKind.FALSE_ALARM: "false alarms",
    ErrorKind.MISS: "misses",
    ErrorKind.WRONG_PASS: "wrong positives",
}


def judge_susceptibility(store: Store, version: str, view: str) -> JudgeSusceptibility | None:
    """Which properties of trials go with a judge's errors, by the labels of one view; None without a labelled trial.

    Measured on the splits that the judge is measured on, the test split left out: nothing here is a look at it.

    Parameters
    ----------
    store : Store
        Store of the study.
    version : str
        Judge version.
    view : {"blind", "first", "current"}
        Label view (`gnomon.calibration.labels.views`).
    """
    splits = splits_before_test(find_version(versions_with_verdicts(store), version))
    pairs = collect_evidence(store, [version], view, splits=splits)[0].pairs
    if pairs.empty:
        return None
    rows = pairs.merge(covariate_frame(store, version, view, pairs["trial"].tolist()), on="trial")
    effects = covariate_effects(rows, COVARIATES)
    family = sum(each.p_exact is not None for each in effects)
    return JudgeSusceptibility(
        version=version,
        view=view,
        splits=splits,
        labelled=len(rows),
        family=family,
        effects=tuple(effects),
        words=tuple(_sentences(effects, family, len(rows), view)),
    )


def _sentences(effects: list[CovariateEffect], family: int, labelled: int, view: str) -> Iterator[str]:
    shown = [each for each in effects if each.is_shown]
    for each in shown:
        yield _effect_sentence(each)
    if not family:
        yield f"{labelled:,} labelled trials are too few to say what this judge is fooled by."
        return
    if not shown:
        yield f"None of {family} tests shows an error that depends on a property of the trial, which proves no absence."
    yield (
        f"Within arms, on {labelled:,} trials with {view} labels outside the test split; exact tests with Holm's "
        f"correction for {family}. What goes along with a property is in its difference."
    )


def _effect_sentence(effect: CovariateEffect) -> str:
    having, lacking, difference = effect.having.share, effect.lacking.share, effect.difference
    if having is None or lacking is None or difference is None:
        return f"{ERROR_WORDS[effect.error].capitalize()} depend on: {effect.about}."
    low, high = 100 * difference.low, 100 * difference.high
    return (
        f"{ERROR_WORDS[effect.error].capitalize()} among {effect.about}: {100 * having.value:.0f} % against "
        f"{100 * lacking.value:.0f} % of the others, {100 * difference.value:+.0f} points ({low:+.0f} to {high:+.0f})."
    )
