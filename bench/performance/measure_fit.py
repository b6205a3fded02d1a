"""Speed of a fit with judge errors, compared with the same model on one row per trial, and with PyMC's own sampler.

    python -m bench.performance.measure_fit [--json] [--skip-peers]

24,600 simulated trials, 8 models, 2 judges, about 120 labels. Time to a bulk ESS of 1,000 for every estimate,
compilation included, extrapolated from ESS per second. One row per trial: the posterior is the same, so a sampler takes
the same steps; the cost of a step is measured on that form, the number of steps for an ESS on the cells, both with
nutpie.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from dataclasses import replace
from typing import Any

import numpy as np

from bench.support.machine import machine
from bench.validity import interval_validity
from gnomon.stats.cells.aggregation import VerdictPatternCells
from gnomon.stats.checks.simulation import simulate_from_model
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws, build_result
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model, pymc_model
from gnomon.stats.inference.importance_reweighting import reweight_draws, to_cached_draws
from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings, check_convergence, sample_posterior
from gnomon.stats.model.priors import Priors

PART = "full"
TRIALS = (24_600, 1_000_000)
SEEDS = (1, 2, 3)
ENOUGH = 1000.0


def study(trials: int, labels: int = 120, seed: int = 1) -> VerdictPatternCells:
    """Simulate a study in the cells of the full plan.

    Parameters
    ----------
    trials : int
        Number of trials.
    labels : int, default 120
        Expected number of labels.
    seed : int, default 1
        Seed of the simulation.
    """
    plan, model = replace(interval_validity.PLANS[PART], trials=trials), interval_validity.empty(PART)
    rng = np.random.default_rng([seed, 0])
    truth, share = plan.world.draw(model, rng), labels / trials
    return simulate_from_model(
        model, truth, plan.n(plan.frame()), interval_validity.JUDGES, (share, share), rng
    ).patterns


def least_ess(model: OutcomeModel, values: np.ndarray, patterns: VerdictPatternCells) -> float:
    """Bulk ESS of the estimate with the least.

    Parameters
    ----------
    model : OutcomeModel
        The fitted model.
    values : ndarray, shape (chains, draws, size)
        Draws of the parameters.
    patterns : VerdictPatternCells
        Counts that the model was fitted to.
    """
    arviz = import_arviz()
    flat = values.reshape(-1, values.shape[-1])
    figures = all_estimand_draws(ModelPosterior(model, flat, patterns.trial_counts, None, "corrected", None, ""))
    shape = (len(values), -1)
    return min(float(arviz.ess(draws.reshape(shape), method="bulk")) for draws in figures.values() if np.ptp(draws) > 0)


def ours(patterns: VerdictPatternCells, settings: SamplerSettings, seed: int = 1) -> dict[str, float]:
    """Time one fit as users run it.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts to fit.
    settings : SamplerSettings
        Sampler settings.
    seed : int, default 1
        Seed of the sampler.

    Returns
    -------
    dict of str to float
        fit (seconds), ess, and seconds to an ESS of 1,000.
    """
    began = time.perf_counter()
    model = corrected_model(patterns, Priors())
    draws = sample_posterior(model, settings, seed)
    spent = time.perf_counter() - began
    ess = least_ess(model, draws.values, patterns)
    fixed = spent - draws.seconds_sample
    return {"fit": spent, "ess": ess, "seconds": fixed + draws.seconds_sample * ENOUGH / ess}


def gradients(studies: list[VerdictPatternCells]) -> list[float]:
    """Median duration in seconds of one gradient for each study, interleaved."""
    targets = [corrected_model(patterns, Priors()).with_informed_coordinates() for patterns in studies]
    calls = [(model.sampling_target(), np.zeros(model.parameter_count)) for model in targets]
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(60):
        for place, (target, point) in enumerate(calls):
            began = time.perf_counter()
            for _ in range(20):
                target(point)
            times[place].append((time.perf_counter() - began) / 20)
    return [statistics.median(column) for column in times]


def natural_draws(model: OutcomeModel, posterior: Any) -> np.ndarray:
    """Draws of PyMC's model as parameters of ours.

    Parameters
    ----------
    model : OutcomeModel
        Our model.
    posterior : xarray.Dataset
        Draws of the PyMC model's variables.

    Returns
    -------
    ndarray, shape (chains, draws, size)
        Parameter vectors.
    """
    parts = {name: np.asarray(posterior[name]) for name in posterior}
    group, judge = model.arrays.group, model.verdicts
    assert judge is not None
    deviation = parts["scale"][..., group, :] * parts["deviation"]
    accuracy = parts["judge_scale"][..., judge.accuracy.group, :][..., None] * parts["accuracy"]
    wrong = parts["wrong_scale"][..., judge.wrong.group, :][..., None, None] * parts["wrong_deviation"]
    found = {
        "coefficient": np.concatenate([parts["fixed"], deviation], axis=-2),
        "log_scale": np.log(parts["scale"]),
        "wrong": parts["wrong"],
        "log_judge_scale": np.log(parts["judge_scale"]),
        "accuracy": accuracy,
        "agreement": parts["agreement"],
        "log_wrong_scale": np.log(parts["wrong_scale"]),
        "wrong_deviation": wrong,
        "rater_wrong": parts.get("rater_wrong", np.zeros(0)),
        "rater_deviation": parts.get("rater_deviation", np.zeros(0)),
    }
    shape = parts["scale"].shape[:2]
    kept = [name for name, part in model.parameter_shapes.items() if np.prod(part)]
    return np.concatenate([found[name].reshape(*shape, -1) for name in kept], axis=-1)


def by_trial(patterns: VerdictPatternCells) -> VerdictPatternCells:
    """The same study with one cell and row per trial."""
    each = np.repeat(np.arange(len(patterns.cell)), patterns.count)
    frame = patterns.frame.iloc[patterns.cell[each]].reset_index(drop=True)
    ones = np.ones(len(each), dtype=np.int64)
    return replace(
        patterns,
        frame=frame,
        cell=np.arange(len(each)),
        label=patterns.label[each],
        count=ones,
        verdict=patterns.verdict[each],
    )


def under_nutpie(model: OutcomeModel, draws: int, tune: int, chains: int, depth: int) -> tuple[dict[str, float], Any]:
    """Sample the PyMC form of the model with nutpie.

    Parameters
    ----------
    model : OutcomeModel
        The model.
    draws : int
        Kept draws per chain.
    tune : int
        Tuning draws per chain.
    chains : int
        Number of chains.
    depth : int
        Greatest tree depth.

    Returns
    -------
    (dict, arviz.InferenceData)
        compile and gradient (seconds), steps, tuning (steps); and the trace.
    """
    import_arviz()
    import nutpie

    began = time.perf_counter()
    compiled = nutpie.compile_pymc_model(pymc_model(model))
    ready = time.perf_counter()
    trace = nutpie.sample(
        compiled, draws=draws, tune=tune, chains=chains, cores=min(chains, 2), seed=1, target_accept=0.9,
        maxdepth=depth, progress_bar=False, save_warmup=True,
    )  # fmt: skip
    spent = time.perf_counter() - ready
    kept = float(np.asarray(trace["sample_stats"]["n_steps"]).sum())
    tuning = float(np.asarray(trace["warmup_sample_stats"]["n_steps"]).sum())
    gradient = spent / (kept + tuning) * min(chains, 2)
    return {"compile": ready - began, "gradient": gradient, "steps": kept, "tuning": tuning}, trace


def trial_level(patterns: VerdictPatternCells) -> dict[str, float]:
    """Seconds to the ESS with one row per trial: the steps taken on the cells, at the cost of a step on the rows.

    The posterior is the same, so the numbers of steps are too. A few short trees measure the cost of a gradient.
    """
    on_cells = corrected_model(patterns, Priors())
    cells, trace = under_nutpie(on_cells, 250, 400, 4, 10)
    ess = least_ess(on_cells, natural_draws(on_cells, trace["posterior"]), patterns)
    _say(f"  cells: {cells}, ESS {ess:.0f}")
    rows, _ = under_nutpie(corrected_model(by_trial(patterns), Priors()), 4, 8, 2, 5)
    _say(f"  rows: {rows}")
    steps = cells["tuning"] + cells["steps"] * ENOUGH / ess
    about = {f"cells_{name}": value for name, value in cells.items()} | {f"rows_{n}": v for n, v in rows.items()}
    return {**about, "cells_ess": ess, "seconds": rows["compile"] + steps * rows["gradient"] / 2}


def under_pymc(patterns: VerdictPatternCells, draws: int, tune: int) -> dict[str, float]:
    """Seconds to the ESS of the PyMC form on our cells, by PyMC's own sampler on two cores.

    Two chains run; more draws are extrapolated in proportion, more tuning at no cost, which favours PyMC.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts to fit.
    draws : int
        Kept draws per chain.
    tune : int
        Tuning draws per chain.
    """
    import_arviz()
    import pymc as pm

    model = corrected_model(patterns, Priors())
    began = time.perf_counter()
    with pymc_model(model):
        trace = pm.sample(
            draws, tune=tune, chains=2, cores=2, random_seed=1, target_accept=0.9, nuts_sampler="pymc",
            progressbar=False, compute_convergence_checks=False, discard_tuned_samples=False,
        )  # fmt: skip
    spent = time.perf_counter() - began
    sampling = float(trace["posterior"].attrs["sampling_time"])
    kept = float(np.asarray(trace["sample_stats"]["n_steps"]).sum())
    tuning = float(np.asarray(trace["warmup_sample_stats"]["n_steps"]).sum())
    ess = least_ess(model, natural_draws(model, trace["posterior"]), patterns)
    drawing = sampling * kept / (kept + tuning)
    return {"fit": spent, "ess": ess, "steps": kept, "seconds": spent - drawing + drawing * ENOUGH / ess}


def refit(patterns: VerdictPatternCells, settings: SamplerSettings) -> dict[str, float]:
    """Time a fit, and another after one label that contradicts the judges; estimates included.

    Parameters
    ----------
    patterns : VerdictPatternCells
        Counts to fit.
    settings : SamplerSettings
        Sampler settings.

    Returns
    -------
    dict of str to float
        first and again (seconds), k and share of the weights, ess.
    """
    began = time.perf_counter()
    model = corrected_model(patterns, Priors())
    draws = sample_posterior(model, settings, 4)
    shelved = to_cached_draws(model, "first", draws)
    _read(model, draws, patterns)
    first = time.perf_counter() - began
    row = int(np.flatnonzero((patterns.label < 0) & (patterns.count > 1))[0])
    count = patterns.count.copy()
    count[row] -= 1
    new = replace(
        patterns,
        cell=np.append(patterns.cell, patterns.cell[row]),
        label=np.append(patterns.label, (patterns.verdict[row, 0] + 1) % len(patterns.classes)),
        count=np.append(count, 1),
        verdict=np.vstack([patterns.verdict, patterns.verdict[row]]),
    )
    began = time.perf_counter()
    model = corrected_model(new, Priors())
    again = reweight_draws(model, shelved)
    least = _read(model, again.draws, new)
    return {"first": first, "again": time.perf_counter() - began, "k": again.k, "share": again.share, "ess": least}


def _read(model: OutcomeModel, draws: PosteriorDraws, patterns: VerdictPatternCells) -> float:
    """Compute everything that a fit stores, and check convergence: the least effective sample size."""
    result = build_result(ModelPosterior(model, draws.flat_values, patterns.trial_counts, None, "corrected", None, ""))
    return check_convergence(result.draws, draws).min_ess_bulk or 0.0


def run(*, peers: bool) -> dict[str, object]:
    """Three studies of each size, fits of both sizes alternating; then the refit, then the peers."""
    settings, ratios = SamplerSettings(), []
    fits: dict[int, list[dict[str, float]]] = {trials: [] for trials in TRIALS}
    for seed in SEEDS:
        both = [study(trials, seed=seed) for trials in TRIALS]
        for trials, patterns in zip(TRIALS, both, strict=True):
            fits[trials].append(ours(patterns, settings))
        one, many = gradients(both)
        ratios.append(many / one)
        _say(
            f"study {seed}: {[fits[trials][-1] for trials in TRIALS]}, gradient {1e3 * one:.3f} ms, x {ratios[-1]:.3f}"
        )
    seconds, large = (statistics.median(fit["seconds"] for fit in fits[trials]) for trials in TRIALS)
    small = study(TRIALS[0], seed=SEEDS[0])
    again = refit(small, settings)
    _say(f"a label more: {again}")
    out: dict[str, object] = {
        "machine": machine(),
        "seconds": seconds,
        "fits": {str(trials): fits[trials] for trials in TRIALS},
        "gradient_ms": 1e3 * one,
        "gradient_ratio_1m": statistics.median(ratios),
        "fit_time_ratio_1m": large / seconds,
        "refit": again,
        "refit_ratio": again["again"] / again["first"],
        "rows": {str(trials): len(patterns.count) for trials, patterns in zip(TRIALS, both, strict=True)},
    }
    if peers:
        _say("the model as PyMC states it under nutpie, on cells and on one row a trial: minutes")
        out["trial_level"] = by_trial = trial_level(small)
        out["ratio_trial_level"] = by_trial["seconds"] / fits[TRIALS[0]][0]["seconds"]
        _say("PyMC's own sampler on cells: minutes")
        out["pymc"] = peer = under_pymc(small, 200, 250)
        out["ratio_pymc"] = peer["seconds"] / fits[TRIALS[0]][0]["seconds"]
        _say(f"  {out['pymc']}")
    return out


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(prog="python -m bench.performance.measure_fit", description=__doc__)
    options.add_argument("--json", action="store_true", help="one JSON document (the default prints the same)")
    options.add_argument("--skip-peers", action="store_true", help="ours alone")
    print(json.dumps(run(peers=not options.parse_args().skip_peers), indent=2))


if __name__ == "__main__":
    main()
