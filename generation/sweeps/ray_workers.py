"""Generates trials on Ray actors, one per GPU or per group of cores; lost trials are generated again.

An actor receives a part of the plan at a time. If an actor dies, it is replaced and its part is submitted again, so
that a trial may be generated twice; the store keeps one trial per id.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gnomon.data.errors import GnomonError, MissingPackageError, install_hint
from gnomon.data.records import Trial
from gnomon.generation.engine.base import ENGINES, TORCH
from gnomon.generation.model_folders import CACHE
from gnomon.generation.prompts.protocol import Protocol
from gnomon.generation.subjects.environment import describe_environment
from gnomon.generation.subjects.loading import EMBEDDED
from gnomon.generation.sweeps.model_variants import load_variant
from gnomon.generation.sweeps.trial_design import PlannedTrial, SweepDesign, VectorRecord

CORES, PART, PARTS_EACH, TRIES = 8, 128, 4, 3
PATIENCE = 5.0
"""Seconds to wait for a cluster to answer at its address."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class SubjectInfo:
    """What planning needs to know of a subject that is loaded in another process."""

    name: str
    revision: str
    layers: int
    width: int
    parameters: float
    files: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


class RayWorker:
    """One actor: a process with the subject loaded.

    Parameters
    ----------
    name : str
        Name of the subject in the study.
    model : str
        Model of the subject, as for `load_subject`.
    options : dict
        Further arguments of `load_subject`.
    rows : int, optional
        Rows that run together; by default as many as fit in memory.
    cores : int
        Number of torch threads.
    engine : str
        Name of a registered engine.
    """

    def __init__(
        self, name: str, model: str, options: dict[str, Any], rows: int | None, cores: int, engine: str = TORCH
    ) -> None:
        import torch

        torch.set_num_threads(cores)
        self._subject = load_variant(ENGINES.find(engine), name, model, **options)
        self._rows, self._engine = rows, engine

    def subject_info(self) -> SubjectInfo:
        """The subject's name, revision and sizes, without its weights."""
        subject = self._subject
        sizes = (subject.layers, subject.width, subject.parameters)
        files = getattr(subject, "files", "")
        return SubjectInfo(subject.name, subject.revision, *sizes, files, describe_environment(subject))

    def prepare_worker(
        self, design: SweepDesign, protocols: Sequence[Protocol], vectors: Any = None
    ) -> tuple[list[VectorRecord], dict[str, str]]:
        """Prepare a design; returns the vectors in use as the store keeps them, and the hashes of its prompts.

        Parameters
        ----------
        design : SweepDesign
            The design.
        protocols : sequence of Protocol
            Its protocols, loaded.
        vectors : mapping of (str, int) to ConceptVector, optional
            Vectors that another actor made; by default they are made or read here.
        """
        from gnomon.generation.sweeps.trial_factory import TrialFactory

        self._maker = TrialFactory(self._subject, design, protocols, self._rows, self._engine, vectors)
        return list(self._maker.vector_records()), self._maker.prompt_hashes()

    def made_vectors(self) -> Any:
        """The vectors in use, for other actors."""
        return dict(self._maker.vectors)

    def make_trials(self, planned: Sequence[PlannedTrial]) -> list[Trial]:
        """The trials of a part of the plan."""
        return list(self._maker.make_trials(planned))


@dataclass
class _WorkPart:
    """A part of the plan, and how often its actor died."""

    planned: Sequence[PlannedTrial]
    tries: int = 0


