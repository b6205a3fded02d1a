"""Draws from a model's posterior with nutpie, and whether they may be believed.

Knows densities and arrays, not studies. Ctrl-C stops the sampler and goes on up; nothing is kept half done.
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

Progress = Callable[[str, float], None]
"""Called with the step, "compile" or "sample", and the share of it that is done; from another thread while sampling."""

MAX_RHAT = 1.01
MIN_ESS = 400.0
MAX_DIVERGENT = 0.005
WORTH_A_THREAD = 40e-6
"""Seconds for one gradient above which chains run at once: below it they would wait for Python's lock, not compute."""


@dataclass(frozen=True, slots=True)
class SamplerSettings:
    """How long and how carefully to sample.

    Attributes
    ----------
    draws, tune : int
        Draws kept and draws spent on adaptation, per chain.
    chains, cores : int
        Chains, and how many of them run at once (which changes no draw).
    target_accept : float
        Acceptance that the step size aims at; more is slower and safer.
    """

    draws: int = 1000
    tune: int = 500
    chains: int = 4
    cores: int = os.cpu_count() or 1
    target_accept: float = 0.9

    def retry_settings(self) -> SamplerSettings:
        """Settings of the one retry after a failed gate."""
        return replace(self, draws=2 * self.draws, tune=2 * self.tune, target_accept=0.97)

    def as_dict(self) -> dict[str, float]:
        """The settings that draws depend on, as stored with each fit."""
        return {name: value for name, value in asdict(self).items() if name != "cores"}


QUICK_SETTINGS = SamplerSettings(draws=500, tune=300)


@dataclass(frozen=True)
class PosteriorDraws:
    """Posterior draws (chains, draws, size) of a model's parameter vector, and how they came about."""

    values: np.ndarray
    divergences: int
    seconds_compile: float
    seconds_sample: float

    @property
    def flat_values(self) -> np.ndarray:
        """All chains one after the other, shape (chains * draws, size)."""
        return self.values.reshape(-1, self.values.shape[-1])

    @property
    def chain_count(self) -> int:
        """Number of chains."""
        return int(self.values.shape[0])


def sample_posterior(
    model: OutcomeModel, settings: SamplerSettings, seed: int, progress: Progress | None = None
) -> PosteriorDraws:
    """Draw from the posterior.

    Raises `FitFailedError` where the sampler finds no point to start from, and lets `KeyboardInterrupt` through after
    it has stopped the chains.
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
        # Judges' errors and true rates trade off along ridges: a diagonal mass matrix gave a twentieth of the ESS.
        low_rank_modified_mass_matrix=True,
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


def _seconds_per_call(density: Density, x: np.ndarray, times: int = 20) -> float:
    """Seconds that one evaluation takes, after a first one that may compile."""
    density(x)
    started = time.perf_counter()
    for _ in range(times):
        density(x)
    return (time.perf_counter() - started) / times


class _DrawMeter:
    """Hands each draw on as parameters, and tells how many of all there have been."""

    def __init__(self, say: Progress, total: int, parameters: Callable[[np.ndarray], np.ndarray]) -> None:
        self.say, self.total, self.parameters, self.done = say, total, parameters, 0

    def __call__(self, t: np.ndarray) -> dict[str, np.ndarray]:
        self.done += 1
        if self.done % max(1, self.total // 100) == 0:
            self.say("sample", min(1.0, self.done / self.total))
        return {"x": self.parameters(t)}


def _wait_for_trace(running: Any) -> Any:
    """The trace of a sampler in the background; stops it before an interrupt goes on."""
    try:
        return running.wait()
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise FitFailedError(f"sampling failed: {reason}: check the study's counts and priors") from error
    except BaseException:
        running.cancel()
        raise


def check_convergence(figures: Mapping[str, np.ndarray], draws: PosteriorDraws) -> dict[str, Any]:
    """Convergence of every figure that will be shown, and whether all gates are passed.

    Parameters
    ----------
    figures : mapping of str to ndarray, shape (chains * draws,)
        Posterior draws of each estimand.
    draws : Draws

    Returns
    -------
    dict
        max_rhat (rank-normalised, split), min_ess_bulk, min_ess_tail, divergences, draws (per chain), chains,
        seconds_compile, seconds_sample, passed, reasons.
    """
    arviz = import_arviz()
    shape = (draws.chain_count, -1)
    moving = {name: values.reshape(shape) for name, values in figures.items() if np.ptp(values) > 0}
    rhat = max((float(arviz.rhat(values)) for values in moving.values()), default=1.0)
    whole = float(np.prod(draws.values.shape[:2]))
    bulk = min((float(arviz.ess(values, method="bulk")) for values in moving.values()), default=whole)
    tail = min((float(arviz.ess(values, method="tail")) for values in moving.values()), default=whole)
    gates = {
        f"R-hat {rhat:.3f} is above {MAX_RHAT}": not rhat <= MAX_RHAT,
        f"bulk ESS {bulk:.0f} is below {MIN_ESS:.0f}": not bulk >= MIN_ESS,
        f"tail ESS {tail:.0f} is below {MIN_ESS:.0f}": not tail >= MIN_ESS,
        f"{draws.divergences} of {whole:.0f} draws diverged": draws.divergences > MAX_DIVERGENT * whole,
    }
    reasons = [reason for reason, failed in gates.items() if failed]
    return {
        "max_rhat": rhat,
        "min_ess_bulk": bulk,
        "min_ess_tail": tail,
        "divergences": draws.divergences,
        "draws": int(draws.values.shape[1]),
        "chains": draws.chain_count,
        "seconds_compile": draws.seconds_compile,
        "seconds_sample": draws.seconds_sample,
        "passed": not reasons,
        "reasons": reasons,
    }
