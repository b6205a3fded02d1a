"""The truth of a study's labels as validation sets of Inspect Scout, with the transcripts that they are about."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from gnomon.calibration.labels.views import true_labels
from gnomon.data.errors import InputError
from gnomon.data.exporters.export_folder import file_hashes, new_folder
from gnomon.data.exporters.exported_trials import read_study
from gnomon.data.exporters.inspect_log import write_logs
from gnomon.data.exporters.registry import ExportReport
from gnomon.data.facts import CORE_FACTS, CORE_FLAGS
from gnomon.data.storage.store import Store

EVENTS, FACTS = "validation.csv", "facts.csv"
"""Cases for a scanner that says whether the event happened, and for one that answers each question."""


def export_validation_set(store: Store, folder: Path) -> ExportReport:
    """Write the truth of each labelled trial as a case of a Scout validation set, beside the study's Inspect logs.

    A case's id is the id of the trial, which is the transcript's id where Scout reads the logs.

    Parameters
    ----------
    store : Store
        Store of the study.
    folder : Path
        Folder to create; it appears only when complete.

    Raises
    ------
    InputError
        If the folder exists and is not empty, or is a file; if the study has no responses, or no label makes a truth.
    """
    study = read_study(store)
    settings = study.settings
    truth = true_labels(store, settings.label_view)
    if not len(truth):
        raise InputError(
            f"study '{settings.name}': no label makes a truth by rule '{settings.truth}' in the label view "
            f"'{settings.label_view}': label trials, or choose another view or truth in [labels] of study.toml"
        )
    with new_folder(folder) as scratch:
        counted = write_logs(store, study, scratch)
        _write_cases(truth[["trial"]].assign(target=truth["event"], split=truth["split"]), scratch / EVENTS)
        named = truth[["trial", *CORE_FACTS, "split"]].rename(columns={name: f"target_{name}" for name in CORE_FACTS})
        _write_cases(named, scratch / FACTS)
        files = file_hashes(scratch)
    return ExportReport(folder, {"cases": len(truth), **counted}, files)


def _write_cases(cases: pd.DataFrame, path: Path) -> None:
    written = cases.rename(columns={"trial": "id"})
    for name in written.columns:
        if name == "target" or str(name).removeprefix("target_") in CORE_FLAGS:
            written[name] = written[name].astype(bool).map({True: "true", False: "false"})
    written.to_csv(path, index=False, lineterminator="\n")
