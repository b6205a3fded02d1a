"""What several judge versions and the label say of the same labelled trials, side by side, with the labels' weights."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from gnomon.calibration.error_rates.confusion import (
    Reading,
    inverse_inclusion_weights,
    judged_trials,
    reference_table,
)
from gnomon.calibration.labels.selecting_judges import stratifying_versions
from gnomon.data.storage.store import Store


def said_column(version: str) -> str:
    """Name of the column of a version's answer in `labelled_readings`."""
    return f"said {version}"


def outcome_column(version: str) -> str:
    """Name of the column of a version's outcome in `labelled_readings`."""
    return f"outcome {version}"


def labelled_readings(
    store: Store, versions: Sequence[str], view: str, splits: Sequence[str], reading: Reading = "event"
) -> pd.DataFrame:
    """Labelled trials that one of the judge versions read.

    Weights are inverse inclusion probabilities among the trials of the version that read most, be it one that chose
    labels: a version that was asked only about labelled trials does not know what they stand for.

    Parameters
    ----------
    store : Store
        Store of the study.
    versions : sequence of str
        Judge versions.
    view : str
        Label view (`gnomon.calibration.labels.views`).
    splits : sequence of str
        Splits of the trials.
    reading : {"event", "passed"}, default "event"
        What is read.

    Returns
    -------
    pandas.DataFrame
        One row per trial, in the order of ids: trial, arm, split, weight, truth (bool, by the label), label (outcome),
        and for each version `said_column` (bool or missing) and `outcome_column`.
    """
    panel = [version for version in stratifying_versions(store) if version not in versions]
    judged = dict(zip([*versions, *panel], judged_trials(store, [*versions, *panel], splits=splits), strict=True))
    frames = [judged[version] for version in versions]
    read = pd.concat(frames).drop_duplicates("trial")
    widest = max(judged.values(), key=len)
    population = pd.concat([widest, read[~read["trial"].isin(widest["trial"])]], ignore_index=True)
    rows = population.merge(reference_table(store, view), on="trial")
    rows = rows[rows["trial"].isin(read["trial"])].sort_values("trial").reset_index(drop=True)
    kept = rows[["trial", "arm", "split"]].assign(
        weight=inverse_inclusion_weights(rows, population),
        truth=rows[f"true_{reading}"].astype(bool),
        label=rows["true_outcome"],
    )
    for version, frame in zip(versions, frames, strict=True):
        said = frame[reading].astype(object)
        mine = {said_column(version): said, outcome_column(version): frame["outcome"]}
        kept = kept.merge(frame[["trial"]].assign(**mine), on="trial", how="left")
    return kept
