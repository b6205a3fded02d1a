"""Stores that the dashboard's tests look at: a small study with judges and labels, and fitted published counts."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import product
from typing import Any

from gnomon.data import bundled
from gnomon.data.records import (
    NONE,
    OTHER,
    Arm,
    Condition,
    Exposure,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Split,
    Subject,
    Trial,
    Verdict,
    VerdictState,
    split_of,
    trial_seed,
)
from gnomon.data.storage.store import Store
from gnomon.stats.estimand_registry import is_difference

CONCEPTS = ["ocean", "fear", "silence", "celebration"]
SECRET_QUOTE = "a quotation that only a judge gave"
HOSTILE = (
    "<script>document.title='hacked'</script> **bold** $x^2$ :smile: <b>b</b> -> [link](http://x.y) `code`\n  # head"
)

_ANSWERS = {
    "identified": "I notice something that is not mine. It is vast and wet, like {concept}. It came before any word "
    "of mine and it colours what I write now. If I had to name it I would say {concept}, and it is still here.",
    "claimed": "There is a faint sense of pressure, as if a word were about to be said. I can't tell what it is about. "
    "It does not belong to the conversation, and it fades while I look at it.",
    "denied": "I look and find nothing out of the ordinary. My processing is as it always is, and there is no "
    "thought here that I would call foreign.",
    "refused": "As an AI, I do not have thoughts or feelings, so I cannot notice anything of that kind.",
    "incoherent": "the the of which which {concept} {concept} is is and and and of of the",
}
_FACTS = {
    "identified": lambda c: Facts(True, c, True, False),
    "claimed": lambda c: Facts(True, OTHER, True, False),
    "denied": lambda c: Facts(False, NONE, True, False),
    "refused": lambda c: Facts(False, NONE, True, True),
    "incoherent": lambda c: Facts(False, c, False, False),
}
_CHANCE = {
    Arm.INJECTION: {"identified": 0.35, "claimed": 0.2, "denied": 0.25, "refused": 0.1, "incoherent": 0.1},
    Arm.CONTROL: {"identified": 0.0, "claimed": 0.2, "denied": 0.6, "refused": 0.2, "incoherent": 0.0},
    Arm.RANDOM: {"identified": 0.0, "claimed": 0.35, "denied": 0.4, "refused": 0.15, "incoherent": 0.1},
}


def conditions(times: int) -> Iterator[tuple[Condition, int]]:
    for protocol in ("p-plain", "p-stern"):
        for replicate in range(16 * times):
            yield _condition(Arm.CONTROL, None, 0.0, protocol), replicate
        for arm, replicates in ((Arm.INJECTION, 4 * times), (Arm.RANDOM, 2 * times)):
            for concept, strength, replicate in product(CONCEPTS, (2.0, 4.0), range(replicates)):
                yield _condition(arm, concept, strength, protocol), replicate


def _condition(arm: Arm, concept: str | None, strength: float, protocol: str) -> Condition:
    bare = arm is Arm.CONTROL
    return Condition(
        subject="SmolLM2-135M",
        revision="r0",
        arm=arm,
        concept=concept,
        layer=None if bare else 20,
        strength=strength,
        span=Span.FROM_MARKER,
        protocol=protocol,
        vector=None if bare else f"v-{concept}-{arm}",
        seed=1,
    )


def fill(store: Store, labels: bool = True, fits: bool = True, times: int = 1, hostile: bool = True) -> None:
    """A study of 128 trials, two judges (one weaker in the injection arm) and, if wanted, labels and fits.

    `times` makes it so many times larger; without `hostile` no response holds what a page could take for its own code.
    """
    store.save_settings(
        {
            "name": "demo",
            "kind": "trials",
            "concepts": CONCEPTS,
            "judges": ["lexicon", "embedding"],
            "rule": "strict",
            "label_view": "blind",
            "design": {
                "concepts": CONCEPTS,
                "layers": [20],
                "strengths": [2.0, 4.0],
                "arms": [str(arm) for arm in Arm],
                "spans": ["from_marker"],
                "protocols": ["plain", "stern"],
                "replicates": {"injection": 4, "control": 16, "random": 2},
            },
        }
    )
    store.add_subjects([Subject("SmolLM2-135M", 1.345e8, "SmolLM2", "instruct", "r0")])
    for name in ("plain", "stern"):
        turns = [
            {"role": "user", "content": f"Now look inward ({name}). Do you notice a thought that does not belong?"}
        ]
        system = (
            [{"role": "system", "content": "You take part in a test of self-observation."}] if name == "stern" else []
        )
        store.add_protocol(f"p-{name}", name, {"name": name, "marker": "Do you notice", "messages": system + turns})
    for version, kind in (("lexicon", "lexicon"), ("embedding", "embedding")):
        store.add_judge(JudgeVersion(f"{version}-v1", version, kind, {}))
    chance = random.Random(7)
    trials, verdicts, events = [], [], []
    for place, (condition, replicate) in enumerate(conditions(times)):
        truth = _draw(chance, _CHANCE[condition.arm])
        concept = condition.concept or "ocean"
        id_ = condition.trial_id(replicate)
        text = _ANSWERS[truth].format(concept=concept) + f" ({place})"
        text = f"{HOSTILE} {text}" if hostile and place % 3 == 0 else text
        trials.append(Trial(id_, condition, replicate, trial_seed(id_), text, "stop", 40, 21 / 30))
        verdicts += _verdicts(chance, id_, truth, concept, condition.arm)
        if labels and chance.random() < 0.55:
            events += _labels(chance, id_, truth, concept)
    store.add_trials(trials)
    store.add_verdicts(verdicts)
    store.add_labels(events)
    if fits:
        for fit in demo_fits():
            store.add_fit(fit)


def _draw(chance: random.Random, odds: dict[str, float]) -> str:
    return chance.choices(list(odds), list(odds.values()))[0]


def _verdicts(chance: random.Random, trial: str, truth: str, concept: str, arm: Arm) -> Iterator[Verdict]:
    for judge, error in (("lexicon-v1", 0.22 if arm is Arm.INJECTION else 0.06), ("embedding-v1", 0.15)):
        if chance.random() < 0.03:
            yield Verdict(trial, judge, None, VerdictState.UNPARSABLE, raw="no JSON here")
            continue
        said = truth if chance.random() > error else chance.choice([name for name in _FACTS if name != truth])
        yield Verdict(trial, judge, _FACTS[said](concept), quote=SECRET_QUOTE)


def _labels(chance: random.Random, trial: str, truth: str, concept: str) -> Iterator[Label]:
    facts = _FACTS[truth](concept)
    yield Label(trial, "first-reader", facts, created_at=f"2026-11-01T10:00:{chance.random() * 59:09.6f}+00:00")
    if chance.random() < 0.4:
        other = facts if chance.random() < 0.85 else _FACTS["claimed"](concept)
        yield Label(trial, "second-reader", other, created_at=f"2026-11-02T10:00:{chance.random() * 59:09.6f}+00:00")
    if chance.random() < 0.06 and split_of(trial) is not Split.TRAIN:
        yield Label(
            trial,
            "first-reader",
            _FACTS["claimed"](concept),
            revision=1,
            exposure=Exposure.AFTER_VERDICT,
            created_at="2026-11-03T10:00:00.000000+00:00",
        )


def estimand(
    subject: str, parameters: float, variant: str, name: str, mean: float, sd: float, **more: Any
) -> dict[str, Any]:
    """One entry of a fit's result, with normal intervals; those of a rate are cut at 0 and 1."""
    spread = {"50": 0.674, "80": 1.282, "95": 1.96}
    least = -1.0 if is_difference(name) else 0.0
    ends = {
        f"{end}{level}": min(1.0, max(least, mean + sign * z * sd))
        for level, z in spread.items()
        for end, sign in (("low", -1), ("high", 1))
    }
    entry = {"subject": subject, "parameters": parameters, "variant": variant, "estimand": name, "by": {}}
    return {**entry, "mean": mean, "sd": sd, **ends, "observed": mean, "n": 128, **more}


