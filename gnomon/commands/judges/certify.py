"""`gnomon certify`, `gnomon transport`, `gnomon drift`: what is shown of a rate, and of errors elsewhere and later."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gnomon.api.study import open_study
from gnomon.calibration.numerics.number_formats import difference_with_interval
from gnomon.calibration.observations.frames import judge_frame
from gnomon.calibration.sequential.look_record import record_look
from gnomon.calibration.sequential.running_errors import running_errors
from gnomon.calibration.sequential.sequential_results import Certificate, RunningErrors
from gnomon.calibration.sequential.study_certificate import CertificatePlan, certify_rate
from gnomon.calibration.transport.equivalence import rate_phrase
from gnomon.calibration.transport.transport_audit import TransportPlan, audit_transport, planned_transport
from gnomon.calibration.transport.transport_results import TransportAudit
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.storage.engines import is_read_only
from gnomon.stats.narrative.formatting import format_percent

if TYPE_CHECKING:
    from gnomon.data.storage.store import Store

FIXED_LOOK = "certificate_look"
"""Kind of the event that a fixed look at a statement leaves."""


def certify_statement(
    folder: Path, statement: str, judge: str | None, error: float, model: str | None, *, once: bool
) -> Certificate:
    """Test a statement on a true rate; labels of the test split count as one look at them.

    Parameters
    ----------
    folder : Path
        The study's folder.
    statement : str
        Such as `control.claim < .05`.
    judge : str, optional
        Name or version; None for the study's first judge with verdicts.
    error : float
        Greatest probability of a wrong decision.
    model : str, optional
        Only this model; None for all together.
    once : bool
        Whether this is a fixed look, which earlier ones at the same statement make dearer.

    Raises
    ------
    InputError
        If a fixed look cannot be counted, because the study is read-only.
    """
    with open_study(folder) as study:
        store = study.opened.store
        if once and is_read_only(store.engine):
            raise InputError(f"{folder}: is read-only, and a fixed look would not be counted: leave --once out")
        look = 1 + _fixed_looks(store, statement, model) if once else 1
        plan = CertificatePlan(error=error, anytime=not once, look=look, subject=model)
        found = certify_rate(store, statement, judge or _first_judge(store), plan)
        if once:
            store.log_event(FIXED_LOOK, {"statement": _key(statement), "model": model})
        if found.labelled:
            record_look(store, {"views": [found.view], "judges": [found.version], "labels": found.labelled})
    return found


def _fixed_looks(store: Store, statement: str, model: str | None) -> int:
    """Earlier fixed looks at a statement."""
    wanted = {"statement": _key(statement), "model": model}
    return sum(detail == wanted for detail in store.event_details(FIXED_LOOK))


def _key(statement: str) -> str:
    return "".join(statement.split())


def check_transport(
    folder: Path, axis: str, judge: str | None, margin: float | None, learnt: Sequence[str]
) -> TransportAudit:
    """Whether a judge's errors are the same in each place of a study as elsewhere in it.

    Parameters
    ----------
    folder : Path
        The study's folder.
    axis : str
        subject, concept, protocol, date, or a field that trials carry.
    judge : str, optional
        Name or version; None for the study's first judge with verdicts.
    margin : float, optional
        Greatest difference that does not matter; None for that of the study file.
    learnt : sequence of str
        Places where the errors are learnt; empty for all others, in turn.
    """
    with open_study(folder) as study:
        said = planned_transport(study.opened.store)
        plan = TransportPlan(said.margin if margin is None else margin, said.error, tuple(learnt))
        return audit_transport(study.opened.store, judge or _first_judge(study.opened.store), axis, plan)


def follow_errors(folder: Path, judge: str | None, view: str | None, error: float) -> RunningErrors:
    """A judge's running error rates, and whether they have drifted.

    Parameters
    ----------
    folder : Path
        The study's folder.
    judge : str, optional
        Name or version; None for the study's first judge with verdicts.
    view : str, optional
        Label view; None for the study's.
    error : float
        Greatest probability that drift is told where there is none.
    """
    with open_study(folder) as study:
        return running_errors(study.opened.store, judge or _first_judge(study.opened.store), view, error=error)


def _first_judge(store: Store) -> str:
    names = judge_frame(store)["name"].tolist()
    if not names:
        raise NotEnoughDataError("no judge has a verdict: run 'gnomon judge' first")
    return str(names[0])


def print_certificate(found: Certificate) -> None:
    """Print what is shown, and the limits by each way."""
    typer.echo(found.words)
    for way in found.ways:
        counts = ", ".join(f"{part.name} {part.events:.0f} of {part.of:.0f}" for part in way.parts)
        typer.echo(f"  by {way.way}: {format_percent(way.low, 1)} to {format_percent(way.high, 1)} ({counts})")


def exit_if_not_shown(found: Certificate) -> None:
    """End with status 1 where the statement is refuted or undecided."""
    if not found.is_shown:
        raise typer.Exit(1)


def print_transport(audit: TransportAudit) -> None:
    """Print what was decided, and the rates of each place."""
    typer.echo(audit.words)
    for each in audit.decisions:
        typer.echo(f"{each.name}: {each.outcome}: {each.reason}")
        for rate in each.rates:
            gap = rate.difference
            told = "" if gap is None else f": {difference_with_interval(gap)}, {100 * gap.level:g} % interval"
            typer.echo(f"  {rate_phrase(rate)}{told}")


def print_running(errors: RunningErrors) -> None:
    """Print the running rates and what has drifted."""
    typer.echo(errors.words)
