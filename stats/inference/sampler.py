"""Posterior sampling with nutpie, and convergence checks.

Knows densities and arrays, not studies. Ctrl-C stops the sampler and is re-raised; no partial result is kept.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from gnomon.data.errors import FitFailedError
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.hierarchical import Density, OutcomeModel
from gnomon.stats.results import Diagnostics

Progress = Callable[[str, float], None]
"""Called with the step, "compile" or "sample", and its completed share; from another thread while sampling."""

MAX_RHAT = 1.01
MIN_ESS = 400.0
MAX_DIVERGENT = 0.005
WORTH_A_THREAD = 40e-6
"""Seconds per gradient above which chains run in parallel: below it they would mostly wait for Python's lock."""


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """How long and how carefully to sample.

    Attributes
    ----------
    draws, tune : int
        Draws kept and draws spent on adaptation, per chain.
    chains, cores : int
        Number of chains, and how many of them run in parallel (which changes no draw).
    target_accept : float
        Target acceptance rate of the step size; higher is slower and more robust.
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    cores: int = os.cpu_count() or 1
    target_accept: float = 0.85

    def retry_settings(self) -> SamplerSettings:
        """Settings of the single retry after a failed convergence check."""
        return replace(self, draws=2 * self.draws, tune=2 * self.tune, target_accept=0.97)

    def as_dict(self) -> dict[str, float]:
        """The settings that draws depend on, as stored with each fit."""
        return {name: value for name, value in asdict(self).items() if name != "cores"}


QUICK_SETTINGS = SamplerSettings(draws=500, tune=300)


@dataclass(frozen=True)
class PosteriorDraws:
    """Posterior draws (chains, draws, size) of a model's parameter vector, with sampling statistics."""

    values: np.ndarray
    divergences: int
    seconds_compile: float
    seconds_sample: float

    @property
    def flat_values(self) -> np.ndarray:
        """All chains concatenated, shape (chains * draws, size)."""
        return self.values.reshape(-1, self.values.shape[-1])

    @property
    def chain_count(self) -> int:
        """Number of chains."""
        return int(self.values.shape[0])


def sample_posterior(
    model: OutcomeModel, settings: SamplerSettings, seed: int, progress: Progress | None = None
) -> PosteriorDraws:
    """Draw from the posterior.

    `KeyboardInterrupt` is re-raised after the chains have been stopped.

    Parameters
    ----------
    model : OutcomeModel
        The model with its data.
    settings : SamplerSettings
        Numbers of draws and chains, and target acceptance.
    seed : int
        Seed of the sampler.
    progress : Progress, optional
        Called with the step ("compile" or "sample") and its completed share.

    Raises
    ------
    FitFailedError
        If the sampler fails, for example because it finds no starting point.
    """
    import_arviz()
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    say = progress or (lambda stage, share: None)
    say("compile", 0.0)
    started = time.perf_counter()
    round_ = model.with_informed_coordinates()
    density = round_.sampling_target()
    cores = settings.cores if _seconds_per_call(density, np.zeros(model.parameter_count)) > WORTH_A_THREAD else 1
    meter = _DrawMeter(say, settings.chains * (settings.draws + settings.tune), round_.parameters_at)
    target = from_pyfunc(
        model.parameter_count,
        lambda: density,
        lambda *_seeds: meter,
        [np.dtype("float64")],
        [(model.parameter_count,)],
        ["x"],
        make_initial_point_fn=lambda seed: round_.initial_point(np.random.default_rng(seed)),
    )
    compiled = time.perf_counter()
    say("sample", 0.0)
    running = nutpie.sample(
        target,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=min(cores, settings.chains),
        seed=seed,
        target_accept=settings.target_accept,
        # The pilot's coordinates hold the correlations. Adapting a low-rank mass matrix to them again cost more than
        # the gradients did, and gave no more effective draws per gradient (bench/RESULTS.md).
        save_warmup=False,
        progress_bar=False,
        blocking=False,
    )
    trace = _wait_for_trace(running)
    stats = trace["sample_stats"]
    return PosteriorDraws(
        values=np.asarray(trace["posterior"]["x"]),
        divergences=int(np.asarray(stats["diverging"]).sum()),
        seconds_compile=compiled - started,
        seconds_sample=time.perf_counter() - compiled,
    )


def spaced_draws(length: int, number: int) -> np.ndarray:
    """Places of at most `number` draws, evenly spaced among `length`, the first and the last included.

    Parameters
    ----------
    length : int
        Number of draws.
    number : int
        Number to keep.
    """
    return np.linspace(0, length - 1, min(number, length)).astype(int)


