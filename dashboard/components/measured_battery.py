"""The battery's estimates of a study, kept between pages until a fact is added."""

from __future__ import annotations

import streamlit as st

from gnomon.calibration.measures.battery_trials import battery_trials
from gnomon.data.storage.store import Store
from gnomon.stats.measures.battery_summary import summarise_battery
from gnomon.stats.measures.measure_results import BatterySummary


@st.cache_data(max_entries=16, show_spinner="Reading the battery")
def cached_summary(url: str, stamp: tuple[int, ...], _store: Store) -> BatterySummary:
    """Every estimate of the battery, kept until a fact is added to the study.

    Parameters
    ----------
    url : str
        URL of the study's database; part of the cache key.
    stamp : tuple of int
        The study's change token; part of the cache key.
    _store : Store
        The study's store; not part of the cache key.
    """
    return summarise_battery(battery_trials(_store))
