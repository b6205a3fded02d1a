"""Claims about the plan of the battery, and about its trials on a tiny subject."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gnomon.calibration.measures.measured_trials import measured_trials
from gnomon.calibration.observations.frames import readable_trials
from gnomon.data.arms.battery_measures import BATTERY, asked_tasks
from gnomon.data.errors import InputError
from gnomon.data.records import Arm, Subject
from gnomon.data.storage.design_scope import count_outside
from gnomon.data.storage.store import Store
from gnomon.generation.battery.battery_plan import battery_design, plan_battery
from gnomon.generation.subjects.loading import LoadedSubject
from gnomon.generation.sweeps.runner import LocalWorker, run_plan
from gnomon.generation.sweeps.sweep_plan import SweepPlan
from gnomon.generation.sweeps.trial_design import SweepDesign

CONCEPTS = ("silence", "fear", "celebration", "ocean")
RECORD = Subject("ignored", 1e6, "toy", "instruct")
STUDY = SweepDesign(concepts=CONCEPTS, layers=(1, 2), strengths=(2.0, 4.0), seed=3)


class Sizes:
    name, revision, layers = "toy", "r0", 4


def planned(tasks: list[str], items: int = 4, **changes: Any) -> SweepPlan:
    return plan_battery(battery_design(replace(STUDY, **changes)), Sizes(), tasks, items)


def arms_of(plan: SweepPlan) -> Counter[str]:
    return Counter(str(trial.condition.arm) for trial in plan.trials)


def test_every_cell_of_every_arm_is_planned_once() -> None:
    plan = planned(["pick"])
    assert arms_of(plan) == {"injection": 64, "random": 64, "control": 16, "sham": 16}
    assert len(plan.ids) == len(plan.trials)
    cells = Counter((t.condition.concept, t.condition.layer, t.condition.strength) for t in plan.trials)
    assert cells["ocean", 1, 2.0] == 8
    assert cells["ocean", None, 0.0] == 4
    assert cells["ocean", 1, 0.0] == 4


def test_what_does_not_depend_on_the_concept_is_asked_once_without_a_vector() -> None:
    plan = planned(["notice"], items=8)
    assert arms_of(plan) == {"injection": 128, "random": 128, "control": 8, "sham": 8}
    controls = [trial.condition for trial in plan.trials if trial.condition.arm is Arm.CONTROL]
    assert {condition.concept for condition in controls} == {None}
    assert len({condition.protocol for condition in controls}) == 8


def test_more_items_than_wordings_are_not_asked_twice() -> None:
    assert arms_of(planned(["about_same"], items=30))["control"] == 4 * 8


def test_a_battery_that_is_cut_short_has_asked_every_task_and_concept() -> None:
    plan = planned(asked_tasks(), items=8)
    begun = plan.trials[: len(plan.trials) // 6]
    names = {protocol.protocol_hash: protocol.name.partition(":")[0] for protocol in plan.protocols}
    assert {names[trial.condition.protocol] for trial in begun} == set(asked_tasks())
    assert {trial.condition.concept for trial in begun} >= set(CONCEPTS)


def test_more_items_keep_the_trials_that_there_are() -> None:
    assert planned(asked_tasks(), items=2).ids < planned(asked_tasks(), items=3).ids


def test_what_the_design_excludes_is_left_out() -> None:
    plan = planned(["pick"], exclude=({"concept": "fear", "layer": 2}, {"arm": Arm.RANDOM}))
    assert "random" not in arms_of(plan)
    assert not [t for t in plan.trials if (t.condition.concept, t.condition.layer) == ("fear", 2)]
    assert arms_of(plan)["injection"] == 64 - 8


def test_damage_matched_arms_are_those_that_the_study_has() -> None:
    plan = planned(["pick"], arms=(Arm.INJECTION, Arm("swapped")))
    assert arms_of(plan)["swapped"] == 64
    assert "shuffled" not in arms_of(plan)


def test_no_items_and_absent_layers_are_one_line() -> None:
    with pytest.raises(InputError, match="battery: 0 items: ask for 1 or more"):
        planned(["pick"], items=0)
    with pytest.raises(InputError, match="layer 9: subject 'toy' has layers 0 to 3"):
        planned(["pick"], layers=(9,))


def test_every_task_is_read_stored_and_kept_from_judges(store: Store, small_subject: LoadedSubject) -> None:
    design = battery_design(replace(STUDY, concepts=("fear", "ocean"), layers=(1,), strengths=(4.0,)))
    plan = plan_battery(design, small_subject, asked_tasks(), 1)
    done = run_plan(store, LocalWorker(small_subject, 8), plan, record=RECORD)
    assert (done.made, done.failed) == (len(plan.trials), 0)
    frame = measured_trials(store)
    assert set(frame["task"]) == set(BATTERY)
    assert set(frame["arm"]) == {"injection", "control", "sham", "random"}
    assert readable_trials(store) == []
    assert count_outside(store) == 0
    read = frame[~frame["task"].isin(["transcribe_copy", "timing"])]
    assert read["mass"].between(0, 1 + 1e-6).all()
    assert read["entropy"].between(0, np.log(258)).all()
    assert run_plan(store, LocalWorker(small_subject, 8), plan, record=RECORD).made == 0

    read = read[read["task"].map(lambda task: BATTERY[task].is_about_concept)]
    by_arm = {arm: rows.set_index(["task", "concept"])["p_correct"] for arm, rows in read.groupby("arm")}
    assert np.allclose(by_arm["sham"], by_arm["control"].reindex(by_arm["sham"].index), atol=1e-5)
    injected = by_arm["injection"].reindex(by_arm["sham"].index)
    assert (np.abs(injected - by_arm["sham"]) > 1e-4).mean() > 0.9


def test_a_battery_that_was_interrupted_goes_on(store: Store, small_subject: LoadedSubject) -> None:
    design = battery_design(replace(STUDY, layers=(1,), strengths=(4.0,)))
    plan = plan_battery(design, small_subject, ["notice", "pick"], 1)

    def stop(done: int, _planned: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_plan(
            store, LocalWorker(small_subject, 4), replace(plan, trials=plan.trials[:8]), record=RECORD, progress=stop
        )
    kept = len(store.trial_ids())
    done = run_plan(store, LocalWorker(small_subject, 4), plan, record=RECORD)
    assert (done.already, done.made) == (kept, len(plan.trials) - kept)
    assert store.trial_ids() == plan.ids
