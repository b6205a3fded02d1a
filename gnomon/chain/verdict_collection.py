"""Runs the judges of an open study, or estimates what that costs, or attacks them with instructions; prints nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import pandas as pd
from pydantic import JsonValue

from gnomon.calibration.results.audit import RecountDocument
from gnomon.chain.judge_materials import gather_judge_materials
from gnomon.chain.session import OpenStudy
from gnomon.data import bundled
from gnomon.data.errors import InputError, JudgeError, UserError
from gnomon.data.results import Estimate, ResultPart
from gnomon.data.storage.pending_verdicts import Conditions, adopt_versions, labelled_in, mark_candidates
from gnomon.data.study_settings import load_settings

if TYPE_CHECKING:
    from gnomon.generation.subjects.loading import LoadedSubject
    from gnomon.judging.config import JudgeConfig
    from gnomon.judging.protocols import Judge
    from gnomon.judging.runs.cost_estimate import CostEstimate
    from gnomon.judging.runs.panel import JudgeReport

Result = TypeVar("Result")
JUDGE_DTYPE = "float32"
"""Number format of a local judge's model: it is part of the judge's version, which is one on all machines."""


@dataclass(frozen=True, slots=True)
class JudgeResults(Generic[Result]):
    """One result for each judge that ran; why some could not be built (`broken`) or stopped early (`failed`)."""

    results: list[Result]
    broken: list[str]
    failed: list[str]

    @property
    def frame(self) -> pd.DataFrame:
        """One row a judge, a column for each value."""
        return pd.DataFrame([_row_of(result) for result in self.results])

    def raise_if_incomplete(self) -> None:
        """Raise `UserError` if a judge could not be built, `JudgeError` if one stopped early."""
        if self.broken:
            raise UserError("; ".join([*self.broken, *self.failed]))
        if self.failed:
            raise JudgeError("; ".join(self.failed))


def _row_of(result: object) -> Mapping[str, object]:
    return result.model_dump() if isinstance(result, ResultPart) else asdict(result)  # type: ignore[call-overload]


class AttackKindCounts(ResultPart):
    """Attacks of one kind, and how many of them changed the verdict."""

    flips: int
    of: int


class FlipRateReport(ResultPart):
    """How often instructions in a response change one judge's verdict.

    `noise` counts differences between two readings of one response without an attack; `unusable` attacks gave no
    verdict; rates have 95 % intervals (Clopper and Pearson).
    """

    judge: str
    version: str
    flips: int
    of: int
    noise: int
    noise_of: int
    unusable: int
    kinds: dict[str, AttackKindCounts]
    flipped: tuple[str, ...]
    usage: dict[str, JsonValue]
    flip_rate: Estimate | None
    noise_rate: Estimate | None


class ReleasedReservation(ResultPart):
    """What runs of a judge that had not ended, and open batches, had set aside, and no longer count as spent.

    `cost` is in `currency`, at the price in the study file: null without one.
    """

    judge: str
    runs: int
    since: str | None
    input_tokens: int
    output_tokens: int
    cost: float | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class ChosenJudges:
    """The judges that a step runs, and why some of the requested ones cannot be built."""

    judges: list[tuple[JudgeConfig, Judge]]
    broken: list[str]


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """Both versions of a comparison, and what asking them gave."""

    versions: tuple[str, str]
    done: JudgeResults[JudgeReport]


@dataclass(frozen=True, slots=True)
class _ComparedPair:
    """Both versions of a comparison, the splits that they are compared on, and those of them that can be asked."""

    versions: tuple[str, str]
    splits: tuple[str, ...]
    asked: ChosenJudges


def collect_verdicts(
    study: OpenStudy, names: Sequence[str] = (), limit: int | None = None
) -> JudgeResults[JudgeReport]:
    """Ask each judge about the trials that it has not judged; a fault of one judge does not stop the others.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    names : sequence of str
        Names of the judges to run; empty for all.
    limit : int, optional
        Largest number of trials per judge; None for all.
    """
    chosen = _choose_judges(study, names)
    adopt_versions(study.store, [judge.version.version for _, judge in chosen.judges])
    return _run_judges(study, chosen, limit)


def collect_comparison(study: OpenStudy, a: str, b: str, limit: int | None = None) -> ComparedRuns:
    """Ask two judges about labelled trials that they have not judged, as far as they are compared on them.

    A version without verdicts stays a candidate until it is asked about all trials: no rate of the study rests on it.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    a, b : str
        Names of judges of the study file; else versions, or their beginnings, that have verdicts and are not asked.
    limit : int, optional
        Largest number of trials per judge; None for all.

    Raises
    ------
    InputError
        If both are the same version.
    """
    pair = _compared_pair(study, a, b)
    mark_candidates(study.store, [judge.version.version for _, judge in pair.asked.judges])
    return ComparedRuns(pair.versions, _run_judges(study, pair.asked, limit, labelled_in(pair.splits)))


def estimate_comparison_cost(study: OpenStudy, a: str, b: str, limit: int | None = None) -> JudgeResults[CostEstimate]:
    """What `collect_comparison` would ask and cost; no judge is asked.

    Parameters
    ----------
    study, a, b, limit
        As for `collect_comparison`.
    """
    from gnomon.judging.runs.cost_estimate import estimate_cost

    pair = _compared_pair(study, a, b)
    only = labelled_in(pair.splits)
    found = [estimate_cost(study.store, judge, config, limit, only) for config, judge in pair.asked.judges]
    return JudgeResults(found, pair.asked.broken, [])


def _compared_pair(study: OpenStudy, a: str, b: str) -> _ComparedPair:
    from gnomon.calibration.comparison.compared_versions import (
        compared_judge,
        find_version,
        versions_with_verdicts,
    )
    from gnomon.calibration.observations.measured_splits import splits_before_test

    listed = {*(spec.name for spec in study.file.judges), *study.broken}
    known = versions_with_verdicts(study.store)
    stored = {name: find_version(known, name) for name in (a, b) if name not in listed}
    wanted = [name for name in dict.fromkeys((a, b)) if name in listed]
    asked = _choose_judges(study, wanted) if wanted else ChosenJudges([], [])
    if asked.broken:
        raise UserError("; ".join(asked.broken))
    built = {config.name: judge.version for config, judge in asked.judges}
    made = {name: compared_judge(name, each.version, each.kind, each.config) for name, each in built.items()}
    first, second = (stored.get(name) or made[name] for name in (a, b))
    if first.version == second.version:
        raise InputError(f"judges '{a}' and '{b}' are the same version {first.version[:12]}: name two to compare")
    return _ComparedPair((first.version, second.version), splits_before_test(first, second), asked)


def _run_judges(
    study: OpenStudy, chosen: ChosenJudges, limit: int | None, only: Conditions = ()
) -> JudgeResults[JudgeReport]:
    from gnomon.judging.runs.panel import run_panel

    with study.listener.track_steps([f"judge {config.name}" for config, _ in chosen.judges]) as advance:
        done = run_panel(
            study.store,
            [judge for _, judge in chosen.judges],
            limit=limit,
            only=only,
            progress=lambda name, got, total: advance[f"judge {name}"](got, total),
        )
    return JudgeResults(list(done), chosen.broken, [report.error for report in done if report.error])


def estimate_judging_cost(
    study: OpenStudy, names: Sequence[str] = (), limit: int | None = None
) -> JudgeResults[CostEstimate]:
    """What asking the judges would cost; no judge is asked.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    names : sequence of str
        Names of the judges; empty for all.
    limit : int, optional
        Largest number of trials per judge; None for all.
    """
    from gnomon.judging.runs.cost_estimate import estimate_cost

    chosen = _choose_judges(study, names)
    found = [estimate_cost(study.store, judge, config, limit) for config, judge in chosen.judges]
    return JudgeResults(found, chosen.broken, [])


def release_reservations(study: OpenStudy, names: Sequence[str] = ()) -> list[ReleasedReservation]:
    """Count what killed runs had set aside as not spent; a run that is still going on is stopped by it.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    names : sequence of str
        Names of the judges; empty for all that a server answers for.
    """
    from gnomon.judging.client.budget import BudgetLedger
    from gnomon.judging.judge_spending import release_reservations
    from gnomon.judging.kinds import JUDGE_KINDS

    wanted = study.file.select_known("judge", [spec.name for spec in study.file.judges], names)
    released = []
    for spec in study.file.judges:
        if spec.name in wanted and JUDGE_KINDS[spec.kind].asks_server:
            before = release_reservations(study.store, spec.name)
            held = before.reserved
            cost = BudgetLedger(spec).highest_cost(held.input, held.output) if spec.price else None
            released.append(
                ReleasedReservation(
                    judge=spec.name,
                    runs=before.unended,
                    since=before.since,
                    input_tokens=held.input,
                    output_tokens=held.output,
                    cost=None if cost is None else round(cost, 6),
                    currency=spec.price.currency if spec.price else None,
                )
            )
    if any(each.input_tokens for each in released):
        study.store.log_event("judge_released", {"released": [each.model_dump(mode="json") for each in released]})
    return released


def attack_judges(study: OpenStudy, names: Sequence[str] = ()) -> JudgeResults[FlipRateReport]:
    """Measure how often the bundled attacks change each judge's verdict; no trial is judged.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    names : sequence of str
        Names of the judges; empty for all.
    """
    chosen = _choose_judges(study, names)
    reports, failed = [], []
    for config, judge in chosen.judges:
        try:
            report = _measure_flips(study, config, judge)
        except (JudgeError, UserError) as error:
            study.listener.tell(f"judge {config.name}: stopped: {error}")
            failed.append(str(error))
            continue
        study.store.log_event("judge_attack", report.model_dump(mode="json"))
        reports.append(report)
    return JudgeResults(reports, chosen.broken, failed)


def _measure_flips(study: OpenStudy, config: JudgeConfig, judge: Judge) -> FlipRateReport:
    from gnomon.calibration.numerics.proportions import clopper_pearson
    from gnomon.judging.protocols import MeteredJudge
    from gnomon.judging.run_state import StoredRunState
    from gnomon.judging.runs.prompt_injection import measure_flip_rate

    version = judge.version
    memory = StoredRunState(study.store, version.name, version.version)
    found = measure_flip_rate(judge, memory)
    usage: Mapping[str, JsonValue] = judge.usage_summary() if isinstance(judge, MeteredJudge) else {}
    counts = {name: value for name, value in asdict(found).items() if name != "kinds"}
    return FlipRateReport(
        judge=config.name,
        version=version.version,
        **counts,
        kinds={kind: AttackKindCounts(flips=hit, of=of) for kind, (hit, of) in found.kinds.items()},
        usage=dict(usage),
        flip_rate=Estimate.from_interval(clopper_pearson(found.flips, found.of)) if found.of else None,
        noise_rate=Estimate.from_interval(clopper_pearson(found.noise, found.noise_of)) if found.noise_of else None,
    )


def _choose_judges(study: OpenStudy, names: Sequence[str]) -> ChosenJudges:
    """Build the judges; one that cannot be built is reported, and the others continue."""
    from gnomon.judging.client.batch_api import PromptingJudge
    from gnomon.judging.registry import build_judge

    known = [*(spec.name for spec in study.file.judges), *study.broken]
    if not known:
        held = "counts, without answers to judge" if study.file.counts else "no judge that can be asked"
        raise InputError(
            f"study '{study.file.name}' has {held}" + ("" if study.file.counts else ": add [[judges]] to study.toml")
        )
    wanted = study.file.select_known("judge", known, names)
    training = bundled.calibration_set().training_pairs()
    concepts = list(load_settings(study.store).concepts)
    materials = gather_judge_materials(study)
    broken = [line for name, line in study.broken.items() if name in wanted]
    judges = []

    def load_model(name: str) -> LoadedSubject:
        return _load_judge_model(study, name)

    for spec in study.file.judges:
        if spec.name in wanted:
            try:
                made = build_judge(spec, concepts, training, load_model, materials)
                _ = made.version
                judges.append((made.config if isinstance(made, PromptingJudge) else spec, made))
            except UserError as error:
                broken.append(f"judge '{spec.name}': {error}" if spec.name not in str(error) else str(error))
    for line in broken:
        study.listener.tell(line)
    return ChosenJudges(judges, broken)


def _load_judge_model(study: OpenStudy, name: str) -> LoadedSubject:
    """Load a language model for a judge, with the loader of the room generation."""
    from gnomon.generation.subjects.loading import load_subject

    study.listener.tell(f"judge's model {name}: loading")
    return load_subject(name, name, dtype=JUDGE_DTYPE)


def recount_verdicts(study: OpenStudy, rule: str | None = None) -> RecountDocument:
    """Recount all stored verdicts under the study's outcome rule and others, by judge and arm. No judge is asked.

    Parameters
    ----------
    study : OpenStudy
        The open study.
    rule : str, optional
        Rule to compare with the study's; None for every rule.

    Raises
    ------
    UnknownNameError
        If there is no such rule.
    """
    from gnomon.calibration.audit.rule_comparison import compare_rules
    from gnomon.data.outcomes import RULES, rule_named

    if rule is not None:
        rule_named(rule)
    rules = list(dict.fromkeys([study.file.rule, *([rule] if rule else RULES)]))
    compared = compare_rules(study.store, rules)
    return RecountDocument(study=study.file.name, rule=study.file.rule, **vars(compared))
