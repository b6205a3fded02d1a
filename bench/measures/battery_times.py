"""How long each task of the battery takes on the embedded model: trials, and seconds of processor time.

The design has 4 concepts, 2 layers and 2 strengths, arms as shipped, and `--items` items. Vectors are made before. Each
task is timed alone, so that nothing is shared between tasks; a battery takes less than their sum. Prints one JSON
document.

`python -m bench.measures.battery_times --items 2`
"""

from __future__ import annotations

import argparse
import json
import time

from bench.support.machine import machine
from gnomon.data.arms.battery_measures import asked_tasks
from gnomon.generation.battery.battery_plan import battery_design, plan_battery
from gnomon.generation.subjects.loading import load_subject
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.sweeps.trial_factory import TrialFactory

DESIGN = SweepDesign(("ocean", "fear", "silence", "celebration"), (16, 20), (2.0, 4.0))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.measures.battery_times", description=__doc__)
    parser.add_argument("--items", type=int, default=2)
    parser.add_argument("--task", nargs="*")
    options = parser.parse_args()
    subject = load_subject("smollm2", "embedded", device="cpu")
    rows = {}
    for task in options.task or asked_tasks():
        plan = plan_battery(battery_design(DESIGN), subject, [task], options.items)
        factory = TrialFactory(subject, plan.design, plan.protocols, 64)
        began = time.process_time()
        made = list(factory.make_trials(plan.trials))
        seconds = time.process_time() - began
        if failed := [trial.error for trial in made if trial.error]:
            raise SystemExit(f"a trial failed: {failed[0]}")
        rows[task] = {
            "trials": len(made),
            "prompts": len(plan.protocols),
            "seconds": round(seconds, 1),
            "trials_per_second": round(len(made) / seconds, 1),
        }
    whole = sum(row["seconds"] for row in rows.values())
    print(json.dumps({"machine": machine(), "items": options.items, "seconds": whole, "tasks": rows}, indent=1))


if __name__ == "__main__":
    main()
