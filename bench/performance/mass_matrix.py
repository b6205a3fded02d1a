"""What a fit's coordinates leave to the sampler: a low-rank mass matrix beside a diagonal one.

    python -m bench.performance.mass_matrix [WORLD ...]

Studies of `bench.validity.hostile_worlds`, each sampled with both matrices and two target acceptance rates, one after
the other in one process. CPU seconds include the adaptation of the mass matrix, which gradients do not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import zlib
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np

from bench.support.machine import machine
from bench.validity.hostile_studies import store_study
from bench.validity.hostile_worlds import SEED, WORLDS
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import VerdictPatternCells, pattern_cells
from gnomon.stats.estimands.result import ModelPosterior, all_estimand_draws
from gnomon.stats.inference.hierarchical import OutcomeModel, corrected_model
from gnomon.stats.inference.sampler import QUICK_SETTINGS, check_convergence, sample_posterior
from gnomon.stats.model.priors import Priors

STUDIES = ("strong-two-random", "raters", "cells-corrected")
SETTINGS = ((True, 0.9), (False, 0.9), (False, 0.85), (False, 0.8))
"""Low-rank or diagonal, and target acceptance."""


def simulated_patterns(world: str) -> VerdictPatternCells:
    """The first study of a world, as it is fitted."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(sqlite_url(Path(folder) / "study.db"))
        store_study(store, WORLDS[world], np.random.default_rng([SEED, zlib.crc32(world.encode()), 0]))
        patterns = pattern_cells(store)
        store.close()
    return patterns


def sampling_cost(patterns: VerdictPatternCells, *, low_rank: bool, target: float) -> dict[str, float]:
    """CPU seconds, gradients, and the least bulk ESS of an estimate.

    Parameters
    ----------
    patterns : VerdictPatternCells
        The study.
    low_rank : bool
        Whether the mass matrix has a low-rank part.
    target : float
        Target acceptance rate.
    """
    import nutpie

    sample, ask, calls = nutpie.sample, OutcomeModel.sampling_target, [0]

    def counted(model: OutcomeModel) -> object:
        density = ask(model)

        def count(x: np.ndarray) -> tuple[float, np.ndarray]:
            calls[0] += 1
            return density(x)

        return count

    model = corrected_model(patterns, Priors())
    started = time.process_time()
    with (
        mock.patch.object(OutcomeModel, "sampling_target", counted),
        mock.patch.object(nutpie, "sample", lambda *a, **k: sample(*a, **k, low_rank_modified_mass_matrix=low_rank)),
    ):
        draws = sample_posterior(model, replace(QUICK_SETTINGS, target_accept=target, cores=1), 1)
    spent = time.process_time() - started
    posterior = ModelPosterior(model, draws.flat_values, patterns.trial_counts, None, "corrected", None, "")
    ess = check_convergence(all_estimand_draws(posterior), draws).min_ess_bulk or 0.0
    return {"seconds": spent, "gradients": calls[0], "ess": ess, "ess_per_second": ess / spent}


def main() -> None:
    """Measure and print one JSON document."""
    out: dict[str, object] = {"machine": machine()}
    for world in sys.argv[1:] or STUDIES:
        patterns = simulated_patterns(world)
        rows = [sampling_cost(patterns, low_rank=low, target=target) for low, target in SETTINGS]
        out[world] = [
            {"low_rank": low, "target_accept": target, **row} for (low, target), row in zip(SETTINGS, rows, strict=True)
        ]
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
