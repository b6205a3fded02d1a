"""What a fit says of labels that leave the class open: how they count, what is assumed, the range that they leave."""

from __future__ import annotations

from gnomon.calibration.observations.frames import judge_frame
from gnomon.data.errors import UnknownNameError
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import VerdictPatternCells


def open_label_notes(store: Store, patterns: VerdictPatternCells, view: str) -> str:
    """Sentences on the open labels of a fit; empty where there are none.

    The range assumes nothing of the open labels (`undecided_range`, by the fit's first judge, without the test split);
    the fit assumes that they are coarsened at random.

    Parameters
    ----------
    store : Store
        Store of the study.
    patterns : VerdictPatternCells
        The study's verdicts and labels.
    view : str
        Label view.
    """
    if patterns.opened is None:
        return ""
    trials = int(patterns.count[patterns.opened.there].sum())
    many = "The label of 1 trial leaves" if trials == 1 else f"Labels of {trials:,} trials leave"
    said = (
        f"{many} the class open and {'counts' if trials == 1 else 'count'} as one of the classes that "
        f"{'it names' if trials == 1 else 'they name'}: assumes that raters leave a trial open as often whichever of "
        "these is true."
    )
    return " ".join([said, *_range_sentences(store, patterns.judges[0], view)])


def _range_sentences(store: Store, judge: str, view: str) -> list[str]:
    # Compiles functions: only where a label is open.
    from gnomon.calibration.undecided.undecided_range import undecided_range

    try:
        known = judge_frame(store, [judge])
    except UnknownNameError:  # an older version, which has no name of its own in the store
        return []
    found = undecided_range(store, str(known["version"].iloc[0]), view) if len(known) else None
    return [f"Without this assumption, by {judge}: {' '.join(found.words[1:])}"] if found and found.words[1:] else []
