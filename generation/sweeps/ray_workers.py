"""Generates trials on Ray actors, one per GPU, per group of GPUs or per group of cores.

What an actor does is here, and on which cluster; `gnomon.generation.sweeps.ray_actors` starts and replaces actors, and
`gnomon.generation.sweeps.ray_pool` gives them their work.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gnomon.data.errors import GnomonError, InputError, MissingPackageError, install_hint
from gnomon.data.records import Trial
from gnomon.generation.engine.base import ENGINES, TORCH
from gnomon.generation.model_folders import CACHE
from gnomon.generation.prompts.protocol import Protocol
from gnomon.generation.subjects.environment import describe_environment
from gnomon.generation.subjects.model_documents import EMBEDDED
from gnomon.generation.sweeps.model_variants import load_variant
from gnomon.generation.sweeps.ray_actors import WAIT_SECONDS, ActorKind, Say
from gnomon.generation.sweeps.ray_pool import RayCluster
from gnomon.generation.sweeps.trial_design import PlannedTrial, SweepDesign, VectorRecord

CORES = 8
PATIENCE = 5.0
"""Seconds to wait for a cluster to answer at its address."""
RAY_SETTINGS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_gcs_rpc_server_reconnect_timeout_s": "20"}
"""Actors without a GPU see none; seconds after a cluster's head is lost after which Ray ends this process (60)."""


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
    """One actor: a process that loads the subject and generates trials. Creating it is quick; `load` takes long.

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
        self._name, self._model, self._options = name, model, options
        self._rows, self._cores, self._engine = rows, cores, engine

    def load(self) -> SubjectInfo:
        """Load the subject; returns its name, revision and sizes, without its weights."""
        import torch

        torch.set_num_threads(self._cores)
        subject = load_variant(ENGINES.find(self._engine), self._name, self._model, **self._options)
        self._subject = subject
        sizes = (subject.layers, subject.width, subject.parameters)
        files = getattr(subject, "files", "")
        return SubjectInfo(subject.name, subject.revision, *sizes, files, describe_environment(subject))

    def prepare_worker(
        self, design: SweepDesign, protocols: Sequence[Protocol], vectors: Any = None
    ) -> tuple[list[VectorRecord], dict[str, str], Any]:
        """Prepare a design, and forget parts of an earlier one.

        Parameters
        ----------
        design : SweepDesign
            The design.
        protocols : sequence of Protocol
            Its protocols, loaded.
        vectors : mapping of (str, int) to ConceptVector, optional
            Vectors that another actor made; by default they are made or read here.

        Returns
        -------
        records : list of VectorRecord
            The vectors in use as the store keeps them.
        prompts : dict of str to str
            Hash of the token ids of each prompt, by hash of its protocol.
        made : mapping of (str, int) to ConceptVector, or None
            The vectors, for other actors, if they were made here.
        """
        from gnomon.generation.sweeps.trial_factory import TrialFactory

        self._parts: deque[Sequence[PlannedTrial]] = deque()
        self._running: Iterator[Trial] | None = None
        self._maker = TrialFactory(self._subject, design, protocols, self._rows, self._engine, vectors)
        made = dict(self._maker.vectors) if vectors is None else None
        return list(self._maker.vector_records()), self._maker.prompt_hashes(), made

    def work(self, planned: Sequence[PlannedTrial] | None, seconds: float) -> tuple[list[Trial], int]:
        """Generate for some time, and at least one trial if any is left.

        Parameters
        ----------
        planned : sequence of PlannedTrial or None
            A further part of the plan, done after those that were given before.
        seconds : float
            Time after which the trials that are finished are returned; what runs goes on in the next call.

        Returns
        -------
        trials : list of Trial
            Finished trials.
        finished : int
            Number of parts that were finished.
        """
        if planned is not None:
            self._parts.append(planned)
        end, made, finished = time.monotonic() + seconds, [], 0
        while self._running is not None or self._parts:
            if self._running is None:
                self._running = self._maker.make_trials(self._parts.popleft())
            trial = next(self._running, None)
            if trial is None:
                self._running, finished = None, finished + 1
                continue
            made.append(trial)
            if time.monotonic() >= end:
                break
        return made, finished


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Which part of which cluster is used.

    Attributes
    ----------
    address : str or None
        Address of a Ray cluster, HOST:PORT or `ray://HOST:PORT`; None starts Ray on this machine.
    cores : int
        CPU cores per actor, if there is no GPU.
    gpus : int or None
        GPUs to use together; None means all that the cluster has, also when it grows or shrinks.
    gpus_per_actor : int
        GPUs of one actor, on one machine: a model that needs several is distributed over them.
    wait_seconds : float
        Seconds without any placed actor after which the run ends.

    Raises
    ------
    InputError
        If `gpus` is not a multiple of `gpus_per_actor`.
    """

    address: str | None = None
    cores: int = CORES
    gpus: int | None = None
    gpus_per_actor: int = 1
    wait_seconds: float = WAIT_SECONDS

    def __post_init__(self) -> None:
        """Check that actors can have what is asked."""
        if self.gpus is not None and self.gpus % self.gpus_per_actor:
            raise InputError(
                f"--gpus {self.gpus}: {self.gpus_per_actor} GPUs of each actor do not divide that: choose a multiple"
            )

    def actor_needs(self, nodes: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Ray resources of one actor: GPUs where some are asked for or there, else cores of the largest machine.

        Parameters
        ----------
        nodes : sequence of mapping
            Machines, as `ray.nodes()` lists them.
        """
        has = [node["Resources"] for node in nodes if node["Alive"]]
        if self.gpus is not None or self.gpus_per_actor > 1 or any(each.get("GPU", 0) >= 1 for each in has):
            return {"GPU": self.gpus_per_actor}
        return {"CPU": min([self.cores, max([1, *(int(each.get("CPU", 0)) for each in has)])])}


@contextmanager
def ray_cluster(
    name: str,
    model: str,
    options: dict[str, Any],
    cluster: ClusterOptions = ClusterOptions(),
    *,
    rows: int | None = None,
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
        Further arguments of `load_subject`. A subject on several GPUs of an actor has `device` auto, if none is given.
    cluster : ClusterOptions
        Which part of which cluster is used.
    rows : int, optional
        Rows that run together in one actor; by default as many as fit in memory.
    engine : str
        Name of a registered engine.
    say : callable
        Takes one line for the user.

    Raises
    ------
    MissingPackageError
        If Ray is not installed.
    GnomonError
        If the cluster cannot be reached, no actor gets what it needs, or actors die repeatedly.
    """
    for setting, value in RAY_SETTINGS.items():
        os.environ.setdefault(setting, value)
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingPackageError(f"engine ray: the package ray is not installed: {install_hint('ray')}") from error
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    _check_reachable(cluster.address)
    model = _absolute_model(model)
    if cluster.gpus_per_actor > 1 and options.get("device") is None:
        options = {**options, "device": "auto"}
    with TemporaryDirectory(prefix="gnomon-ray-") as empty, no_cluster_messages():
        _start_ray(ray, cluster.address, Path(empty))
        try:
            needs = cluster.actor_needs(ray.nodes())
            if cluster.address and "GPU" not in needs:
                say(
                    "ray: the cluster has no GPU, actors use cores: give --gpus N if machines with GPUs start on demand"
                )
            cores = int(needs.get("CPU", cluster.cores))
            worker = ray.remote(num_cpus=needs.get("CPU", 0), num_gpus=needs.get("GPU", 0), max_restarts=0)(RayWorker)

            def start(group: Any) -> Any:
                there = worker.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group))
                return there.remote(name, model, options, rows, cores, engine)

            wanted = None if cluster.gpus is None else cluster.gpus // cluster.gpus_per_actor
            yield RayCluster(name, ActorKind(needs, start), say, wanted, cluster.wait_seconds)
        finally:
            ray.shutdown()


@contextmanager
def no_cluster_messages() -> Iterator[None]:
    """Context manager in which Ray prints nothing of lost machines and processes.

    It prints some fifty lines of their logs to the standard output, where a result may stand, and `log_to_driver` does
    not keep it from that.
    """
    from ray._private import worker

    shown = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *_given, **_named: None
    try:
        yield
    finally:
        worker.print_to_stdstream = shown


def _start_ray(ray: Any, address: str | None, empty: Path) -> None:
    """Start Ray, or connect to a cluster, from an empty folder.

    Ray puts the folder in which it is started on the path of its workers: the current one may hold code of others.
    """
    os.environ["PYTHONSAFEPATH"] = "1"
    if cache := os.environ.get(CACHE):
        os.environ[CACHE] = str(Path(cache).expanduser().absolute())
    quiet = {"log_to_driver": False, "configure_logging": False}
    own = {} if address else {"include_dashboard": False}
    terminated = signal.getsignal(signal.SIGTERM)
    try:
        with chdir(empty):
            ray.init(address=address or "local", **quiet, **own)
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminated)  # Ray's own ends this process with a trace, and status 134
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
