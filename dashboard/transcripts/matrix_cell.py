"""A cell of the audit's matrices: its form in a URL, its description, and its transcripts."""

from __future__ import annotations

import json
from dataclasses import dataclass

import streamlit as st

from gnomon.calibration.audit import drilldown
from gnomon.calibration.audit.audit_frames import class_word
from gnomon.data.errors import InputError
from gnomon.data.foreign_documents.bounds import DocumentError
from gnomon.data.foreign_documents.json_documents import decode_json
from gnomon.data.storage.store import Store

PARAMETER = "cell"
CONFUSED, PARTED = "confused", "parted"
_PARTS = {CONFUSED: 4, PARTED: 4}


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """A cell of a matrix; `view` is the label view.

    With `kind` confused, `what` is (judge, arm, class by label, class by judge); with parted, kind and name of one
    reader and of the other.
    """

    kind: str
    view: str
    what: tuple[str, ...]

    @property
    def query_parameters(self) -> str:
        """The cell as the value of a URL parameter."""
        return json.dumps([self.kind, self.view, *self.what], ensure_ascii=False)

    @property
    def describe_cell(self) -> str:
        """What its transcripts have in common."""
        if self.kind == CONFUSED:
            judge, arm, truth, verdict = self.what
            said = f"the label says {class_word(truth)}, {judge} says {class_word(verdict)}"
            return f"{arm.capitalize()} arm: {said} ({self.view} labels)"
        _, one, _, other = self.what
        return f"{one} and {other} come to different outcomes ({self.view} labels)"

    def trial_ids(self, store: Store) -> list[str]:
        """Ids of its transcripts, in order.

        Raises
        ------
        UnknownNameError
            If the study lacks a name of the cell.
        """
        if self.kind == CONFUSED:
            judge, arm, truth, verdict = self.what
            return drilldown.trials_in_confusion_cell(store, judge, self.view, arm=arm, truth=truth, verdict=verdict)
        kind, one, other_kind, other = self.what
        return drilldown.trials_where_they_disagree(store, self.view, (kind, one), (other_kind, other))


def requested_cell() -> MatrixCell | None:
    """The cell in this page's URL, or None.

    Raises
    ------
    InputError
        If the parameter does not describe a cell.
    """
    text = st.query_params.get(PARAMETER)
    if text is None:
        return None
    try:
        kind, view, *what = decode_json(text)
        if len(what) == _PARTS[kind] and all(isinstance(part, str) for part in (view, *what)):
            return MatrixCell(kind, view, tuple(what))
    except (DocumentError, ValueError, TypeError, KeyError):
        pass
    raise InputError(f"the address asks for the cell {text[:80]}, which is none: open it from the Judges page again")


def clear_cell() -> None:
    """Remove the cell from the URL."""
    st.query_params.pop(PARAMETER, None)


def go_to(cell: MatrixCell) -> None:
    """Go to the cell's transcripts."""
    st.switch_page(st.session_state["pages"]["transcripts"], query_params={PARAMETER: cell.query_parameters})
