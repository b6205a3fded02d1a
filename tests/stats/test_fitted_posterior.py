"""The draws behind a stored fit come back: from the cache, by weights, or sampled again with the fit's seed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import Facts, Label, Trial
from gnomon.data.storage.store import DRAWS_SAMPLED_AGAIN, Store
from gnomon.stats.cells.outcome_classes import EVENT, REST
from gnomon.stats.fit import fit_corrected, fit_judged
from gnomon.stats.fitted_posterior import estimate_chains, load_kept_posterior, load_posterior, write_netcdf
from gnomon.stats.inference.arviz_import import import_arviz
from gnomon.stats.inference.importance_reweighting import DrawCache
from gnomon.stats.inference.sampler import SamplerSettings
from gnomon.stats.model.priors import Priors
from gnomon.stats.results import Diagnostics, FitResult, StoredFit

Add = Callable[..., list[Trial]]
SETTINGS = SamplerSettings(draws=800, tune=400)


@pytest.fixture
def left(add: Add) -> list[Trial]:
    """A study of two judges with labels in both arms; the trials that can still be labelled."""
    both: dict[str, Any] = {"first-1": EVENT, "second-1": EVENT}
    neither: dict[str, Any] = {"first-1": REST, "second-1": REST}
    add(14, "injection", concept="ocean", verdicts=both, label=EVENT)
    add(14, "injection", concept="ocean", verdicts=neither, label=REST)
    add(30, "control", verdicts=neither, label=REST)
    add(3, "control", verdicts=both, label=EVENT)
    add(40, "injection", concept="ocean", verdicts=both)
    return add(30, "injection", concept="ocean", verdicts=neither)


def test_kept_draws_are_those_of_the_fit_and_sampling_again_gives_the_same(
    store: Store, left: list[Trial], tmp_path: Path
) -> None:
    priors = Priors(subject_scale=0.9)
    row = fit_judged(store, settings=SETTINGS, priors=priors, seed=3, shelf=DrawCache(tmp_path))
    kept = load_posterior(store, row, settings=SETTINGS, shelf=DrawCache(tmp_path))
    again = load_posterior(store, row, settings=SETTINGS)
    assert kept.priors == priors
    assert kept.draws.values.shape[:2] == (SETTINGS.chains, SETTINGS.draws)
    np.testing.assert_array_equal(kept.draws.values, again.draws.values)
    found = load_kept_posterior(store, row, tmp_path)
    np.testing.assert_array_equal(found.draws.values, kept.draws.values)
    chains = estimate_chains(found)
    for figure in row.result.overall_estimates:
        if (figure.subject, figure.estimand) in chains:
            assert chains[figure.subject, figure.estimand].mean() == pytest.approx(figure.mean)
    assert all(each.shape == (SETTINGS.chains, SETTINGS.draws) for each in chains.values())
    with pytest.raises(NotEnoughDataError, match="its draws are not in 'elsewhere'"):
        load_kept_posterior(store, row, tmp_path / "elsewhere")
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(NotEnoughDataError, match="its draws are not in"):
        load_kept_posterior(store, row, tmp_path)


def test_a_reweighted_fit_gives_reweighted_draws_and_all_of_it_goes_to_one_file(
    store: Store, left: list[Trial], tmp_path: Path
) -> None:
    shelf = DrawCache(tmp_path)
    first = fit_corrected(store, settings=SETTINGS, shelf=shelf)
    store.add_labels([Label(left[0].id, "ann", Facts(False, "none", True, False))])
    row = fit_corrected(store, settings=SETTINGS, shelf=shelf)
    assert row.diagnostics.reweighted.fit == first.id
    found = load_posterior(store, row, settings=SETTINGS, shelf=shelf)
    _, per_draw = np.unique(found.draws.flat_values[:, 0], return_counts=True)
    assert per_draw.max() > 1, "weights repeat draws"
    np.testing.assert_array_equal(load_kept_posterior(store, row, tmp_path).draws.values, found.draws.values)
    write_netcdf(found, tmp_path / "draws.nc")
    read = import_arviz().from_netcdf(str(tmp_path / "draws.nc"))
    assert {"posterior", "log_likelihood", "observed_data", "prior"} <= set(read.groups())
    assert list(read.posterior["judge"].values) == ["first", "second"]
    assert (read.attrs["fit"], read.attrs["view"]) == (row.id, "corrected")
    with pytest.raises(InputError, match="data have changed since: fit again"):
        load_posterior(store, first, settings=SETTINGS, shelf=shelf)


def test_a_fit_that_did_not_pass_has_no_draws(store: Store) -> None:
    with pytest.raises(NotEnoughDataError, match="fit 'corrected' is refused"):
        load_posterior(
            store,
            StoredFit(id="x", view="corrected", status="refused", diagnostics=Diagnostics(), result=FitResult()),
            settings=SETTINGS,
        )


def test_lost_draws_come_back_where_sampling_is_asked_for_and_not_before(
    store: Store, left: list[Trial], tmp_path: Path
) -> None:
    quick = SamplerSettings(draws=400, tune=300)
    row = fit_judged(store, settings=quick, shelf=DrawCache(tmp_path))
    (file,) = tmp_path.glob("*.npz")
    file.unlink()
    assert fit_judged(store, settings=quick, shelf=DrawCache(tmp_path)) == row
    with pytest.raises(NotEnoughDataError, match="'gnomon fit DIR --resample' samples them again"):
        load_kept_posterior(store, row, tmp_path)
    assert fit_judged(store, settings=quick, shelf=DrawCache(tmp_path, reuse=False)) == row
    assert load_kept_posterior(store, row, tmp_path).draws.values.shape[:2] == (quick.chains, quick.draws)
    assert store.event_details(DRAWS_SAMPLED_AGAIN) == [], "the same draws are the file that the fit already names"
    at = file.stat().st_mtime_ns
    fit_judged(store, settings=quick, shelf=DrawCache(tmp_path, reuse=False))
    assert file.stat().st_mtime_ns == at, "draws that are there are kept"
    store.log_event(DRAWS_SAMPLED_AGAIN, {"fit": row.id, "sha256": "f" * 64})
    assert store.fit_of_draws("f" * 64) == row.id
