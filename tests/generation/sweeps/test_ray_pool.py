"""Claims about a Ray cluster that changes: machines lost and added, GPUs that others hold, actors that never come up.

Several machines are several Ray nodes on this one, each with a GPU that is only declared. The actors are stubs.
"""

from __future__ import annotations

import gc
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from gnomon.data.errors import GnomonError
from gnomon.generation.sweeps import ray_actors, ray_pool
from gnomon.generation.sweeps.ray_actors import ActorKind, Stage
from gnomon.generation.sweeps.ray_pool import ActorWork, RayCluster, WorkPart
from gnomon.generation.sweeps.ray_workers import no_cluster_messages

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")]
SECOND = {"second": 1}
"""Resource of the second machine only."""


def stub(load: str = "", work: str = "", only_on: str = "", trial_seconds: float = 0.02) -> Any:
    """A worker; what it does wrong at `load` or `work` it does on the machine `only_on`, or on all."""

    class Stub:
        def _wrong(self, what: str) -> None:
            import ray

            if only_on and ray.get_runtime_context().get_node_id() != only_on:
                return
            if what == "dies":
                os._exit(1)
            if what == "hangs":
                time.sleep(3600)
            if what == "raises":
                raise ValueError("no such layer\nsecond line")
            if what:
                raise GnomonError(what)

        def load(self) -> Any:
            self._wrong(load)
            return SimpleNamespace(revision="r", environment={})

        def prepare_worker(self, _design: Any, _protocols: Any, vectors: Any = None) -> tuple[list[Any], Any, Any]:
            self.parts: list[Any] = []
            self.given = vectors
            return ["record"], {"protocol": "ids"}, {"vector": os.getpid()} if vectors is None else None

        def vectors(self) -> Any:
            return self.given

        def work(self, planned: Sequence[Any] | None, seconds: float) -> tuple[list[Any], int]:
            self._wrong(work)
            self.parts += [] if planned is None else [list(planned)]
            end, made, finished = time.monotonic() + seconds, [], 0
            while self.parts and (not made or time.monotonic() < end):
                time.sleep(trial_seconds)
                made.append(self.parts[0].pop(0))
                if not self.parts[0]:
                    self.parts.pop(0)
                    finished += 1
            return made, finished

    return Stub


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """A cluster of two machines with a GPU each."""
    import ray
    from ray.cluster_utils import Cluster

    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "num_gpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1, num_gpus=1, resources=SECOND)
    with no_cluster_messages():
        ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
        yield cluster
        ray.shutdown()
    cluster.shutdown()
    with warnings.catch_warnings():  # processes of Ray's test cluster are not waited for
        warnings.simplefilter("ignore", ResourceWarning)
        del cluster
        gc.collect()


@pytest.fixture(autouse=True)
def no_hang() -> Iterator[None]:
    """What hangs fails."""

    def end_test(_signal: int, _frame: Any) -> None:
        raise TimeoutError("the run hangs")

    before = signal.signal(signal.SIGALRM, end_test)
    signal.alarm(200)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pool(machines: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., RayCluster]]:
    """Starts actors, and ends them after the test. What is said is in `pool.said`."""
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    monkeypatch.setattr(ray_actors, "TICK", 0.1)
    monkeypatch.setattr(ray_actors, "SCALE_SECONDS", 0.5)
    monkeypatch.setattr(ray_actors, "TOLD_SECONDS", 1.0)
    monkeypatch.setattr(ray_pool, "TICK", 0.1)
    monkeypatch.setattr(ray_pool, "IDLE_SECONDS", 0.5)
    started: list[RayCluster] = []

    def start_pool(worker: Any, gpus: int = 1, **options: Any) -> RayCluster:
        remote = ray.remote(num_cpus=0, num_gpus=gpus, max_restarts=0)(worker)

        def start(group: Any) -> Any:
            return remote.options(scheduling_strategy=PlacementGroupSchedulingStrategy(group)).remote()

        running = RayCluster.__new__(RayCluster)
        started.append(running)
        kind, say = ActorKind({"GPU": gpus}, start), start_pool.said.append  # type: ignore[attr-defined]
        try:
            running.__init__("small", kind, say, answer_seconds=0.2, **options)  # type: ignore[misc]
        except GnomonError:
            _end_actors(running)  # as the end of the job does
            raise
        return running

    start_pool.said = []  # type: ignore[attr-defined]
    yield start_pool
    for running in started:
        _end_actors(running)
    _wait_until(lambda: ray.available_resources().get("GPU", 0) == ray.cluster_resources().get("GPU", 0))


