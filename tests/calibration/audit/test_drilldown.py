"""The transcripts behind a cell are the ones that the audit counted in it: every cell, every pair, every view."""

from __future__ import annotations

import pytest

from gnomon.calibration.audit import audit_frames
from gnomon.calibration.audit.document import audit_study
from gnomon.calibration.audit.drilldown import trials_in_confusion_cell, trials_where_they_disagree
from gnomon.calibration.labels.views import VIEWS
from gnomon.data.errors import UnknownNameError

WEAK = {
    "good": {"injection": (0.9, 0.95), "control": (0.9, 0.95)},
    "poor": {"injection": (0.6, 0.8), "control": (0.7, 0.7)},
}


@pytest.mark.parametrize(
    "view", [pytest.param(view, marks=() if view == VIEWS[0] else pytest.mark.slow) for view in VIEWS]
)
def test_every_cell_has_as_many_transcripts_as_it_counts_and_none_is_in_two(simulate, view):
    store = simulate(WEAK, n=160).store
    document = audit_study(store, view=view)
    for judge in WEAK:
        table = audit_frames.class_frame(document, judge)
        seen: list[str] = []
        for cell in table.to_dict("records"):
            ids = trials_in_confusion_cell(
                store, judge, view, arm=cell["arm"], truth=cell["truth"], verdict=cell["verdict"]
            )
            assert len(ids) == cell["n"]
            seen += ids
        assert len(seen) == len(set(seen)) == table["n"].sum() > 0


def test_every_pair_differs_on_as_many_transcripts_as_its_agreement_leaves(simulate):
    store = simulate(WEAK, n=160).store
    pairs = audit_study(store).agreement.pairs
    assert {pair.b_kind for pair in pairs} == {"judge", "rater"}
    for pair in pairs:
        apart = trials_where_they_disagree(store, "blind", (pair.a_kind, pair.a), (pair.b_kind, pair.b))
        assert len(apart) == round(pair.n * (1 - pair.agreement.value)) > 0


def test_who_read_nothing_is_named(simulate):
    store = simulate(WEAK, n=40).store
    with pytest.raises(UnknownNameError, match="rater 'nobody': read nothing in the blind view"):
        trials_where_they_disagree(store, "blind", ("judge", "good"), ("rater", "nobody"))
    with pytest.raises(UnknownNameError, match="judge 'nobody'"):
        trials_in_confusion_cell(store, "nobody", "blind", arm="control", truth="rest", verdict="rest")
