"""Draws are believed only when every figure shown has converged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gnomon.stats.inference.sampler import PosteriorDraws, SamplerSettings, check_convergence


def draws(values: np.ndarray, divergences: int = 0) -> PosteriorDraws:
    return PosteriorDraws(values[:, :, None], divergences, 0.1, 1.0)


def noise(chains: int = 4, length: int = 500) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(chains, length))


def test_independent_draws_pass() -> None:
    values = noise()
    found = check_convergence({"figure": values.ravel()}, draws(values))
    assert found.passed
    assert found.reasons == ()
    assert found.max_rhat < 1.01
    assert found.min_ess_bulk > 1000
    assert (found.draws, found.chains) == (500, 4)


def test_a_chain_that_went_elsewhere_fails() -> None:
    values = noise()
    moved = values.copy()
    moved[3] += 1
    found = check_convergence({"good": values.ravel(), "bad": moved.ravel()}, draws(values))
    assert not found.passed
    assert "R-hat" in found.reasons[0]


def test_a_slow_walk_fails_on_its_effective_size() -> None:
    values = noise().cumsum(axis=1) / 20
    found = check_convergence({"figure": values.ravel()}, draws(values))
    assert any("bulk ESS" in reason for reason in found.reasons)


@pytest.mark.parametrize(("divergences", "passed"), [(10, True), (11, False)])
def test_divergences_may_be_one_draw_in_two_hundred(divergences: int, passed: bool) -> None:
    values = noise()
    assert check_convergence({"figure": values.ravel()}, draws(values, divergences)).passed is passed


def test_a_figure_that_never_moves_is_no_failure() -> None:
    values = noise()
    found = check_convergence({"still": np.zeros(2000), "figure": values.ravel()}, draws(values))
    assert found.passed
    assert np.isfinite(found.max_rhat)


@pytest.mark.attack
@pytest.mark.parametrize("still", [slice(None), slice(1)])
def test_a_parameter_that_never_moves_in_a_chain_is_a_failure(still: slice) -> None:
    values = np.repeat(noise()[:, :, None], 3, axis=2)
    values[still, :, 1] = 0.5
    found = check_convergence({"figure": noise().ravel()}, PosteriorDraws(values, 0, 0.1, 1.0))
    assert found.reasons == ("1 of 3 parameters keep one value in a chain, or have none",)
    values[0, 7, 2] = np.nan
    assert check_convergence({}, PosteriorDraws(values, 0, 0.1, 1.0)).reasons[0].startswith("2 of 3 parameters")


def test_the_retry_is_longer_and_more_careful() -> None:
    harder = SamplerSettings().retry_settings()
    assert harder.draws > SamplerSettings().draws
    assert harder.tune > SamplerSettings().tune
    assert harder.target_accept > SamplerSettings().target_accept
    assert "cores" not in SamplerSettings().as_dict(), "the number of cores changes no draw"


def test_arviz_says_nothing_of_the_day(tmp_path: Path) -> None:
    """It warns on the first import of each day, which would fail the first run of a day, or of a fresh machine."""
    code = "from gnomon.stats.inference.arviz_import import import_arviz; import_arviz(); import nutpie, pymc"
    told = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "-c", code],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "arviz" / "daily_warning").exists(), "the notice was due"


@pytest.mark.attack
@pytest.mark.parametrize("cache", ["cache", "file/in/the/way"])
def test_libraries_keep_their_files_elsewhere_where_the_home_folder_cannot_be_written(
    tmp_path: Path, cache: str
) -> None:
    (tmp_path / "file").touch()
    code = (
        "from gnomon.data.files import redirect_library_caches as r; import os; r(); print(os.environ['MPLCONFIGDIR'])"
    )
    environment = {**os.environ, "HOME": "/proc/none", "GNOMON_CACHE": str(tmp_path / cache)}
    environment.pop("MPLCONFIGDIR", None)
    code += "; import matplotlib, pytensor; print(pytensor.config.base_compiledir, matplotlib.get_configdir())"
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    places = told.stdout.split()
    assert places[0] == places[2]
    assert all("none" not in place for place in places)
    assert all((str(tmp_path) in place) is (cache == "cache") for place in places)
