"""Claims about Ray: the same trials as here, and an actor killed in mid-run loses nothing and doubles nothing."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gnomon.data.errors import GnomonError, InputError
from gnomon.data.records import Subject, Trial
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.generation.subjects.loading import load_subject
from gnomon.generation.sweeps import runner
from gnomon.generation.sweeps.ray_pool import RayCluster, ray_result
from gnomon.generation.sweeps.ray_workers import ClusterOptions, ray_cluster
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
    ends = signal.getsignal(signal.SIGTERM)
    with ray_cluster("small", str(folder), {}, ClusterOptions(cores=1), say=said.append) as running:
        assert signal.getsignal(signal.SIGTERM) == ends
        yield running, said, folder


def told(trials: list[Trial]) -> dict[str, tuple[str, int]]:
    return {trial.id: (trial.answer, trial.tokens) for trial in trials}


@pytest.mark.simulation
def test_a_killed_actor_loses_nothing_doubles_nothing_and_changes_nothing(
    workers: tuple[RayCluster, list[str], Path],
    small_design: SweepDesign,
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    running, said, folder = workers
    assert said == ["ray: 2 actors, each with 1 core"]
    monkeypatch.setattr(runner, "TOGETHER", 1)
    running.answer_seconds = 0.0
    killed: list[int] = []

    def kill(done: int, _planned: int) -> None:
        if done >= 2 and not killed:
            killed.append(done)
            for actor in running.fleet.actors:
                ray.kill(actor.handle)

    report = runner.run_sweep(store, running, small_design, record=RECORD, progress=kill)
    assert killed
    assert any("died (" in line for line in said)
    assert report.made == report.planned == len(store.load_trials()) == 17
    here = Store.open(sqlite_url(tmp_path / "here.db"))
    runner.run_sweep(here, runner.LocalWorker(load_subject("small", str(folder))), small_design, record=RECORD)
    assert told(store.load_trials()) == told(here.load_trials())
    here.close()
    assert runner.run_sweep(store, running, small_design, record=RECORD).made == 0

    with pytest.raises(InputError, match="layer 9: subject 'small' has layers 0 to 3"):
        _got_from_actor(running, small_design)


def _got_from_actor(running: RayCluster, design: SweepDesign) -> None:
    """An actor's own error arrives as the one line that it is."""
    from dataclasses import replace

    ray_result(running.fleet.actors[0].handle.prepare_worker.remote(replace(design, layers=(9,)), []))


def test_gpus_of_an_actor_must_divide_those_that_are_asked_for() -> None:
    with pytest.raises(InputError, match="--gpus 3: 2 GPUs of each actor do not divide that: choose a multiple"):
        ClusterOptions(gpus=3, gpus_per_actor=2)


def test_actors_get_gpus_where_there_are_some_or_some_are_asked_for() -> None:
    cpus, gpus = {"Alive": True, "Resources": {"CPU": 4.0}}, {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}
    assert ClusterOptions(cores=8).actor_needs([cpus]) == {"CPU": 4}
    assert ClusterOptions(cores=2).actor_needs([cpus, {**gpus, "Alive": False}]) == {"CPU": 2}
    assert ClusterOptions().actor_needs([cpus, gpus]) == {"GPU": 1}
    assert ClusterOptions(gpus=2).actor_needs([cpus]) == {"GPU": 1}
    assert ClusterOptions(gpus_per_actor=2).actor_needs([cpus]) == {"GPU": 2}


def test_an_address_at_which_nothing_answers_is_one_line_at_once() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:99999999"):
        with (
            pytest.raises(GnomonError, match=f"ray: nothing answers at '{address}'.*leave --address out"),
            ray_cluster("small", "nowhere", {}, ClusterOptions(address)),
        ):
            pass