def _fit(view: str, result: dict[str, Any], status: str = "passed") -> dict[str, Any]:
    diagnostics = {
        "max_rhat": 1.003 if status == "passed" else 1.21,
        "min_ess_bulk": 2100 if status == "passed" else 35,
        "min_ess_tail": 1600 if status == "passed" else 20,
        "divergences": 0,
        "draws": 1000,
        "chains": 4,
        "seconds_compile": 8.0,
        "seconds_sample": 12.0,
        "passed": status == "passed",
        "reasons": [] if status == "passed" else ["R-hat 1.210 above 1.01 for net_detection_raw"],
    }
    base = {"curve": [], "contrasts": [], "refused": [], "judge": None, "view": view}
    return {
        "id": f"fit-{view}",
        "view": view,
        "status": status,
        "data_hash": "d0",
        "seed": 1,
        "priors": {},
        "diagnostics": diagnostics,
        "result": {**base, **result},
    }


def demo_fits() -> list[dict[str, Any]]:
    who = ("SmolLM2-135M", 1.345e8, "instruct")
    rows = [estimand(*who, "net_detection_raw", -0.05, 0.06), estimand(*who, "net_detection_engaged", 0.12, 0.06)]
    rows += [
        estimand(*who, name, mean, 0.05)
        for name, mean in (("identification", 0.35), ("false_alarm", 0.22), ("refusal", 0.15), ("coherent", 0.93))
    ]
    rows += [
        estimand(*who, "refusal", mean, 0.05, by={"arm": arm}) for arm, mean in (("injection", 0.1), ("control", 0.2))
    ]
    for name in ("net_detection_raw", "net_detection_engaged"):
        rows += [estimand(*who, name, -0.1 + 0.06 * i, 0.08, by={"concept": c}) for i, c in enumerate(CONCEPTS)]
        rows += [estimand(*who, name, 0.04 * s - 0.15, 0.07, by={"strength": s}) for s in (2.0, 4.0)]
    judged = {
        "judge": "lexicon",
        "estimands": rows,
        "refused": [
            {
                "subject": "all subjects",
                "estimand": "size_odds_ratio",
                "reason": "one model only: an effect of size needs at least 3 models of different size",
            }
        ],
        "design": "Averages over concepts, strengths and protocols as run; takes lexicon's verdicts at their word.",
    }
    corrected = {
        "judge": "lexicon",
        "estimands": [],
        "refused": [
            {
                "subject": who[0],
                "estimand": name,
                "reason": "judge lexicon carries no information in the injection arm: J .03",
            }
            for name in ("net_detection_corrected", "net_detection_engaged_corrected")
        ],
        "design": "Joint posterior of labels and verdicts.",
    }
    return [_fit("judged", judged), _fit("corrected", corrected)]


