"""Draws what the battery shows of three scripted subjects: a bias to yes, rising entropy, and real detection.

The yes-or-no tasks are those of `measure_worlds`, at three strengths; the push, or the loss of certainty, grows with
the strength. The tasks whose answer is one of several have chance where nothing is known of the vector, and rise where
it is. Charts are those of the page and the report.

`python -m bench.measures.battery_pictures docs/images` writes `battery-SUBJECT.svg` and `battery-SUBJECT-shift.svg`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from bench.measures.measure_worlds import SCRIPTS, BatteryDesign, ScriptedSubject, scripted_study
from gnomon.stats.charts.battery_charts import battery_chart, yes_shift_chart
from gnomon.stats.charts.estimate_charts import save_chart
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.measures.measure_results import BatterySummary

SEED = 3
STRENGTHS = (1.0, 2.0, 4.0)
DESIGN = BatteryDesign(8, 12)
CHOICES = {"pick": 8, "locate": 5, "stronger": 2}
"""Tasks of one in several, with the number of options."""
COPY = "transcribe_copy"
COPIED = 0.97
"""Share of sentences that are copied without a vector."""


@dataclass(frozen=True)
class PicturedSubject:
    """A scripted subject with what it knows in tasks that have nothing to say yes to.

    Attributes
    ----------
    title : str
        As the chart names it.
    script : ScriptedSubject
        What it does at strength 4 where it is asked for yes or no.
    margin : float
        By how much the right option rises at strength 4, in log-odds against each other one.
    blur : float
        Share of sentences at strength 4 that are no longer copied.
    """

    title: str
    script: ScriptedSubject
    margin: float = 0.0
    blur: float = 0.0


SUBJECTS: Mapping[str, PicturedSubject] = {
    "yes-bias": PicturedSubject("a bias to yes", SCRIPTS["yes_bias"]),
    "entropy": PicturedSubject("rising entropy", replace(SCRIPTS["flattened"], shrinkage=0.5, notice=0.0), blur=0.5),
    "detection": PicturedSubject("real detection", replace(SCRIPTS["detection"], bias=0.0, detection=4.5), margin=2.5),
}


def subject_frame(subject: PicturedSubject) -> pd.DataFrame:
    """Trials of one subject on all tasks at all strengths: same concepts and items at each.

    Parameters
    ----------
    subject : PicturedSubject
    """
    parts = []
    for strength in STRENGTHS:
        dose, rng = strength / max(STRENGTHS), np.random.default_rng(SEED)
        script = replace(
            subject.script,
            bias=dose * subject.script.bias,
            detection=dose * subject.script.detection,
            shrinkage=dose * subject.script.shrinkage,
            noise=0.5,
        )
        frame, _ = scripted_study(script, DESIGN, rng)
        parts.append(_with_strength(frame, strength))
        parts += [_choice_rows(subject, task, strength, dose) for task in (*CHOICES, COPY)]
    return pd.concat(parts, ignore_index=True).assign(subject=subject.title)


def _with_strength(frame: pd.DataFrame, strength: float) -> pd.DataFrame:
    """Steered trials at this strength; those without a vector once, with the first."""
    steered = frame["arm"] == "injection"
    kept = frame[steered | (strength == STRENGTHS[0])]
    return kept.assign(strength=kept["strength"].where(kept["arm"] != "injection", strength))


def _choice_rows(subject: PicturedSubject, task: str, strength: float, dose: float) -> pd.DataFrame:
    """One trial a concept and item in both arms; a subject that knows nothing of the vector prefers any option."""
    rng = np.random.default_rng([SEED, [*CHOICES, COPY].index(task)])
    rows = []
    for concept in range(DESIGN.concepts):
        act = rng.gamma(4, 1 / 4)
        for item in range(DESIGN.items):
            leaning, draw = rng.normal(0, 0.3), rng.random()
            for arm in ("injection", "control") if strength == STRENGTHS[0] else ("injection",):
                more = dose * act if arm == "injection" else 0.0
                row = {
                    "task": task,
                    "arm": arm,
                    "concept": f"c{concept}",
                    "layer": 9 if arm == "injection" else np.nan,
                    "strength": strength if arm == "injection" else 0.0,
                    "item": f"{task} {concept} {item}",
                    "expected": f"c{concept}",
                    "log_odds_yes": np.nan,
                }
                if task == COPY:
                    rows.append({**row, "correct": float(draw < COPIED - more * subject.blur)})
                else:
                    k = CHOICES[task]
                    share = float(expit(leaning + more * subject.margin - np.log(k - 1)))
                    rows.append({**row, "k": k, "chance": 1 / k, "p_correct": share, "correct": float(draw < share)})
    return pd.DataFrame(rows)


def subject_summary(subject: PicturedSubject) -> BatterySummary:
    """Every estimate of the battery of one scripted subject.

    Parameters
    ----------
    subject : PicturedSubject
    """
    return summarise_battery(subject_frame(subject))


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.measures.battery_pictures", description=__doc__)
    parser.add_argument("folder", type=Path)
    chosen = parser.parse_args()
    for name, subject in SUBJECTS.items():
        summary = subject_summary(subject)
        for ending, chart in (("", battery_chart), ("-shift", yes_shift_chart)):
            print(save_chart(chart(summary, subject.title), chosen.folder / f"battery-{name}{ending}.svg"))


if __name__ == "__main__":
    main()
