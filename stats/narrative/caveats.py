"""What a reader must know of a whole study's estimates, wherever one of them is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gnomon.calibration.transport.transport_audit import audit_external
from gnomon.calibration.transport.transport_results import TransportDecision, TransportOutcome
from gnomon.data.errors import InputError
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.narrative.formatting import join_names
from gnomon.stats.outdated_fits import FACTS

PUBLISHED_VIEW = "published"
COUNTS_ONLY = (
    "Counts only: as far as they do not show which trials shared a concept, layer or strength, intervals are for "
    "exactly the conditions that were run; for other concepts, layers or strengths they are far too narrow, about ten "
    "times on a public sweep of one of the published models (docs/reanalysis.md)."
)
COUNTS_WITHOUT_CORRECTION = (
    "This study holds counts only, without responses, verdicts or labels, so the judge's error rates by arm are not "
    "known: corrected estimates do not exist for it."
)


def study_caveats(views: Iterable[str]) -> tuple[str, ...]:
    """Warnings for the estimates of some fits, by their views; most studies have none."""
    return (COUNTS_ONLY,) if any(view.split(":")[0] == PUBLISHED_VIEW for view in views) else ()


def external_caveats(store: Store) -> tuple[str, ...]:
    """What a reader of corrected estimates must know of judges' errors that come from another study; most have none."""
    external = load_settings(store).external
    try:
        audits = audit_external(store, external) if external else []
    except InputError as error:  # a field that no trial has
        return (f"Corrected estimates use errors of another study, and that they hold here was not checked: {error}.",)
    return tuple(_external_caveat(audit.judge, each) for audit in audits for each in audit.decisions)


def _external_caveat(judge: str, decision: TransportDecision) -> str:
    errors = f"Corrected estimates use errors of {judge} in the {decision.name} arm that were counted in another study"
    if decision.outcome is TransportOutcome.PASS:
        return f"{errors}; that they hold here passed the check against the margin said beforehand."
    found = f"{decision.outcome}: {decision.reason}"
    if decision.unchecked:
        return f"{errors}, unchecked, as the study file says (unchecked = true; {found})."
    return (
        f"{errors}, and it is not shown that they hold here ({found}): say a margin under [transport] in study.toml "
        "and label more, or write unchecked = true."
    )


def outdated_sentence(view: str, what: Sequence[str]) -> str:
    """That a fit is older than what it is of.

    Parameters
    ----------
    view : str
        View of the fit.
    what : sequence of str
        What has changed since (`gnomon.stats.outdated_fits`).
    """
    has = "has" if len(what) == 1 and what[0] not in FACTS else "have"
    return f"Since the fit '{view}' was made, {join_names(list(what))} {has} changed: its estimates are out of date."
