"""The kinds of study that every page, the report and the command line must show well, declared once; none samples."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from operator import itemgetter
from pathlib import Path
from typing import Any

import dashboard_demo as demo
import numpy as np
from battery_study import fill_battery

from gnomon.data import bundled
from gnomon.data.records import Arm, Condition, Facts, JudgeVersion, Label, Span, Subject, Trial, Verdict, trial_seed
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.data.study_settings import load_settings
from gnomon.stats.inference.importance_reweighting import DrawCache

LONG_CONCEPT = "the-slow-rain-that-falls-on-a-roof-at-night-while-one-sleeps"
"""A name of 60 letters."""
NET, ENGAGED = "net_detection_raw", "net_detection_engaged"
DESIGN = "Averages over concepts, strengths and protocols as run; takes lexicon's verdicts at their word."


@dataclass(frozen=True)
class StudyKind:
    """A kind of study: its name in addresses and pictures, and what fills its store."""

    name: str
    fill: Callable[[Store], None]


def study_file(store: Store) -> str:
    """The study file that a kind's store would have come from, so that commands run on it.

    Models are named as stored and declared as the embedded one: nothing is to be generated in them.

    Parameters
    ----------
    store : Store
        A store that a kind has filled.
    """
    settings = load_settings(store)
    lines = [f"name = {json.dumps(settings.name)}"]
    tables = ["[labels]", f'view = "{settings.label_view}"', "[fit]", "draws = 400", "tune = 300"]
    if settings.counts_only:
        return "\n".join([*lines, 'counts = "published"', *tables])
    if not settings.generates:
        return "\n".join([*lines, "imported = true", *tables])
    for subject in store.load_subjects():
        lines += [
            "[[subjects]]",
            f'name = "{subject.name}"',
            'model = "embedded"',
            f"parameters = {subject.parameters}",
        ]
        lines += [f'family = "{subject.family}"', f'variant = "{subject.variant}"']
    lines.append("[design]")
    for name, value in settings.design.model_dump(exclude={"subjects", "exclude", "replicates"}).items():
        lines.append(f"{name} = {json.dumps(list(value))}")
    lines.append("replicates = {" + ", ".join(f"{arm} = {n}" for arm, n in settings.design.replicates.items()) + "}")
    for judge in settings.judges:
        lines += ["[[judges]]", f'name = "{judge}"', 'kind = "lexicon"']
    return "\n".join([*lines, *tables])


def make_study(kind: StudyKind, folder: Path) -> str:
    """A study of a kind in an empty folder: its study file and its database, of which the URL.

    Parameters
    ----------
    kind : StudyKind
    folder : Path
    """
    url = sqlite_url(folder / "gnomon.db")
    store = Store.open(url)
    kind.fill(store)
    (folder / "study.toml").write_text(study_file(store), encoding="utf-8")
    store.close()
    return url


def fit_study(url: str, folder: Path) -> None:
    """Fit a study that `make_study` made, as `gnomon fit` does: verdicts, and verdicts with labels, with their draws.

    Parameters
    ----------
    url : str
        Its database.
    folder : Path
        Its folder.
    """
    from gnomon.stats.fit import fit_corrected, fit_judged

    store, shelf = Store.open(url), DrawCache(folder / "draws")
    for fit in (fit_judged, fit_corrected):
        fit(store, shelf=shelf)
    store.close()


def fill_models(
    store: Store, subjects: Sequence[Subject], concepts: Sequence[str], replicates: int = 2, fits: bool = True
) -> None:
    """A study of several models, judged by two judges, labelled in part, with a raw and a corrected fit stored.

    The estimates of the fits are made of the published counts, not of these trials.

    Parameters
    ----------
    store : Store
    subjects : sequence of Subject
    concepts : sequence of str
    replicates : int, default 2
        Trials of each model, concept and strength in the injection arm; half as many in the random arm.
    fits : bool, default True
        Whether fits are stored.
    """
    design = {"concepts": list(concepts), "layers": [20], "strengths": [2.0, 4.0], "arms": [str(arm) for arm in Arm]}
    more = {"spans": ["from_marker"], "protocols": ["plain"], "replicates": {"injection": replicates, "control": 16}}
    judges = {"judges": ["lexicon", "embedding"], "rule": "strict", "label_view": "blind"}
    store.save_settings({"name": "models", "kind": "trials", "concepts": list(concepts), **judges})
    store.save_settings({"design": {**design, **more}})
    store.add_subjects(subjects)
    store.add_protocol("p-plain", "plain", {"name": "plain", "marker": "Do you notice", "messages": [
        {"role": "user", "content": "Now look inward. Do you notice a thought that does not belong?"}
    ]})  # fmt: skip
    for name in judges["judges"]:
        store.add_judge(JudgeVersion(f"{name}-v1", name, str(name), {}))
    chance = random.Random(11)
    trials, verdicts, labels = [], [], []
    for condition, replicate in _conditions(subjects, concepts, replicates):
        id_ = condition.trial_id(replicate)
        truth = demo._draw(chance, demo._CHANCE[condition.arm])
        concept = condition.concept or concepts[0]
        text = f"{demo._ANSWERS[truth].format(concept=concept)} ({len(trials)})"
        trials.append(Trial(id_, condition, replicate, trial_seed(id_), text, "stop", 40, 0.7))
        verdicts += demo._verdicts(chance, id_, truth, concept, condition.arm)
        if chance.random() < 0.4:
            labels += demo._labels(chance, id_, truth, concept)
    store.add_trials(trials)
    store.add_verdicts(verdicts)
    store.add_labels(labels)
    if fits:
        for fit in model_fits(subjects, concepts):
            store.add_fit(fit)


def _conditions(
    subjects: Sequence[Subject], concepts: Sequence[str], replicates: int
) -> Iterator[tuple[Condition, int]]:
    for subject in subjects:
        who = {"subject": subject.name, "revision": subject.revision, "span": Span.FROM_MARKER, "protocol": "p-plain"}
        bare = Condition(**who, arm=Arm.CONTROL, concept=None, layer=None, strength=0.0, vector=None, seed=1)
        yield from ((bare, place) for place in range(16))
        for arm, times in ((Arm.INJECTION, replicates), (Arm.RANDOM, max(1, replicates // 2))):
            for concept, strength, place in product(concepts, (2.0, 4.0), range(times)):
                vector = f"v-{concept}-{arm}"
                yield (
                    Condition(**who, arm=arm, concept=concept, layer=20, strength=strength, vector=vector, seed=1),
                    place,
                )


def model_fits(subjects: Sequence[Subject], concepts: Sequence[str]) -> list[dict[str, Any]]:
    """A fit of a judge's verdicts and a corrected one for these models, of made-up figures that differ by model."""
    odds = demo.published_result()["comparisons"]["odds_ratios"]
    rows, fixed = [], []
    for place, subject in enumerate(subjects):
        who = (subject.name, subject.parameters, subject.variant)
        level = 0.05 + 0.5 * place / len(subjects) - (0.3 if place == 6 else 0.0)
        rows += [demo.estimand(*who, NET, level, 0.05), demo.estimand(*who, ENGAGED, level + 0.08, 0.05)]
        for name, mean in (("identification", 0.3), ("false_alarm", 0.12), ("refusal", 0.15), ("coherent", 0.9)):
            rows.append(demo.estimand(*who, name, mean + 0.01 * place, 0.03))
        for arm, mean in (("injection", 0.1), ("control", 0.2)):
            rows.append(demo.estimand(*who, "refusal", mean + 0.01 * place, 0.03, by={"arm": arm}))
        for name in (NET, ENGAGED):
            rows += [
                demo.estimand(*who, name, level + 0.01 * i, 0.08, by={"concept": each})
                for i, each in enumerate(concepts)
            ]
            rows += [demo.estimand(*who, name, level + 0.02 * s, 0.07, by={"strength": s}) for s in (2.0, 4.0)]
        fixed += [demo.estimand(*who, f"{name}_corrected", level + 0.04, 0.09) for name in ("net_detection",)]
        fixed.append(demo.estimand(*who, "net_detection_engaged_corrected", level + 0.1, 0.09))
    several = len({subject.parameters for subject in subjects}) >= 3
    net = [row for row in rows if row["estimand"] in (NET, ENGAGED) and not row["by"]]
    shared = {
        "judge": "lexicon",
        "curve": _trend_line(net) if several else [],
        "contrasts": list(demo._contrasts([row for row in rows if not row["by"]])),
    }
    judged = {
        **shared,
        "estimands": rows,
        "comparisons": {"slopes": _slopes(net), "odds_ratios": odds} if several else {},
        "design": DESIGN,
    }
    corrected = {"judge": "lexicon", "estimands": fixed, "design": "Joint posterior of labels and verdicts."}
    return [demo._fit("judged", judged), demo._fit("corrected", corrected)]


