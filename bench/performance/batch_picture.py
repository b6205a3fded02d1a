"""Draws a batch: which trial ran in which slot at which step, from a real run of the embedded subject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from gnomon.calibration.plotting import theme
from gnomon.data.records import Arm
from gnomon.generation.engine import torch_engine as running
from gnomon.generation.engine.batch import ContinuousBatch
from gnomon.generation.prompts.protocol import load_protocol
from gnomon.generation.subjects.loading import load_subject
from gnomon.generation.sweeps.trial_design import SweepDesign
from gnomon.generation.sweeps.trial_factory import TrialFactory, plan_trials

ROWS, TRIALS = 12, 36
TARGET = Path(__file__).resolve().parents[2] / "docs" / "images" / "batch.png"


class Watched(ContinuousBatch):
    """A batch that records its rows at each step."""

    seen: list[tuple[int, int, int]] = []  # noqa: RUF012
    passes = 0

    def add_rows(self, rows: Any) -> None:
        """Admit rows, and record that the whole batch waits for their prompts."""
        super().add_rows(rows)
        Watched.passes += 1

    def decode_step(self) -> None:
        """Run a step, and record the rows in it."""
        Watched.seen += [(Watched.passes, slot, row.index) for slot, row in enumerate(self.rows)]
        Watched.passes += 1
        super().decode_step()


def watched() -> pd.DataFrame:
    """One row per interval of steps that a trial spent in a slot."""
    design = SweepDesign(
        ("ocean", "fear", "silence"),
        (18, 24),
        (0.5, 1.0),
        arms=(Arm.INJECTION, Arm.CONTROL, Arm.RANDOM, Arm.NEGATED),
        replicates={Arm.INJECTION: 1, Arm.CONTROL: 8, Arm.RANDOM: 1, Arm.NEGATED: 1},
    )
    subject, protocols = load_subject("SmolLM2", "embedded"), [load_protocol("plain")]
    planned = plan_trials(design, subject, protocols)[:TRIALS]
    running.ContinuousBatch = Watched  # type: ignore[attr-defined]
    list(TrialFactory(subject, design, protocols, ROWS).make_trials(planned))
    steps = pd.DataFrame(Watched.seen, columns=["step", "slot", "trial"])
    bars = steps.groupby(["trial", "slot"], as_index=False)["step"].agg(begin="min", end="max")
    conditions = [planned[number].condition for number in bars["trial"]]
    words = [str(c.arm) if c.concept is None else f"{c.concept} {c.strength:g} L{c.layer}" for c in conditions]
    arms = [str(c.arm) for c in conditions]
    placed: pd.DataFrame = bars.assign(end=bars["end"] + 1, slot=bars["slot"] + 1, arm=arms, words=words)
    return placed


def picture(bars: pd.DataFrame) -> alt.TopLevelMixin:
    """Slots over steps, one bar per trial, coloured by arm."""
    base = alt.Chart(bars).encode(y=alt.Y("slot:O", title="Slot"))
    colour = alt.Color("arm:N", title="Arm", scale=theme.arm_scale(), legend=alt.Legend(orient="bottom"))
    block = base.mark_bar(stroke="white", strokeWidth=1.5, opacity=0.55).encode(
        x=alt.X("begin:Q", title="Step of the batch"), x2="end:Q", color=colour
    )
    wide = alt.datum.end - alt.datum.begin > 15
    text = base.transform_filter(wide).mark_text(align="left", dx=4, fontSize=10).encode(x="begin:Q", text="words:N")
    title = alt.Title(
        "One batch, many conditions",
        subtitle=f"{TRIALS} trials in {ROWS} slots; each bar is a trial, named by concept, strength and layer",
    )
    return alt.layer(block, text).properties(width=760, height=300, title=title)


if __name__ == "__main__":
    theme.save_chart(picture(watched()), TARGET)
    print(TARGET)