def sample_density(density: Density, start: np.ndarray, draws: int, tune: int, chains: int, seed: int) -> np.ndarray:
    """Draws from a density that is no `OutcomeModel`, all chains together, without convergence checks.

    Parameters
    ----------
    density : callable
        From a parameter vector to log density and gradient.
    start : ndarray, shape (size,)
        Point around which chains start.
    draws, tune, chains : int
        Draws kept and spent on adaptation, per chain, and number of chains.
    seed : int
        Seed of the sampler.

    Returns
    -------
    ndarray, shape (chains * draws, size)
        Draws, alternating between chains.

    Raises
    ------
    FitFailedError
        If the sampler fails.
    """
    import_arviz()
    import nutpie
    from nutpie.compiled_pyfunc import from_pyfunc

    target = from_pyfunc(
        len(start),
        lambda: density,
        lambda *_seeds: lambda x: {"x": x},
        [np.dtype("float64")],
        [(len(start),)],
        ["x"],
        make_initial_point_fn=lambda seed: start + 0.1 * np.random.default_rng(seed).normal(size=len(start)),
    )
    running = nutpie.sample(
        target, draws=draws, tune=tune, chains=chains, cores=1, seed=seed, target_accept=0.8,
        save_warmup=False, progress_bar=False, blocking=False,
    )  # fmt: skip
    values = np.asarray(_wait_for_trace(running)["posterior"]["x"])
    return values.transpose(1, 0, 2).reshape(-1, len(start))


def _seconds_per_call(density: Density, x: np.ndarray, times: int = 20) -> float:
    """Mean duration of one evaluation, after a first one that may compile."""
    density(x)
    started = time.perf_counter()
    for _ in range(times):
        density(x)
    return (time.perf_counter() - started) / times


class _DrawMeter:
    """Converts each draw to parameters, and reports the share of draws done."""

    def __init__(self, say: Progress, total: int, parameters: Callable[[np.ndarray], np.ndarray]) -> None:
        self.say, self.total, self.parameters, self.done = say, total, parameters, 0

    def __call__(self, t: np.ndarray) -> dict[str, np.ndarray]:
        self.done += 1
        if self.done % max(1, self.total // 100) == 0:
            self.say("sample", min(1.0, self.done / self.total))
        return {"x": self.parameters(t)}


def _wait_for_trace(running: Any) -> Any:
    """The trace of a background sampler; cancels it before an interrupt is re-raised."""
    try:
        return running.wait()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise FitFailedError(f"sampling failed: {reason}: check the study's counts and priors") from error
    except BaseException:
        running.cancel()
        raise


def check_convergence(figures: Mapping[str, np.ndarray], draws: PosteriorDraws) -> Diagnostics:
    """Convergence of every estimate that will be shown, and whether all criteria are met.

    Parameters
    ----------
    figures : mapping of str to ndarray, shape (chains * draws,)
        Posterior draws of each estimate.
    draws : PosteriorDraws
        Draws of the parameters, with divergences and durations.

    Returns
    -------
    Diagnostics
        `max_rhat` is rank-normalised and split; `draws` is the number per chain.
    """
    arviz = import_arviz()
    shape = (draws.chain_count, -1)
    moving = {name: values.reshape(shape) for name, values in figures.items() if np.ptp(values) > 0}
    rhat = max((float(arviz.rhat(values)) for values in moving.values()), default=1.0)
    whole = float(np.prod(draws.values.shape[:2]))
    stuck = int((~(np.ptp(draws.values, axis=1) > 0)).any(axis=0).sum())
    bulk = min((float(arviz.ess(values, method="bulk")) for values in moving.values()), default=whole)
    tail = min((float(arviz.ess(values, method="tail")) for values in moving.values()), default=whole)
    gates = {
        f"R-hat {rhat:.3f} is above {MAX_RHAT}": not rhat <= MAX_RHAT,
        f"bulk ESS {bulk:.0f} is below {MIN_ESS:.0f}": not bulk >= MIN_ESS,
        f"tail ESS {tail:.0f} is below {MIN_ESS:.0f}": not tail >= MIN_ESS,
        f"{stuck} of {draws.values.shape[2]} parameters keep one value in a chain, or have none": stuck > 0,
        f"{draws.divergences} of {whole:.0f} draws diverged": draws.divergences > MAX_DIVERGENT * whole,
    }
    reasons = [reason for reason, failed in gates.items() if failed]
    return Diagnostics(
        max_rhat=rhat,
        min_ess_bulk=bulk,
        min_ess_tail=tail,
        divergences=draws.divergences,
        draws=int(draws.values.shape[1]),
        chains=draws.chain_count,
        seconds_compile=draws.seconds_compile,
        seconds_sample=draws.seconds_sample,
        passed=not reasons,
        reasons=tuple(reasons),
    )
