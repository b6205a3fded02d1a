"""Sections of the Judges page that are computed when they are asked for: a panel's worth, two versions, guidelines."""

from __future__ import annotations

import streamlit as st

from gnomon.calibration.comparison.compared_versions import newest_pairs, versions_with_verdicts
from gnomon.dashboard.background.kept_measurements import measured_or_waiting
from gnomon.dashboard.background.measurements import COMPARISON, GUIDELINES, PANEL_WORTH
from gnomon.dashboard.components.table_panel import show_table
from gnomon.dashboard.transcripts import trial_links
from gnomon.data.errors import NotEnoughDataError
from gnomon.data.glossary import define_terms
from gnomon.data.storage.store import Store
from gnomon.stats.narrative.formatting import non_breaking
from gnomon.stats.tables.calibration.comparison_tables import comparison_table
from gnomon.stats.tables.calibration.panel_tables import changed_trial_table, member_table, worth_table

Stamp = tuple[int, ...]


def show_panel_worth(store: Store, url: str, view: str, stamp: Stamp) -> None:
    """What judges, and raters, are worth together, once it is asked for.

    Parameters
    ----------
    store : Store
        Store of the study.
    url : str
        Its address, by which results are kept.
    view : str
        Label view.
    stamp : tuple of int
        Changes when a fact is added.
    """
    st.header("What the judges are worth together")
    if not st.toggle("Compute the effective number of judges and raters", key="panel-worth"):
        st.caption("Judges that err on the same trials are worth fewer independent ones. The test split is not read.")
        return
    found = measured_or_waiting(PANEL_WORTH, store, url, stamp, view)
    if found is None:
        return
    for panel in (found.judges, found.raters):
        if panel is not None:
            for line in panel.words:
                st.text(non_breaking(line))
            show_table(worth_table(panel))
            show_table(member_table(panel))
    for line in found.reasons:
        st.caption(non_breaking(line))


def show_comparison(store: Store, url: str, view: str, stamp: Stamp, judge: str = "") -> None:
    """Two versions on the same labelled trials: by default a judge's newest and the one before it.

    Parameters
    ----------
    store, url, view, stamp
        As in `show_panel_worth`.
    judge : str
        Name of the judge whose newest versions are compared until the reader chooses others.
    """
    known = versions_with_verdicts(store)
    if len(known) < 2:
        return
    names = {
        str(version): f"{name} {str(version)[:12]}, {kind}"
        for version, name, kind in known[["version", "name", "kind"]].itertuples(index=False, name=None)
    }
    usual = next(((a.version, b.version) for a, b in newest_pairs(known) if a.judge == judge), (None, None))
    st.header("Versions compared", help=define_terms("sensitivity", "specificity", "Youden's J", "Cohen's kappa"))
    left, right = st.columns(2)
    with left:
        first = _choose_version("Baseline", f"compare-a {judge}", names, usual[0])
    with right:
        second = _choose_version("Candidate", f"compare-b {judge}", names, usual[1])
    if first is None or second is None or first == second:
        st.caption("Choose two versions: they are compared on dev, and train where neither learnt from it; never test.")
        return
    try:
        found = measured_or_waiting(COMPARISON, store, url, stamp, view, first, second)
    except NotEnoughDataError as why:
        st.text(non_breaking(str(why)))
        return
    if found is None:
        return
    for line in found.words:
        st.text(non_breaking(line))
    show_table(comparison_table(found))
    if found.changed:
        with st.expander(f"Trials whose outcome changed: {len(found.changed):,}"):
            changed = changed_trial_table(found)
            shown = changed.text_frame().assign(
                Trial=trial_links.trial_addresses([each.trial for each in found.changed])
            )
            st.dataframe(
                shown, hide_index=True, column_config={"Trial": trial_links.link_column("Trial")}, alt=changed.caption
            )


def _choose_version(label: str, key: str, names: dict[str, str], usual: str | None) -> str | None:
    place = list(names).index(usual) if usual in names else None
    return st.selectbox(
        label, list(names), index=place, format_func=names.__getitem__, key=key, placeholder="Choose a version"
    )


def show_policies(store: Store, url: str, view: str, stamp: Stamp) -> None:
    """Labels by guideline; nothing where no label has one.

    Parameters
    ----------
    store, url, view, stamp
        As in `show_panel_worth`.
    """
    if not store.label_policies():
        return
    st.header("Labels by guideline")
    try:
        found = measured_or_waiting(GUIDELINES, store, url, stamp, view)
    except NotEnoughDataError as why:
        st.text(non_breaking(str(why)))
        return
    if found is None:
        return
    for line in found.words:
        st.text(non_breaking(line))
    for policy in found.policies:
        if policy.text:
            with st.expander(f"Guideline {policy.name}"):
                st.text(policy.text)