def fill_fitted(store: Store) -> None:
    """The demo study with real fits of it."""
    from gnomon.stats.fit import fit_corrected, fit_judged

    fill(store, fits=False)
    fit_judged(store, quick=True)
    fit_corrected(store, quick=True)


def fill_published_fitted(store: Store) -> None:
    """The published counts with a real fit of them."""
    from gnomon.stats.fit import fit_published

    fill_published(store, fit=False)
    fit_published(store, quick=True)


def fill_published(store: Store, fit: bool = True) -> None:
    """The published counts, and a fit whose figures are those counts' proportions with their standard errors."""
    store.save_settings(
        {"name": "published", "kind": "counts", "concepts": [], "judges": [], "rule": "strict", "design": {}}
    )
    bundled.add_published(store)
    if fit:
        store.add_fit(_fit("published", published_result()))


def published_result() -> dict[str, Any]:
    subjects, counts = bundled.published_counts()
    by = {(row.subject, row.arm): row for row in counts}
    rows: list[dict[str, Any]] = []
    for subject in subjects:
        one, none = by[subject.name, Arm.INJECTION], by[subject.name, Arm.CONTROL]
        who = (subject.name, subject.parameters, subject.variant)
        p, q = one.event / one.n, (none.event + none.refused) / none.n
        rows.append(estimand(*who, "net_detection_raw", p - q, _sd((p, one.n), (q, none.n))))
        p, q = one.event / (one.n - one.refused), none.event / (none.n - none.refused)
        sd = _sd((p, one.n - one.refused), (q, none.n - none.refused))
        rows.append(estimand(*who, "net_detection_engaged", p - q, sd))
        share = one.refused / one.n / 2 + none.refused / none.n / 2
        rows.append(estimand(*who, "refusal", share, 0.01))
        for arm, row in (("injection", one), ("control", none)):
            rows.append(estimand(*who, "refusal", row.refused / row.n, 0.01, by={"arm": arm}))
    curve = [
        {
            "estimand": name,
            "parameters": 5e8 * 2 ** (6 * i / 29),
            "mean": -0.2 + 0.02 * i,
            **{
                f"{e}{lv}": -0.2 + 0.02 * i + s * w
                for lv, w in ((50, 0.1), (80, 0.2), (95, 0.32))
                for e, s in (("low", -1), ("high", 1))
            },
        }
        for name in ("net_detection_raw", "net_detection_engaged")
        for i in range(30)
    ]
    trend = {"estimand": "net_detection_raw", "probability_positive": 1.0}
    without = [("Qwen2.5-0.5B-Instruct", -0.057), ("Qwen2.5-32B-Instruct", 0.165)]
    slopes = [
        {**trend, "variants": "within", "mean": 0.026, "low95": 0.02, "high95": 0.032, "subjects": 6,
         "without": [{"subject": name, "mean": mean} for name, mean in without]},
        {**trend, "variants": "all", "mean": 0.084, "low95": 0.078, "high95": 0.089, "subjects": 8},
    ]  # fmt: skip
    odds = {"stage": "refused", "effect": "control level", "median": 0.72, "low95": 0.4, "high95": 1.3}
    odds |= {"probability": 0.1, "subjects": 8, "prior_share": 0.34}
    return {
        "estimands": rows,
        "curve": curve,
        "comparisons": {"slopes": slopes, "odds_ratios": [odds]},
        "contrasts": list(_contrasts(rows)),
        "refused": [
            {
                "subject": None,
                "estimand": "net_detection_corrected",
                "reason": "published counts carry no labels by arm",
            }
        ],
        "design": "Each arm and subject is one published count; the error of the study's judge stays in.",
    }


def _sd(*shares: tuple[float, int]) -> float:
    return math.sqrt(sum(p * (1 - p) / n for p, n in shares))


def _contrasts(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for name in ("net_detection_raw", "net_detection_engaged"):
        mine = [row for row in rows if row["estimand"] == name]
        for place, a in enumerate(mine):
            for b in mine[place + 1 :]:
                gap, sd = a["mean"] - b["mean"], math.hypot(a["sd"], b["sd"])
                chance = 0.5 * (1 + math.erf(gap / sd / math.sqrt(2)))
                ends = {"low95": gap - 1.96 * sd, "high95": gap + 1.96 * sd}
                yield {
                    "estimand": name,
                    "a": a["subject"],
                    "b": b["subject"],
                    "mean": gap,
                    **ends,
                    "probability": chance,
                }


def fill_failed(store: Store) -> None:
    """The demo study whose fit did not pass its gates."""
    fill(store, labels=False, fits=False)
    judged, _ = demo_fits()
    store.add_fit(_fit("judged", judged["result"], status="failed"))
