"""The headline estimates of all fits side by side, what they depend on, and the warning that belongs to them all."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from gnomon.dashboard import study_picker
from gnomon.dashboard.background.kept_measurements import measured_or_waiting
from gnomon.dashboard.background.measurements import RULES
from gnomon.dashboard.components.table_panel import show_table
from gnomon.data.glossary import define_terms
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.caveats import outdated_sentence, study_caveats
from gnomon.stats.narrative.fit_frames import FitFrames
from gnomon.stats.narrative.formatting import non_breaking
from gnomon.stats.tables import headline_tables as tables
from gnomon.stats.tables.estimate_table import EstimateTable


def study_caveat_strip(fits: Mapping[str, FitFrames]) -> None:
    """A warning that stays on every page which shows estimates; nothing for most studies."""
    outdated = [outdated_sentence(view, fit.outdated) for view, fit in fits.items() if fit.outdated]
    for text in (*study_caveats(fits), *outdated):
        st.warning(text, icon=":material/warning:")


def show_headline(fits: Mapping[str, FitFrames]) -> None:
    """One row per fit and model: detection, identification, false alarm and their nets. Nothing without an estimate."""
    table = tables.headline_table(fits)
    if table:
        st.header("Estimates", help=define_terms("detection", "identification", "false alarm", "net detection"))
        show_table(table)


def show_sensitivity(
    place: study_picker.StudyRef,
    store: Store,
    fits: Mapping[str, FitFrames],
    leave_one_out: EstimateTable,
    odds_ratios: EstimateTable,
) -> None:
    """What the headline depends on, each in an expander: concepts, a model's criterion, outcome rule, missing verdicts.

    Parameters
    ----------
    place : StudyRef
        The study.
    store : Store
        Its store.
    fits : mapping of str to FitFrames
        Its fits by view.
    leave_one_out, odds_ratios : EstimateTable
        The trend without each model, and odds ratios per doubling of size with the prior's share.
    """
    concepts = tables.new_concepts_table(fits)
    judges = [fit.judge for view, fit in fits.items() if view == "judged"]
    if not (judges or concepts or leave_one_out or odds_ratios):
        return
    st.header("Sensitivity")
    _expander("For concepts like these", concepts)
    _expander("Trend without one model", leave_one_out)
    _expander("For models like these: odds ratios, and what the prior decides", odds_ratios)
    _expander("Signal detection: d' and criterion", tables.signal_detection_table(fits))
    if not judges:
        return
    stamp = study_picker.verdict_token(store)
    found = measured_or_waiting(RULES, store, place.url, stamp, judges[0] or "")
    if found is None:
        return
    _expander("Outcome rules", tables.rule_table(found.rules))
    if lines := list(tables.missing_verdict_sentences(found.missing)):
        with st.expander("Missing verdicts"):
            st.text(non_breaking("\n".join(lines)))


def _expander(title: str, table: EstimateTable) -> None:
    if table:
        with st.expander(title):
            show_table(table)
