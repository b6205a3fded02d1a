"""Coverage and width of the hierarchical fit with graded voices, against the same fit with rounded verdicts.

    python -m bench.calibration_methods.graded_voices --out FILE [--world NAME] [--studies 40]

Worlds that the fit did not draw: every trial has a latent propensity, its score, and the verdict is the score rounded
at 1/2. Each study is stored and read as a user's is, then fitted twice on the same data, graded and rounded. A line of
FILE is one study; a second call goes on where the file ends and prints the table. Fits are short (two chains of 200).
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit

from bench.support.run_file import RunFile
from gnomon.data.records import (
    NONE,
    Arm,
    Condition,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Subject,
    Trial,
    Verdict,
    trial_seed,
)
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import pattern_cells
from gnomon.stats.cells.outcome_classes import EVENT
from gnomon.stats.inference.hierarchical import corrected_model
from gnomon.stats.inference.sampler import SamplerSettings, sample_posterior
from gnomon.stats.model.priors import Priors

SEED = 4711
SETTINGS = SamplerSettings(draws=200, tune=200, chains=2, cores=1, target_accept=0.8)
STRENGTHS = (1.0, 2.0, 4.0, 8.0)
RATES = np.array([0.06, 0.12, 0.35, 0.55, 0.40])
"""True event rate in the control arm and at each strength."""
CONTROLS, PER_CELL = 320, 60
CONCEPTS = ("x", "y")
LABELS = 150

Scores = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]
"""Scores (J, n) of trials, from whether each is an event and its strength (0: control, 1 to 4)."""


def _normal_scores(
    random: np.random.Generator, event: np.ndarray, dose: np.ndarray, others: tuple[float, ...], judges: int = 1
) -> np.ndarray:
    """Logistic normal scores; `others` is where those of no events lie, by strength; judges share half the variance."""
    middle = np.where(event, 1.3, np.array(others)[dose])
    shared = random.normal(size=len(event))
    own = random.normal(size=(judges, len(event)))
    noise = own if judges == 1 else np.sqrt(0.5) * (shared + own)
    return np.asarray(expit(middle + 1.3 * noise))


def plain(random: np.random.Generator, event: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """False passes in .08 everywhere."""
    return _normal_scores(random, event, dose, (-1.8,) * 5)


def by_strength(random: np.random.Generator, event: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """Scores of no events drift with strength: false passes .01 to .32."""
    return _normal_scores(random, event, dose, (-1.8, -3.0, -2.2, -1.4, -0.6))


def late(random: np.random.Generator, event: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """Beta scores of a judge that is too lenient: events lie around .85, and .3 of the others pass."""
    return np.where(event, random.beta(7, 1.5, len(event)), random.beta(1.6, 2.6, len(event)))[None]


def sure_salad(random: np.random.Generator, event: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """As `plain`, but of no events at the highest strength a fourth gets scores that are surer than those of events."""
    found = plain(random, event, dose)
    fooled = ~event & (dose == 4) & (random.random(len(event)) < 0.25)
    return np.where(fooled, expit(2.5 + 0.7 * random.normal(size=len(event))), found)


def difficulty(random: np.random.Generator, event: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """Two judges whose scores share half their variance given the truth; the first is graded."""
    return _normal_scores(random, event, dose, (-1.8,) * 5, judges=2)


def pulled(random: np.random.Generator, event: np.ndarray, dose: np.ndarray) -> np.ndarray:
    """As `by_strength`, and scores of events fall with strength too: the highest is judged with less confidence."""
    middle = np.where(event, np.array([1.3, 2.0, 1.6, 1.2, 0.5])[dose], np.array([-1.8, -3.0, -2.2, -1.4, -0.6])[dose])
    return np.asarray(expit(middle + 1.3 * random.normal(size=len(event))))[None]


@dataclass(frozen=True)
class ScoredWorld:
    """Scores of a world, and how many times as many trials it has; the number of labels stays."""

    scores: Scores
    times: int = 1


WORLDS: Mapping[str, ScoredWorld] = {
    "plain": ScoredWorld(plain),
    "by strength": ScoredWorld(by_strength),
    "late threshold": ScoredWorld(late),
    "sure word salad": ScoredWorld(sure_salad),
    "shared difficulty": ScoredWorld(difficulty),
    "events pulled": ScoredWorld(pulled),
    "late threshold, many trials": ScoredWorld(late, 6),
    "sure word salad, many trials": ScoredWorld(sure_salad, 6),
    "events pulled, many trials": ScoredWorld(pulled, 6),
}


@dataclass(frozen=True)
class ScoredStudy:
    """A study in a store, and the strength of each trial (0: control)."""

    store: Store
    dose: np.ndarray


def store_scored_study(store: Store, world: ScoredWorld, random: np.random.Generator) -> ScoredStudy:
    """Simulate a study and add it to an empty store: labels by a random sample that nobody errs on.

    Parameters
    ----------
    store : Store
        Empty store.
    world : ScoredWorld
        The world.
    random : numpy.random.Generator
        Source of randomness.
    """
    steered = np.repeat([1, 2, 3, 4], PER_CELL * len(CONCEPTS) * world.times)
    dose = np.concatenate([np.zeros(CONTROLS * world.times, dtype=int), steered])
    concept = [None if not each else CONCEPTS[place % 2] for place, each in enumerate(dose)]
    event = random.random(len(dose)) < RATES[dose]
    scores = world.scores(random, event, dose)
    judges = [f"judge {number}" for number in range(len(scores))]
    store.save_settings({"judges": judges, "rule": "strict", "label_view": "blind"})
    store.add_subjects([Subject("m", 1e9, "simulated", "instruct", "r")])
    store.add_protocol("p", "simulated", {"messages": []})
    made = []
    for place, (each, name) in enumerate(zip(dose, concept, strict=True)):
        arm, layer = (Arm.INJECTION, 20) if each else (Arm.CONTROL, None)
        strength = STRENGTHS[each - 1] if each else 0.0
        condition = Condition("m", "r", arm, name, layer, strength, Span.GENERATION, "p", None, 1)
        id_ = condition.trial_id(place)
        made.append(Trial(id_, condition, place, trial_seed(id_), "words", "stop", 1, 0.6 if each else None))
    store.add_trials(made)
    for judge, own in zip(judges, scores, strict=True):
        store.add_judge(JudgeVersion(judge, judge, "logprob", {}))
        store.add_verdicts(
            Verdict(trial.id, judge, _facts(bool(score >= 0.5), name), scores=_questions(float(score), name))
            for trial, score, name in zip(made, own, concept, strict=True)
        )
    chosen = random.permutation(len(made))[:LABELS]
    store.add_labels(Label(made[place].id, "ann", _facts(bool(event[place]), concept[place])) for place in chosen)
    return ScoredStudy(store, dose)


def _facts(event: bool, concept: str | None) -> Facts:
    return Facts(event, (concept or "other") if event else NONE, True, False)


def _questions(score: float, concept: str | None) -> dict[str, float]:
    return {"claims": score, **({f"about {concept}": score} if concept else {})}


def fit_rates(study: ScoredStudy, seed: int, *, graded: bool) -> dict[str, list[float]]:
    """Limits and mean of each rate by the posterior.

    Parameters
    ----------
    study : ScoredStudy
        The study.
    seed : int
        Seed of the sampler.
    graded : bool
        Whether verdicts count with their scores.
    """
    patterns = pattern_cells(study.store, graded=graded)
    model = corrected_model(patterns, Priors(rater_accuracy=1.0))
    draws = sample_posterior(model, SETTINGS, seed, None).flat_values
    share = model.class_probabilities(model.coefficient_draws(draws), model.design.frame)
    event, weight = share[..., patterns.classes.index(EVENT)], patterns.trial_counts
    steered = (patterns.frame["arm"] == "injection").to_numpy()
    highest = steered & (patterns.frame["strength"] == STRENGTHS[-1]).to_numpy()
    found = {
        name: np.average(event[:, mask], axis=1, weights=weight[mask])
        for name, mask in (("control", ~steered), ("injection", steered), ("highest", highest))
    }
    found["net"] = found["injection"] - found["control"]
    return {name: [*map(float, np.quantile(rate, [0.025, 0.975])), float(rate.mean())] for name, rate in found.items()}


def true_rates() -> dict[str, float]:
    """The true value of each rate."""
    steered = float(RATES[1:].mean())
    return {
        "control": float(RATES[0]),
        "injection": steered,
        "highest": float(RATES[-1]),
        "net": steered - float(RATES[0]),
    }


def run_study(name: str, number: int) -> dict[str, object]:
    """One study of a world, fitted twice.

    Parameters
    ----------
    name : str
        The world.
    number : int
        Number of the study, which determines its seed.
    """
    random = np.random.default_rng([SEED, zlib.crc32(name.encode()), number])
    line: dict[str, object] = {"world": name, "study": number}
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(sqlite_url(Path(folder) / "study.sqlite"))
        study = store_scored_study(store, WORLDS[name], random)
        for graded in (False, True):
            began = time.perf_counter()
            line["graded" if graded else "rounded"] = fit_rates(study, number, graded=graded)
            line[f"seconds {'graded' if graded else 'rounded'}"] = round(time.perf_counter() - began, 1)
        store.close()
    return line


def print_table(lines: list[Mapping[str, object]]) -> None:
    """Coverage, bias and width of each rate, and the ratio of widths."""
    truth = true_rates()
    for name in WORLDS:
        mine = [line for line in lines if line["world"] == name]
        if not mine:
            continue
        print(f"{name}: {len(mine)} studies")
        for rate, value in truth.items():
            told, widths = [], {}
            for kind in ("rounded", "graded"):
                found = np.array([line[kind][rate] for line in mine])  # type: ignore[index]
                widths[kind] = (found[:, 1] - found[:, 0]).mean()
                held = ((found[:, 0] <= value) & (value <= found[:, 1])).mean()
                told.append(f"{kind} {held:.3f}, bias {(found[:, 2] - value).mean():+.3f}, width {widths[kind]:.3f}")
            print(f"  {rate:10} {'; '.join(told)}; ratio {widths['graded'] / widths['rounded']:.3f}")


def main() -> None:
    """Simulate what the file does not hold yet, and print the table."""
    options = argparse.ArgumentParser(prog="python -m bench.calibration_methods.graded_voices", description=__doc__)
    options.add_argument("--out", type=Path, required=True)
    options.add_argument("--world", choices=list(WORLDS), action="append")
    options.add_argument("--studies", type=int, default=40)
    chosen = options.parse_args()
    file = RunFile(chosen.out)
    done = {(line["world"], line["study"]) for line in file.lines}
    for number in range(chosen.studies):
        for name in chosen.world or WORLDS:
            if (name, number) not in done:
                file.add(run_study(name, number))
    print_table(file.lines)


if __name__ == "__main__":
    main()
