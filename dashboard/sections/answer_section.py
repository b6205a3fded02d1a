"""The answer of a study: a sentence, cards with intervals, the outcomes of each arm, and where the estimates come
from.
"""

from __future__ import annotations

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.background.kept_measurements import measured_or_waiting
from gnomon.dashboard.background.measurements import OUTCOMES
from gnomon.dashboard.components.chart_panel import show_chart
from gnomon.dashboard.components.table_panel import show_table
from gnomon.data.glossary import define_terms
from gnomon.data.storage.store import Store
from gnomon.stats.charts.outcome_charts import outcome_chart, outcome_frame
from gnomon.stats.estimand_registry import ESTIMANDS, NET_CLAIMED, NET_RAW
from gnomon.stats.narrative.formatting import escape_markdown, format_interval, format_percent, non_breaking
from gnomon.stats.narrative.study_answer import AnswerValue, StudyAnswer, range_values
from gnomon.stats.results import IntervalRow, YoudenRow
from gnomon.stats.tables.calibration.judge_tables import posterior_youden_table
from gnomon.stats.tables.outcome_table import outcome_table

ALL_MODELS = "All models"
CARD, NUMBER = 236, 180
"""Width of a card and of a plain number in pixels; they wrap where the page is narrow."""
SHORT_LABELS = {NET_CLAIMED: "Net, named or not", NET_RAW: "Net detection"}
"""What a card calls an estimate whose label is too long for it; the line below says whether it is corrected."""
BASIS = "Posterior means with 95 % intervals, {basis}."


def show_answer(answer: StudyAnswer) -> None:
    """The sentence and the cards; of several models the range, or the model that is picked."""
    st.header(non_breaking(escape_markdown(answer.sentence)), anchor=False)
    chosen = ALL_MODELS
    if len(answer.models) > 1:
        options = [ALL_MODELS, *answer.models]
        if st.session_state.get("model") not in options:
            st.session_state.pop("model", None)
        chosen = st.selectbox("Estimates of", options, key="model", bind="query-params", width=420)
    with st.container(horizontal=True, gap="small"):
        if chosen == ALL_MODELS and len(answer.models) > 1:
            for value, least, most in range_values(answer.models).values():
                _range_card(answer, value, least, most)
        else:
            for value in answer.models[chosen if chosen in answer.models else next(iter(answer.models))]:
                _value_card(value)
        for row in _first_judge(answer.judges):
            _judge_card(row)
    basis = BASIS.format(basis=answer.basis)
    if answer.judges:
        judge = answer.judges[0].judge
        basis += f" Youden's J of {judge} is that of the corrected fit, from all labels; Judges has the audit's."
    st.caption(non_breaking(escape_markdown(basis)))


def _value_card(value: AnswerValue) -> None:
    row = value.interval
    if row is None:
        why = escape_markdown(f"{value.definition} Not shown: {value.reason.rstrip('.')}.")
        st.metric(_card_label(value), "withheld", help=why, width=CARD, border=True)
        return
    mean, ends = _told(value, row)
    _card(_card_label(value), f"{mean} %", f"{ends} % (95 %)", escape_markdown(value.definition))


def _range_card(answer: StudyAnswer, value: AnswerValue, least: str, most: str) -> None:
    rows = [one.interval for each in answer.models.values() for one in each if one.estimand == value.estimand]
    known = sorted((row for row in rows if row is not None), key=lambda row: row.mean)
    low, high = (_told(value, row)[0] for row in (known[0], known[-1]))
    told = [value.definition, f"Least: {least}", f"Greatest: {most}"]
    _card(_card_label(value), f"{low} to {high} %", "across models", "\n\n".join(map(escape_markdown, told)))


def _judge_card(row: YoudenRow) -> None:
    label = f"Youden's J, {row.arm}"
    shown = f"{row.mean:.2f}".replace("-", "−")
    ends = " to ".join(f"{end:.2f}".replace("-", "−") for end in (row.low95, row.high95))
    _card(label, shown, f"{ends} (95 %)", define_terms("Youden's J"))


def _card_label(value: AnswerValue) -> str:
    about = ESTIMANDS.find(value.estimand) if value.estimand in ESTIMANDS else None
    name = about.corrects or about.name if about else ""
    return SHORT_LABELS.get(name, value.label)


def _card(label: str, value: str, under: str, help_: str) -> None:
    st.metric(
        label, non_breaking(value), non_breaking(under), delta_color="off", delta_arrow="off",
        help=non_breaking(help_), width=CARD, border=True,
    )  # fmt: skip


def _told(value: AnswerValue, row: IntervalRow) -> tuple[str, str]:
    """Value and interval of a card, rounded as in every table."""
    mean, ends = format_interval(row.mean, row.low95, row.high95, sign=value.is_difference).split(" % (")
    return mean, ends.removesuffix(")")


def _first_judge(rows: tuple[YoudenRow, ...]) -> list[YoudenRow]:
    return [row for row in rows if row.judge == rows[0].judge]


def show_judges(answer: StudyAnswer) -> None:
    """Youden's J of all judges where there are several."""
    names = list(dict.fromkeys(row.judge for row in answer.judges))
    if len(names) < 2:
        return
    with st.expander(f"Youden's J of {len(names)} judges"):
        show_table(posterior_youden_table(answer.judges))


def show_outcomes(place: study_picker.StudyRef, store: Store, source: str) -> None:
    """What the trials of each arm end in: one bar for each model and arm, and the table.

    Parameters
    ----------
    place : StudyRef
        The study.
    store : Store
        Its store.
    source : str
        Who says what the outcomes are.
    """
    counted = measured_or_waiting(OUTCOMES, store, place.url, study_picker.verdict_token(store))
    if counted is None or not counted.rows:
        return
    rows = counted.rows
    st.header("Outcomes by arm", help=define_terms("outcome", "arm"))
    table = outcome_table(rows, source)
    said = "; ".join(
        f"{row.subject}, {row.arm}: {row.outcome} {format_percent(row.n / max(row.of, 1))}" for row in rows
    )
    show_chart(outcome_chart(rows, source), "outcomes", outcome_frame(rows), words=f"Outcomes by arm. {said}.")
    with st.expander("Outcomes as a table"):
        show_table(table)
