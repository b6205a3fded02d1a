"""`gnomon calibrate --card`: the calibration card of one judge version, written to a file."""

from __future__ import annotations

from pathlib import Path

from gnomon.api.study import open_study
from gnomon.calibration.cards.calibration_card import CalibrationCard
from gnomon.calibration.cards.card_file import write_card
from gnomon.data.errors import InputError

JSON = ".json"


def write_judge_card(folder: Path, out: Path, judge: str | None, view: str | None) -> CalibrationCard:
    """Measure a judge and write its card.

    Parameters
    ----------
    folder : Path
        The study's folder.
    out : Path
        The .json file to write.
    judge : str, optional
        Name or version; None where the study has one judge.
    view : str, optional
        Label view; None for the study's.

    Raises
    ------
    InputError
        If the file has another ending, or the study has several judges and none is named.
    """
    if out.suffix.lower() != JSON:
        raise InputError(f"card '{out}': name it .json")
    with open_study(folder) as study:
        card = study.card(judge, view=view)
    write_card(card, out)
    return card