@dataclass
class RayCluster:
    """Actors that generate trials of one subject; implements `gnomon.generation.sweeps.runner.TrialWorkers`.

    Parameters
    ----------
    start : callable
        Starts one actor and returns its handle.
    number : int
        Number of actors.
    say : callable
        Takes one line for the user.
    actors : list
        Handles of the actors; filled when the object is created.
    """

    start: Callable[[], Any]
    number: int
    say: Say
    actors: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start the actors and ask the first one what it has loaded."""
        self.actors = [self.start() for _ in range(self.number)]
        self.subject = _ray_get(self.actors[0].subject_info.remote())

    def prepare_worker(self, design: SweepDesign, protocols: Sequence[Protocol]) -> Iterable[VectorRecord]:
        """Prepare all actors. The first makes the vectors, and all others use the same ones, on whatever machine.

        Parameters
        ----------
        design : SweepDesign
            The design.
        protocols : sequence of Protocol
            Its protocols, loaded.

        Returns
        -------
        iterable of VectorRecord
            The vectors in use.

        Raises
        ------
        GnomonError
            If a prompt has other tokens on another machine.
        """
        import ray

        first, *others = self.actors
        facts, self._prompts = _ray_get(first.prepare_worker.remote(design, protocols))
        self._design = design, protocols, ray.put(_ray_get(first.made_vectors.remote()))
        for _, prompts in _ray_get([actor.prepare_worker.remote(*self._design) for actor in others]):
            if prompts != self._prompts:
                raise GnomonError(
                    f"ray: subject '{self.subject.name}' reads other tokens on another machine: install the same "
                    "versions and copy the same model everywhere"
                )
        records: list[VectorRecord] = facts
        return records

    def prompt_hashes(self) -> Mapping[str, str]:
        """Hash of the token ids of each prompt of the prepared design, by hash of its protocol."""
        prompts: Mapping[str, str] = self._prompts
        return prompts

    def make_trials(self, planned: Sequence[PlannedTrial]) -> Iterator[Trial]:
        """Yield the trials, part by part as they arrive."""
        import ray
        from ray.exceptions import RayActorError

        size = max(1, min(PART, ceil(len(planned) / (self.number * PARTS_EACH))))
        waiting = deque(_WorkPart(planned[begin : begin + size]) for begin in range(0, len(planned), size))
        running: dict[Any, tuple[int, _WorkPart]] = {}
        idle = list(range(self.number))
        while waiting or running:
            while waiting and idle:
                place, part = idle.pop(), waiting.popleft()
                running[self.actors[place].make_trials.remote(part.planned)] = (place, part)
            (done, *_), _ = ray.wait(list(running))
            place, part = running.pop(done)
            try:
                yield from _ray_get(done)
            except RayActorError as error:
                waiting.appendleft(self._resubmit_part(part, error))
                self.actors[place] = self.start()
                self.actors[place].prepare_worker.remote(*self._design)
            idle.append(place)

    def _resubmit_part(self, part: _WorkPart, error: Exception) -> _WorkPart:
        """The part of a dead actor, to be submitted again; raises `GnomonError` at the last attempt."""
        part.tries += 1
        if part.tries == TRIES:
            why = str(error).strip().splitlines()[0]
            raise GnomonError(
                f"ray: {TRIES} actors died on the same {len(part.planned)} trials ({why}): look at memory and at Ray's "
                "logs; what was stored is safe, and the same command goes on"
            ) from error
        self.say(f"ray: an actor died; its {len(part.planned)} trials are given to a new one")
        return part


@contextmanager
def ray_cluster(
    name: str,
    model: str,
    options: dict[str, Any],
    *,
    address: str | None = None,
    rows: int | None = None,
    cores: int = CORES,
    engine: str = TORCH,
    say: Say = print,
) -> Iterator[RayCluster]:
    """Context manager yielding actors with a subject loaded, on an existing cluster or on a local Ray instance.

    If the cluster has GPUs there is one actor per GPU; else one per `cores` cores, and at least one.

    Parameters
    ----------
    name : str
        Name of the subject in the study.
    model : str
        Model of the subject, as for `load_subject`.
    options : dict
        Further arguments of `load_subject`.
    address : str, optional
        Address of a Ray cluster, HOST:PORT or `ray://HOST:PORT`; None starts Ray on this machine.
    rows : int, optional
        Rows that run together in one actor; by default as many as fit in memory.
    cores : int
        CPU cores per actor, if there is no GPU.
    engine : str
        Name of a registered engine.
    say : callable
        Takes one line for the user.

    Raises
    ------
    MissingPackageError
        If Ray is not installed.
    GnomonError
        If the cluster cannot be reached, or actors die repeatedly.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"engine ray: the package ray is not installed: {install_hint('ray')}") from error
    _check_reachable(address)
    model = _absolute_model(model)
    with TemporaryDirectory(prefix="gnomon-ray-") as empty:
        _start_ray(ray, address, Path(empty))
        try:
            there = ray.cluster_resources()
            gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
            cores = min(cores, cpus)
            number, each = (gpus, {"num_gpus": 1}) if gpus else (max(1, cpus // cores), {"num_cpus": cores})
            say(f"ray: {number} actor{'s' if number > 1 else ''}, each with {'a GPU' if gpus else f'{cores} cores'}")
            worker = ray.remote(**each)(RayWorker)
            yield RayCluster(lambda: worker.remote(name, model, options, rows, cores, engine), number, say)
        finally:
            ray.shutdown()


def _start_ray(ray: Any, address: str | None, empty: Path) -> None:
    """Start Ray, or connect to a cluster, from an empty folder.

    Ray puts the folder in which it is started on the path of its workers: the current one may hold code of others.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    if cache := os.environ.get(CACHE):
        os.environ[CACHE] = str(Path(cache).expanduser().absolute())
    quiet = {"log_to_driver": False, "configure_logging": False}
    own = {} if address else {"include_dashboard": False}
    try:
        with chdir(empty):
            ray.init(address=address or "local", **quiet, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise GnomonError(f"ray: no cluster at '{address}': {first}: start one with 'ray start --head'") from error


def _absolute_model(model: str) -> str:
    """The model as it is found from any folder."""
    path = Path(model).expanduser()
    return str(path.absolute()) if model != EMBEDDED and path.exists() else model


def _check_reachable(address: str | None) -> None:
    """Raise `GnomonError` at once if nothing listens at HOST:PORT; Ray itself would retry for minutes."""
    host, found, port = (address or "").removeprefix("ray://").rpartition(":")
    if not found or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise GnomonError(
            f"ray: nothing answers at '{address}' ({error}): start a cluster there with 'ray start --head', or leave "
            "--address out and Ray starts on this machine"
        ) from error


def _ray_get(reference: Any) -> Any:
    """Result of a Ray reference; a GnomonError of an actor is raised unchanged."""
    import ray
    from ray.exceptions import RayTaskError

    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, GnomonError):
            raise error.cause from None
        raise