def _slopes(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Least-squares trends of net detection per doubling of size: within the usual variant, and over all models."""
    usual = [row for row in rows if row["variant"] == "instruct"]
    found = []
    for variants, mine in (("within", usual), ("all", rows)):
        net = [row for row in mine if row["estimand"] == NET]
        slope = _line(net)[0]
        without = [
            {"subject": left["subject"], "mean": _line([row for row in net if row is not left])[0]} for left in net
        ]
        ends = {"low95": slope - 0.02, "high95": slope + 0.02, "probability_positive": float(slope > 0)}
        found.append({"estimand": NET, "variants": variants, "mean": slope, "subjects": len(net), **ends})
        if variants == "within":
            found[-1]["without"] = [min(without, key=itemgetter("mean")), max(without, key=itemgetter("mean"))]
    return found


def _trend_line(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line through the usual variant with ribbons, as a fit's curve has it."""
    curve = []
    for name in (NET, ENGAGED):
        usual = [row for row in rows if row["variant"] == "instruct" and row["estimand"] == name]
        slope, start = _line(usual)
        sizes = [row["parameters"] for row in usual]
        for size in np.geomspace(min(sizes), max(sizes), 30):
            mean = start + slope * float(np.log2(size))
            ends = {
                f"{end}{level}": mean + sign * half
                for level, half in ((50, 0.04), (80, 0.08), (95, 0.12))
                for end, sign in (("low", -1), ("high", 1))
            }
            curve.append({"estimand": name, "parameters": float(size), "mean": mean, **ends})
    return curve


def _line(rows: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Slope per doubling, and value at one parameter."""
    slope, start = np.polyfit(np.log2([row["parameters"] for row in rows]), [row["mean"] for row in rows], 1)
    return float(slope), float(start)


def published_subjects() -> list[Subject]:
    """The eight published models, all fitted as instruct models of their own size."""
    subjects, _ = bundled.published_counts()
    return list(subjects)


def fill_eight(store: Store) -> None:
    """Trials of the eight published models, with judges, labels, a raw and a corrected fit."""
    fill_models(store, published_subjects(), demo.CONCEPTS)


def fill_generic(store: Store) -> None:
    """Imported judgements without any injection: sixty controls, one judge, forty labels, fits of false alarms only."""
    store.save_settings({"name": "generic", "kind": "trials", "concepts": [], "judges": ["j"], "rule": "strict"})
    store.save_settings({"label_view": "blind", "generates": False})
    store.add_subjects([Subject("m-7b", 7e9, "m", "instruct", "r0")])
    store.add_protocol("imported", "imported", {})
    store.add_judge(JudgeVersion("j-v1", "j", "imported", {}))
    none: dict[str, Any] = {"concept": None, "layer": None, "strength": 0.0, "vector": None}
    bare = Condition(
        subject="m-7b", revision="r0", arm=Arm.CONTROL, span=Span.GENERATION, protocol="imported", seed=1, **none
    )
    for place in range(60):
        id_ = bare.trial_id(place)
        said = place % 2 == 0
        store.add_trials([Trial(id_, bare, place, trial_seed(id_), f"Response {place}.", "stop", 4, 1.0)])
        store.add_verdicts([Verdict(id_, "j-v1", Facts(said, demo.OTHER if said else demo.NONE, True, False))])
        if place < 40:
            right = said != (place % 12 == 5)
            store.add_labels([Label(id_, "ann", Facts(right, demo.OTHER if right else demo.NONE, True, False))])
    for view, mean in (("judged", 0.471), ("corrected", 0.488)):
        net = "net_detection_raw" if view == "judged" else "net_detection_corrected"
        refused = [{"subject": "m-7b", "estimand": net, "reason": "no trials in the injection arm"}]
        rows = [demo.estimand("m-7b", 7e9, "instruct", "false_alarm", mean, 0.06)]
        store.add_fit(demo._fit(view, {"judge": "j", "estimands": rows, "refused": refused, "design": "As run."}))


def fill_large(store: Store, times: int = 12) -> None:
    """The demo study, `times` as large: the form of a study of a million trials, which `bench.performance` makes."""
    demo.fill(store, times=times)


def fill_one_model(store: Store, **more: bool) -> None:
    """The demo study, its model also asked the battery: it notices more than its shift of yes explains.

    Parameters
    ----------
    store : Store
    **more : bool
        As `dashboard_demo.fill` takes it.
    """
    demo.fill(store, **more)
    (subject,) = store.load_subjects()
    for tasks, shift in ((("notice",), 1.6), (("third_person", "unrelated_no", "unrelated_yes"), 0.6)):
        fill_battery(store, shift, subject, tasks, demo.CONCEPTS, layer=20, strengths=(1.0, 2.0, 4.0), noise=0.6)


def fill_without_labels(store: Store) -> None:
    demo.fill(store, labels=False, fits=False)
    judged, _ = demo.demo_fits()
    store.add_fit(judged)


KINDS = (
    StudyKind("one-model", fill_one_model),
    StudyKind("eight-models", fill_eight),
    StudyKind("counts", demo.fill_published),
    StudyKind("no-labels", fill_without_labels),
    StudyKind("generic", fill_generic),
    StudyKind("large", fill_large),
)
"""What a study may be."""


def fill_without_fit(store: Store) -> None:
    demo.fill(store, labels=False, fits=False)


def fill_one_label(store: Store) -> None:
    """The demo study with a single label."""
    demo.fill(store, labels=False)
    trial = min(each.id for each in store.load_trials())
    store.add_labels([Label(trial, "ann", Facts(False, demo.NONE, True, False))])


def fill_long_concept(store: Store) -> None:
    """Two concepts, one with a name of 60 letters."""
    fill_models(store, published_subjects()[:1], [LONG_CONCEPT, "fear"], replicates=6)


def fill_many_concepts(store: Store) -> None:
    """Forty concepts."""
    fill_models(store, published_subjects()[:1], [f"concept-{place:02d}" for place in range(40)])


def fill_many_models(store: Store) -> None:
    """Thirty models with long names."""
    subjects = [
        Subject(f"Some-Family-{place}-of-thirty-{place + 1}B-Instruct", (place + 1) * 1e9, "toy", "instruct", "r0")
        for place in range(30)
    ]
    fill_models(store, subjects, ["ocean", "fear"], replicates=1)


def fill_missing_judge(store: Store) -> None:
    """The demo study whose settings name a judge that never gave a verdict."""
    demo.fill(store)
    store.save_settings({"judges": ["lexicon", "embedding", "absent"]})


BAD_INPUTS = (
    StudyKind("no-fit", fill_without_fit),
    StudyKind("failed-fit", demo.fill_failed),
    StudyKind("one-label", fill_one_label),
    StudyKind("long-concept", fill_long_concept),
    StudyKind("many-concepts", fill_many_concepts),
    StudyKind("many-models", fill_many_models),
    StudyKind("missing-judge", fill_missing_judge),
)
"""What a page must bear."""
