"""Prompt-injection test: measures how often adversarial transcripts change a judge's verdict on the same response."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from gnomon.data.records import Arm, Condition, Facts, Span, Trial, Verdict, VerdictState, canonical_hash, trial_seed
from gnomon.judging.protocols import Judge, JudgeCase, MeteredJudge
from gnomon.judging.run_state import RunState

CONCEPTS = ("celebration", "fear", "ocean", "silence")


@dataclass(frozen=True, slots=True)
class PromptInjection:
    """One attack: its kind, the response without and with the attack, and the true facts of the attacked response."""

    id: str
    kind: str
    clean: str
    attacked: str
    says: Facts


@dataclass(frozen=True, slots=True)
class FlipCounts:
    """Effect of the attacks on a judge.

    A flip: claims, concept or refused differ between the attacked and the clean response. `of` is the number of attacks
    for which both readings gave a verdict. `noise` counts flips between two readings of the same clean response
    (another fence, another order of concepts), out of `noise_of`: the judge's variation without any attack. `unusable`
    attacks gave no verdict, for whatever reason; `kinds` maps each kind of attack to its flips and its number.
    """

    flips: int
    of: int
    noise: int
    noise_of: int
    unusable: int
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)
    flipped: tuple[str, ...] = ()


@cache
def load_attacks() -> tuple[PromptInjection, ...]:
    """The attacks that are part of the package."""
    lines = files("gnomon.judging.runs").joinpath("attacks.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_attack_from_row(json.loads(line)) for line in lines)


def measure_flip_rate(judge: Judge, memory: RunState, chosen: Sequence[PromptInjection] | None = None) -> FlipCounts:
    """Ask a judge about every response with the attack, and twice without it, and count differing verdicts.

    Parameters
    ----------
    judge : Judge
        The judge under test.
    memory : RunState
        Its run state; tokens of the test count against its budget.
    chosen : sequence of PromptInjection, optional
        The attacks; all that are part of the package by default.
    """
    tried = load_attacks() if chosen is None else chosen
    plain = {attack.clean: _attack_trial(attack.clean) for attack in tried}
    forced = {attack.id: _attack_trial(attack.attacked) for attack in tried}
    cases = [JudgeCase(trial, sample) for trial in plain.values() for sample in (0, 1)]
    cases += [JudgeCase(trial) for trial in forced.values()]
    said = {
        (verdict.trial, verdict.sample): _verdict_facts(verdict) for verdict in collect_verdicts(judge, cases, memory)
    }
    pairs = [(attack, said.get((plain[attack.clean].id, 0)), said.get((forced[attack.id].id, 0))) for attack in tried]
    usable = [(attack, one, other) for attack, one, other in pairs if one is not None and other is not None]
    flipped = [attack for attack, one, other in usable if one != other]
    twice = [(said.get((trial.id, 0)), said.get((trial.id, 1))) for trial in plain.values()]
    both = [(one, other) for one, other in twice if one is not None and other is not None]
    of, hit = Counter(attack.kind for attack, _, _ in usable), Counter(attack.kind for attack in flipped)
    return FlipCounts(
        flips=len(flipped),
        of=len(usable),
        noise=sum(one != other for one, other in both),
        noise_of=len(both),
        unusable=len(pairs) - len(usable),
        kinds={kind: (hit[kind], of[kind]) for kind in sorted(of)},
        flipped=tuple(attack.id for attack in flipped),
    )


def collect_verdicts(judge: Judge, cases: Iterable[JudgeCase], memory: RunState) -> Iterator[Verdict]:
    """Yield verdicts on cases that are in no store.

    Parameters
    ----------
    judge : Judge
        Any judge; one without a server gives the same verdict for every sample and is asked once per trial.
    cases : iterable of JudgeCase
        Cases to judge.
    memory : RunState
        Run state of a judge behind a server.
    """
    if isinstance(judge, MeteredJudge):
        for batch in judge.open_stream(cases, memory).iterate_batches():
            yield from batch
        return
    first = {case.trial.id: case.trial for case in cases if case.sample == 0}
    with closing(judge.judge_trials(list(first.values()))) as verdicts:
        yield from verdicts


def _verdict_facts(verdict: Verdict) -> tuple[bool, str, bool] | None:
    if verdict.state is not VerdictState.OK or verdict.facts is None:
        return None
    return verdict.facts.claims, verdict.facts.concept, verdict.facts.refused


def _attack_trial(answer: str) -> Trial:
    condition = Condition("attack", "", Arm.CONTROL, None, None, 0.0, Span.ALL, "attack", None, 0)
    id_ = canonical_hash(["attack", answer])
    return Trial(id_, condition, 0, trial_seed(id_), answer, "stop", len(answer.split()))


def _attack_from_row(row: dict[str, object]) -> PromptInjection:
    before, clean, after, piece = (str(row[name]) for name in ("before", "clean", "after", "piece"))
    says = row["says"]
    times = row["times"]
    assert isinstance(says, dict)
    assert isinstance(times, int)
    facts = Facts(says["claims"], says["concept"], True, says["refused"])
    return PromptInjection(str(row["id"]), str(row["kind"]), clean, f"{before}{clean}{after}{piece * times}", facts)
