"""Claims about Ray: the same trials as here, and an actor killed in mid-run loses nothing and doubles nothing."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gnomon.data.errors import GnomonError, InputError
from gnomon.data.records import Subject, Trial
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.generation.subjects.loading import load_subject
from gnomon.generation.sweeps import ray_workers, runner
from gnomon.generation.sweeps.ray_workers import RayCluster, ray_cluster
from gnomon.generation.sweeps.trial_design import SweepDesign

RECORD = Subject("ignored", 1e6, "toy", "instruct")


@pytest.fixture
def workers(
    model_folder: Callable[..., Path], own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[RayCluster, list[str], Path]]:
    """Two actors with a tiny subject, what was said of them, and the subject's folder.

    They are started from a folder with code of others, under names of modules that a worker imports.
    """
    folder, said = model_folder(), []
    (tmp_path / "others").mkdir()
    for name in ("torch", "transformers", "numpy", "sitecustomize", "gnomon", "data"):
        (tmp_path / "others" / f"{name}.py").write_text(f"raise SystemExit('the wrong {name}')")
    monkeypatch.chdir(tmp_path / "others")
    with ray_cluster("small", str(folder), {}, cores=1, say=said.append) as running:
        yield running, said, folder


def told(trials: list[Trial]) -> dict[str, tuple[str, int]]:
    return {trial.id: (trial.answer, trial.tokens) for trial in trials}


@pytest.mark.slow
def test_a_killed_actor_loses_nothing_doubles_nothing_and_changes_nothing(
    workers: tuple[RayCluster, list[str], Path],
    small_design: SweepDesign,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    running, said, folder = workers
    assert said == ["ray: 2 actors, each with 1 cores"]
    monkeypatch.setattr(runner, "TOGETHER", 1)
    killed: list[int] = []

    def kill(done: int, _planned: int) -> None:
        if done >= 2 and not killed:
            killed.append(done)
            ray.kill(running.actors[0])
            ray.kill(running.actors[1])

    report = runner.run_sweep(store, running, small_design, record=RECORD, progress=kill)
    assert killed
    assert any("an actor died" in line for line in said)
    assert report.made == report.planned == len(store.load_trials()) == 17
    here = Store.open(sqlite_url(tmp_path / "here.db"))
    runner.run_sweep(here, runner.LocalWorker(load_subject("small", str(folder))), small_design, record=RECORD)
    assert told(store.load_trials()) == told(here.load_trials())
    here.close()
    assert runner.run_sweep(store, running, small_design, record=RECORD).made == 0

    with pytest.raises(InputError, match="layer 9: subject 'small' has layers 0 to 3"):
        _got_from_actor(running, small_design)

    monkeypatch.setattr(ray_workers, "TRIES", 1)
    part = ray_workers._WorkPart([])
    with pytest.raises(GnomonError, match="1 actors died on the same 0 trials"):
        running._resubmit_part(part, RuntimeError("gone"))


def _got_from_actor(running: RayCluster, design: SweepDesign) -> None:
    """An actor's own error arrives as the one line that it is."""
    from dataclasses import replace

    ray_workers._ray_get(running.actors[0].prepare_worker.remote(replace(design, layers=(9,)), []))


def test_an_address_at_which_nothing_answers_is_one_line_at_once() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:99999999"):
        with (
            pytest.raises(GnomonError, match=f"ray: nothing answers at '{address}'.*leave --address out"),
            ray_cluster("small", "nowhere", {}, address=address),
        ):
            pass