@pytest.fixture
def other_job(machines: Any) -> Iterator[Callable[..., Any]]:
    """Starts an actor of somebody else that holds a GPU, on the second machine if so wished."""
    import ray

    class Other:
        def is_there(self) -> bool:
            return True

    held: list[Any] = []

    def hold_gpu(resources: dict[str, int]) -> Any:
        held.append(ray.remote(num_gpus=1, num_cpus=0, resources=resources)(Other).remote())
        assert ray.get(held[-1].is_there.remote())
        return held[-1]

    yield hold_gpu
    for each in held:
        ray.kill(each)


def _end_actors(running: RayCluster) -> None:
    for actor in list(running.fleet.actors):
        running.fleet.remove_actor(actor)


def _wait_until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def _steps_until(running: RayCluster, is_so: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        running._take_step()


def _second_machine() -> str:
    import ray

    return next(node["NodeID"] for node in ray.nodes() if node["Alive"] and "second" in node["Resources"])


def prepared(running: RayCluster, actors: int = 1) -> RayCluster:
    running.prepare_worker(None, [])  # type: ignore[arg-type]
    _steps_until(running, lambda: running.fleet.count_actors(Stage.READY) >= actors)
    return running


def planned(number: int) -> list[Any]:
    return [SimpleNamespace(id=str(each)) for each in range(number)]


def ids(trials: Any) -> list[str]:
    return sorted((trial.id for trial in trials), key=int)


def test_no_machine_with_enough_gpus_ends_with_one_line_in_time(pool: Any) -> None:
    begun = time.monotonic()
    with pytest.raises(
        GnomonError, match=r"no actor got 2 GPUs on one machine within 2 s \(GPUs in the cluster: 2, free: 2\)"
    ):
        pool(stub(), gpus=2, wait_seconds=2)
    assert time.monotonic() - begun < 10


def test_gpus_that_others_hold_end_with_one_line_or_delay_only_their_share(pool: Any, other_job: Any) -> None:
    import ray

    first, second = other_job({}), other_job(SECOND)
    with pytest.raises(GnomonError, match=r"no actor got 1 GPU .* within 2 s \(GPUs in the cluster: 2, free: 0\)"):
        pool(stub(), wait_seconds=2)
    ray.kill(first)
    running = prepared(pool(stub(), wanted=2))
    assert ids(running.make_trials(planned(100))) == ids(planned(100))
    assert "ray: 1 of 2 actors wait for 1 GPU: going on without" in pool.said
    ray.kill(second)
    _steps_until(running, lambda: running.fleet.count_actors(Stage.READY) == 2)


def test_fewer_gpus_are_used_if_fewer_are_asked_for(pool: Any) -> None:
    running = prepared(pool(stub(), wanted=1))
    assert ids(running.make_trials(planned(60))) == ids(planned(60))
    assert len(running.fleet.actors) == 1
    assert pool.said == ["ray: 1 actor, each with 1 GPU"]


def test_actors_that_die_at_each_load_are_one_line(pool: Any) -> None:
    with pytest.raises(
        GnomonError, match=r"3 actors in a row died on .*, the last one while it loaded the model \(The"
    ):
        pool(stub(load="dies"))
    assert any("died while it loaded the model" in line for line in pool.said)


def test_a_model_that_cannot_be_loaded_is_one_line(pool: Any) -> None:
    with pytest.raises(GnomonError, match=r"\Asubject 'small': needs 9 GB\Z"):
        pool(stub(load="subject 'small': needs 9 GB"))
    with pytest.raises(GnomonError, match=r"\Asubject 'small': can't be loaded by a Ray actor on .*: no such layer\Z"):
        pool(stub(load="raises"))


@pytest.mark.parametrize("fault", ["dies", "no such folder"])
def test_a_machine_on_which_no_model_loads_gets_no_more_actors(pool: Any, machines: Any, fault: str) -> None:
    import ray

    second = _second_machine()
    running = prepared(pool(stub(load=fault, only_on=second)))
    _steps_until(running, lambda: any("no more actors on" in line for line in pool.said))
    loaded = [actor for actor in running.fleet.actors if actor.stage == Stage.READY]
    ray.kill(loaded[0].handle)  # its replacement goes to the machine that works
    assert ids(running.make_trials(planned(60))) == ids(planned(60))
    assert second not in {actor.machine for actor in running.fleet.actors}


def test_actors_that_die_at_work_again_and_again_are_one_line(pool: Any) -> None:
    running = prepared(pool(stub(work="dies"), wanted=1))
    with pytest.raises(GnomonError, match=r"3 actors in a row died \(.*\) on the same 40 trials"):
        list(running.make_trials(planned(40)))


def test_what_fails_at_work_is_raised_as_it_is(pool: Any) -> None:
    running = prepared(pool(stub(work="raises"), wanted=1))
    with pytest.raises(ValueError, match=r"\Ano such layer\nsecond line\Z"):
        list(running.make_trials(planned(40)))


def test_what_an_actor_does_not_deliver_is_made_by_one_that_has_nothing_to_do(pool: Any) -> None:
    running = prepared(pool(stub(work="hangs", only_on=_second_machine())), actors=2)
    assert ids(running.make_trials(planned(80))) == ids(planned(80))


def test_trials_come_while_a_part_is_worked_on_and_a_second_part_waits(pool: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(ray_pool, "LEAST", 20)
    running = prepared(pool(stub(), wanted=1))
    parts, calls, step = [], [], running._take_step

    def watched_step() -> list[Any]:
        parts.append(len(running._work[running.fleet.actors[0]].parts))
        calls.append(len(running.fleet.actors[0].calls))
        return step()

    monkeypatch.setattr(running, "_take_step", watched_step)
    assert ids(running.make_trials(planned(100))) == ids(planned(100))
    assert parts[:3] == [2, 2, 2]
    assert len(parts) > 8
    assert set(calls) == {2}


def test_one_actor_makes_the_vectors_and_all_others_get_them_from_the_object_store(pool: Any) -> None:
    import ray

    running = prepared(pool(stub()), actors=2)
    given = ray.get([actor.handle.vectors.remote() for actor in running.fleet.actors])
    assert isinstance(running._vectors, ray.ObjectRef)
    assert sorted(given, key=str) == sorted([None, ray.get(running._vectors)], key=str)


def test_a_lost_machine_loses_and_doubles_nothing_and_a_new_one_helps(
    pool: Any, machines: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    running = prepared(pool(stub()), actors=2)
    lost = next(node for node in machines.worker_nodes if node.node_id == _second_machine())
    came: list[str] = []
    for trial in running.make_trials(planned(400)):
        came.append(trial.id)
        if len(came) == 30:
            machines.remove_node(lost, allow_graceful=False)
            begun = time.monotonic()
        if len(came) == 60:
            assert time.monotonic() - begun < 30
            machines.add_node(num_cpus=1, num_gpus=1, resources=SECOND)
    assert sorted(came, key=int) == ids(planned(400))
    assert any("died (" in line and "are given to others" in line for line in pool.said)
    _steps_until(running, lambda: running.fleet.count_actors(Stage.READY) == 2)
    assert capfd.readouterr().out == ""


def test_the_last_machine_lost_ends_with_one_line_after_the_wait(pool: Any, machines: Any, other_job: Any) -> None:
    other_job({})
    running = prepared(pool(stub(), wanted=1, wait_seconds=3))
    assert running.fleet.actors[0].machine == _second_machine()
    trials = running.make_trials(planned(400))
    for _ in range(20):
        next(trials)
    machines.remove_node(next(iter(machines.worker_nodes)), allow_graceful=False)
    begun = time.monotonic()
    with pytest.raises(GnomonError, match=r"no actor got 1 GPU .* within 3 s .*what was stored is safe"):
        list(trials)
    assert time.monotonic() - begun < 3 + 30 - ray_actors.WAIT_SECONDS


def test_a_machine_holds_only_whole_actors() -> None:
    gpus = {"Alive": True, "NodeID": "a", "Resources": {"CPU": 8.0, "GPU": 3.0}}
    kind = ActorKind({"GPU": 2}, lambda _group: None)
    assert kind.capacity([gpus, gpus, {**gpus, "Alive": False}, {**gpus, "Resources": {"CPU": 8.0}}]) == 2
    assert kind.words == "2 GPUs"
    assert ActorKind({"CPU": 1}, lambda _group: None).words == "1 core"


def _without_actors() -> RayCluster:
    """The bookkeeping of a cluster on which nothing was started."""
    running = RayCluster.__new__(RayCluster)
    running._missing, running._copied, running._work = {each.id: each for each in planned(8)}, set(), {}
    return running


def test_only_what_is_missing_is_given_to_others_and_not_for_ever() -> None:
    running = _without_actors()
    part = WorkPart({each.id: each for each in planned(10)}, tries=1)
    again = running.resubmit_parts([part, WorkPart({"9": planned(10)[9]})], "died (gone)")
    assert [(ids(each.trials.values()), each.tries) for each in again] == [(ids(planned(8)), 2)]
    with pytest.raises(GnomonError, match=r"3 actors in a row died \(gone\) on the same 8 trials"):
        running.resubmit_parts(again, "died (gone)")


def test_each_missing_trial_is_copied_once_the_last_ones_first() -> None:
    running = _without_actors()
    running._work["busy"] = ActorWork()  # type: ignore[index]
    running._work["busy"].parts.append(WorkPart({each.id: each for each in planned(10)}))  # type: ignore[index]
    copies = [running._copied_part("idle") for _ in range(5)]  # type: ignore[arg-type]
    assert [list(each.trials) if each else [] for each in copies] == [list("4567"), ["2", "3"], ["1"], ["0"], []]
