"""Commands that run judges: judge, cost estimate, prompt-injection test, recount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from gnomon.calibration.results.audit import RecountDocument
from gnomon.console import print_json, print_status, progress_bars
from gnomon.data import bundled
from gnomon.data.errors import JudgeError, UserError
from gnomon.data.study_settings import load_settings
from gnomon.render import verdicts as render_verdicts
from gnomon.session import Study

if TYPE_CHECKING:
    from gnomon.judging.config import JudgeConfig
    from gnomon.judging.protocols import Judge


@dataclass(frozen=True, slots=True)
class ChosenJudges:
    """The judges that a command runs, and why some of the requested ones cannot be built."""

    judges: list[tuple[JudgeConfig, Judge]]
    broken: list[str]


def run_judges(
    study: Study,
    names: Sequence[str],
    limit: int | None = None,
    json: bool = False,
    *,
    dry_run: bool = False,
    attack: bool = False,
) -> list[dict[str, Any]]:
    """Ask each judge about the trials that it has not judged; a fault of one judge does not stop the others.

    Parameters
    ----------
    study : Study
        The open study.
    names : sequence of str
        Names of the judges to run; empty for all.
    limit : int, optional
        Largest number of trials per judge; None for all.
    json : bool
        Whether to print one JSON document.
    dry_run : bool
        Whether to estimate calls and cost instead; no judge is asked.
    attack : bool
        Whether to run the prompt-injection test instead; no trial is judged.

    Returns
    -------
    list of dict
        One document per judge: its run, its cost estimate, or its result in the test.

    Raises
    ------
    UserError
        After the others have run, if a requested judge cannot be built.
    JudgeError
        After the others have run, if a judge stopped early.
    """
    chosen = _choose_judges(study, names)
    for line in chosen.broken:
        print_status(line)
    if dry_run:
        documents, failed = _cost_estimates(study, chosen, limit), list[str]()
    elif attack:
        documents, failed = _test_prompt_injection(study, chosen)
    else:
        documents, failed = _collect_verdicts(study, chosen, limit)
    if json:
        print_json(documents)
    if chosen.broken:
        raise UserError("; ".join([*chosen.broken, *failed]))
    if failed:
        raise JudgeError("; ".join(failed))
    return documents


def _choose_judges(study: Study, names: Sequence[str]) -> ChosenJudges:
    """Build the judges; one that cannot be built is reported, and the others continue."""
    from gnomon.judging.registry import build_judge

    known = [*(spec.name for spec in study.file.judges), *study.broken]
    wanted = study.file.select_known("judge", known, names)
    training = bundled.calibration_set().training_pairs()
    concepts = list(load_settings(study.store).concepts)
    broken = [line for name, line in study.broken.items() if name in wanted]
    judges = []
    for spec in study.file.judges:
        if spec.name in wanted:
            try:
                made = build_judge(spec, concepts, training, _load_judge_model)
                _ = made.version
                judges.append((spec, made))
            except UserError as error:
                broken.append(f"judge '{spec.name}': {error}" if spec.name not in str(error) else str(error))
    return ChosenJudges(judges, broken)


def _load_judge_model(name: str) -> Any:
    """Load a language model for a judge, with the loader of the room generation."""
    from gnomon.generation.subjects.loading import load_subject

    print_status(f"judge's model {name}: loading")
    return load_subject(name, name)


def _collect_verdicts(study: Study, chosen: ChosenJudges, limit: int | None) -> tuple[list[dict[str, Any]], list[str]]:
    from gnomon.judging.runs.panel import run_panel

    with progress_bars([f"judge {config.name}" for config, _ in chosen.judges]) as reports:
        done = run_panel(
            study.store,
            [judge for _, judge in chosen.judges],
            limit=limit,
            progress=lambda name, got, total: reports[f"judge {name}"](got, total),
        )
    documents = [asdict(report) for report in done]
    for document in documents:
        print_status(render_verdicts.judging_line(document))
    return documents, [report.error for report in done if report.error]


def _cost_estimates(study: Study, chosen: ChosenJudges, limit: int | None) -> list[dict[str, Any]]:
    from gnomon.judging.runs.cost_estimate import estimate_cost

    documents = [asdict(estimate_cost(study.store, judge, config, limit)) for config, judge in chosen.judges]
    for document in documents:
        print_status(render_verdicts.cost_line(document))
    return documents


def _test_prompt_injection(study: Study, chosen: ChosenJudges) -> tuple[list[dict[str, Any]], list[str]]:
    from gnomon.calibration.numerics.proportions import clopper_pearson
    from gnomon.judging.protocols import MeteredJudge
    from gnomon.judging.run_state import WASTED, StoredRunState
    from gnomon.judging.runs.prompt_injection import measure_flip_rate

    documents, failed = [], []
    for config, judge in chosen.judges:
        version = judge.version
        memory = StoredRunState(study.store, version.name, version.version)
        try:
            found = measure_flip_rate(judge, memory)
        except (JudgeError, UserError) as error:
            print_status(f"judge {config.name}: stopped: {error}")
            failed.append(str(error))
            continue
        usage = judge.usage_summary() if isinstance(judge, MeteredJudge) else {}
        if usage.get("input_tokens"):
            memory.record_event(WASTED, {name: usage[name] for name in ("input_tokens", "output_tokens")})
        rate = asdict(clopper_pearson(found.flips, found.of)) if found.of else None
        noise = asdict(clopper_pearson(found.noise, found.noise_of)) if found.noise_of else None
        document = {"judge": config.name, "version": version.version, **asdict(found), "usage": usage}
        document |= {"flip_rate": rate, "noise_rate": noise}
        document["kinds"] = {kind: {"flips": hit, "of": of} for kind, (hit, of) in found.kinds.items()}
        study.store.log_event("judge_attack", document)
        documents.append(document)
        print_status(render_verdicts.prompt_injection_line(document))
    return documents, failed


def recount_verdicts(study: Study, rule: str | None, json: bool) -> RecountDocument:
    """Recount all stored verdicts under the study's outcome rule and others, by judge and arm. No judge is asked.

    Parameters
    ----------
    study : Study
        The open study.
    rule : str, optional
        Rule to compare with the study's; None for every rule.
    json : bool
        Whether to print one JSON document.

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
    document = RecountDocument(study=study.file.name, rule=study.file.rule, **vars(compared))
    print_json(document) if json else render_verdicts.print_recount(document)
    return document
