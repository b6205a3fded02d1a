"""Draws how far labelling has come: labels against those that are needed, and the interval as it narrows."""

from __future__ import annotations

import streamlit as st

from gnomon.calibration.results.width_progress import LabelProgress
from gnomon.dashboard.components.page_errors import with_errors_in_one_line
from gnomon.dashboard.labelling.labelling_session import LabellingSession
from gnomon.dashboard.labelling.progress_watch import EVERY, ProgressWatch, StudyFigures
from gnomon.stats.narrative.formatting import count_noun, escape_markdown, estimand_label

POLL = 1.5
"""Seconds between two looks while the first numbers are computed."""
MORE = 40
"""Further labels of which the line tells what they leave."""
WIDE, HIGH = 150, 30
"""Pixels of the small chart."""
HOW = (
    "± is half of the 95 % interval. It is that of the corrected fit, or without one that of the judges' joint "
    f"posterior, and is computed anew after every {EVERY} of your labels. What further labels leave is simulated, for "
    "labels placed as 'gnomon plan' advises. Where the interval lies is not shown here, so that it cannot guide you."
)
_SVG = f"""
<svg role="img" width="{WIDE}" height="{HIGH}" fill="none" stroke="currentColor">
  <title></title>
  <polyline class="past" stroke-width="2"/><polyline class="ahead" stroke-width="1.5" stroke-dasharray="3 3"/>
  <line class="goal" x1="0" x2="{WIDE}" stroke-width="1" opacity="0.5"/>
</svg>
"""
_JS = """
export default function ({ data, parentElement }) {
  const find = (name) => parentElement.querySelector(name);
  find("svg").setAttribute("aria-label", data.told);
  find("title").textContent = data.told;
  for (const name of ["past", "ahead"]) find("." + name).setAttribute("points", data[name]);
  const goal = find(".goal");
  goal.style.display = data.goal === null ? "none" : "";
  for (const end of ["y1", "y2"]) goal.setAttribute(end, data.goal ?? 0);
}
"""
_chart = st.components.v2.component(
    "gnomon_width_chart", html=_SVG, css="svg { color: var(--st-text-color); display: block; }", js=_JS
)


def wait_for_numbers(watch: ProgressWatch, desk: LabellingSession) -> None:
    """Draw the page again once the first numbers are there, unless the rater has begun by then: keys bring them too.

    Parameters
    ----------
    watch : ProgressWatch
        What computes the numbers.
    desk : LabellingSession
        The rater's session.
    """
    shown = watch.latest
    if (shown is None or not shown.is_whole) and not watch.problem:
        st.fragment(with_errors_in_one_line(_look_again), run_every=POLL)(watch, desk, shown)


def _look_again(watch: ProgressWatch, desk: LabellingSession, shown: StudyFigures | None) -> None:
    begun = desk.given or desk.flagged or desk.history or desk.skipped
    if watch.latest is not shown and not begun:
        st.rerun()


def show_progress(watch: ProgressWatch, plan_command: str) -> None:
    """Draw the progress as far as it is known.

    Parameters
    ----------
    watch : ProgressWatch
        What computes the numbers.
    plan_command : str
        The command that plans labels for this study.
    """
    shown = watch.latest
    if watch.problem:
        st.caption(f"Progress cannot be computed: {escape_markdown(watch.problem)}")
    elif shown is not None and shown.progress is not None:
        _draw(shown.progress, plan_command)
    elif shown is not None and shown.lacking:
        st.caption(f"No progress to show yet: {escape_markdown(shown.lacking)}.")
    else:
        st.caption("Progress is being computed; you can label meanwhile.")


def _draw(progress: LabelProgress, plan_command: str) -> None:
    if progress.goal:
        st.progress(min(1.0, progress.now.labels / progress.goal))
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key="label_progress"):
        if progress.earlier:
            _chart(data=width_lines(progress), key="width chart", height=HIGH, width=WIDE)
        st.caption(progress_words(progress, plan_command), help=HOW)


def progress_words(progress: LabelProgress, plan_command: str) -> str:
    """The progress in words, as Markdown.

    Parameters
    ----------
    progress : LabelProgress
        Labels and widths.
    plan_command : str
        The command that plans labels for this study.
    """
    now, name = progress.now, estimand_label(progress.estimand)
    first = f" ({_half(progress.earlier[0].width)} at {progress.earlier[0].labels:,})" if progress.earlier else ""
    if progress.target is None:
        told = f"**{count_noun(now.labels, 'label')}**: {name} {_half(now.width)} points now{first}."
        aim = " To aim at a width, write `width` under `[plan]` in study.toml."
        return told + _more_words(progress) + aim
    if progress.is_reached:
        return (
            f"**{count_noun(now.labels, 'label')}**: {name} {_half(now.width)} points now{first}, "
            f"{_half(progress.target)} aimed at. No more labels are needed for it."
        )
    if progress.planned_at is None:
        return (
            f"**{count_noun(now.labels, 'label')}**: {name} {_half(now.width)} points now{first}, "
            f"{_half(progress.target)} aimed at. What that takes is being simulated."
        )
    if progress.goal is None:
        return (
            f"**{count_noun(now.labels, 'label')}**: {name} {_half(now.width)} points now{first}, "
            f"{_half(progress.target)} aimed at. Labels alone do not reach that: "
            f"`{plan_command}` says how many new trials it takes."
        )
    return (
        f"**{now.labels:,} of {count_noun(progress.goal, 'label')}**: {name} {_half(now.width)} points now{first}, "
        f"{_half(progress.target)} aimed at." + _more_words(progress)
    )


def _more_words(progress: LabelProgress) -> str:
    ahead = next((point for point in progress.ahead if point.labels == MORE), None)
    return f" {MORE} more: about {_half(ahead.width)}." if ahead is not None else ""


def _half(width: float) -> str:
    return f"±{50 * width:.1f}"


def width_lines(progress: LabelProgress) -> dict[str, str | float | None]:
    """The width over the number of labels as lines of a small chart: as it was, and as further labels would make it.

    Parameters
    ----------
    progress : LabelProgress
        Labels and widths.

    Returns
    -------
    dict
        `past` and `ahead`, points of lines in pixels; `goal`, the height of the target, or None; `told`, in words.
    """
    past = [(point.labels, point.width) for point in (*progress.earlier, progress.now)]
    ahead = [(progress.now.labels + point.labels, point.width) for point in progress.ahead]
    most_labels, most_width = max(x for x, _ in past + ahead), max(y for _, y in past + ahead)

    def height(width: float) -> float:
        return round(2 + (HIGH - 4) * (1 - width / most_width), 1)

    def line(points: list[tuple[int, float]]) -> str:
        return " ".join(f"{2 + (WIDE - 4) * labels / most_labels:.1f},{height(width)}" for labels, width in points)

    fits = progress.target is not None and progress.target <= most_width
    return {
        "past": line(past),
        "ahead": line([past[-1], *ahead]),
        "goal": height(progress.target) if fits and progress.target is not None else None,
        "told": f"Interval: {_half(past[0][1])} points at {past[0][0]} labels, {_half(past[-1][1])} at {past[-1][0]}",
    }
