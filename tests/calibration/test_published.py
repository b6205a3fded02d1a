"""The audit of the study that Gnomon grew from, as imported: what its labels say now, and what they said first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gnomon.calibration.audit import audit_frames
from gnomon.calibration.audit.document import audit_study, audit_views
from gnomon.calibration.results.audit import AuditDocument
from gnomon.calibration.results.error_rates import ConfusionCells
from gnomon.chain.session import opened
from gnomon.commands.study.calibrate import audit_judges
from gnomon.commands.transfer import import_files
from gnomon.data.importers import ImportOptions
from gnomon.data.storage.store import Store
from gnomon.render.audit import print_audit


def arms_of(judge: dict[str, Any]) -> dict[str, Any]:
    return {each.arm: each for each in judge.strata if each.concept is None and each.subject is None}


@pytest.fixture(scope="module")
def imported(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of the published dev files, as `gnomon import` makes it."""
    folder = shared / "data" / "open-introspection"
    study = tmp_path_factory.mktemp("published") / "study"
    import_files(
        "open-introspection",
        [folder / "dev.jsonl", folder / "dev_calibration.jsonl"],
        study,
        ImportOptions(),
        json=False,
    )
    return study


@pytest.fixture
def published(imported: Path) -> Iterator[Store]:
    with opened(imported) as study:
        yield study.store


@pytest.mark.parametrize(("view", "counts"), [("current", (27, 2, 0, 20)), ("first", (26, 3, 0, 20))])
def test_published_labels_count_as_published_and_as_first_recorded(
    published: Store, view: str, counts: tuple[int, int, int, int]
) -> None:
    (judge,) = audit_study(published, view=view).judges
    assert judge.labelled == 49
    for reading in (judge.overall, judge.overall.as_pass):
        assert tuple(getattr(reading, key) for key in ("tp", "fp", "fn", "tn")) == counts


def test_the_one_published_revision_came_after_a_verdict_and_went_to_the_judge(published: Store) -> None:
    revised = audit_study(published, view="current").revisions
    assert (revised.n, revised.after_verdict, revised.toward_judge) == (1, 1, 1)
    assert revised.p_value == 1.0, "one revision alone proves nothing"


def test_one_published_revision_is_shown_and_said_to_prove_nothing(published: Store) -> None:
    document = audit_views(published)
    revised = document.revisions
    (changed,) = revised.confusion
    assert changed.first == ConfusionCells(tp=26, fp=3, fn=0, tn=20)
    assert changed.current == ConfusionCells(tp=27, fp=2, fn=0, tn=20)
    assert "One revision is no evidence (exact p = 1.00)." in revised.words
    assert "TP 26, FP 3, FN 0, TN 20; against the current labels, TP 27, FP 2, FN 0, TN 20" in revised.words
    (move,) = revised.moves
    assert (move.passed_before, move.passed_after, move.verdicts[0].passed) == (False, True, True)
    by_view = {each.labels: each.labelled for each in document.judges}
    assert by_view == {"blind": 0, "first": 49, "current": 49}


def test_published_errors_sit_in_one_arm(published: Store) -> None:
    (judge,) = audit_study(published, view="first").judges
    wrong = {each.arm: each.as_event.fp for each in arms_of(judge).values()}
    assert wrong == {"injection": 3, "control": 0}
    assert not math.isnan(judge.youden.by_arm["injection"].low)


def test_no_published_label_is_known_to_be_blind(published: Store) -> None:
    (judge,) = audit_study(published).judges
    assert (judge.labelled, judge.correctable) == (0, False)


def test_the_command_prints_every_view_of_the_published_study(
    imported: Path,
) -> None:
    document = AuditDocument.model_validate_json(audit_judges(imported, None).model_dump_json())
    one = AuditDocument.model_validate_json(audit_judges(imported, "current").model_dump_json())
    counts = {
        each.labels: [getattr(each.overall.as_pass, key) for key in ("tp", "fp", "fn", "tn")]
        for each in document.judges
    }
    assert counts == {"blind": [0, 0, 0, 0], "first": [26, 3, 0, 20], "current": [27, 2, 0, 20]}
    assert [each.labels for each in one.judges] == ["current"]
    assert one.test_split_looks == document.test_split_looks, "the same labels, seen in one view of the three"


def test_the_terminal_tells_rates_verdict_and_revision(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_audit(audit_judges(imported, None))
    lines = capsys.readouterr().out.splitlines()
    told = " ".join(line.strip() for line in lines)
    assert "Blind labels, 0 Cannot be corrected: no blind label on a trial" in told
    assert any(line.split()[:5] == ["all", "26", "3", "0", "20"] for line in lines), "by pass"
    rows = [line.split() for line in lines]
    assert ["injection", "19", "2", "0", "12"] in [row[:5] for row in rows if row[-1:] == ["moderate"]]
    assert "One revision is no evidence (exact p = 1.00)." in told
    assert "of 48 nobody knows what had been seen" in told


def test_tables_hold_the_revision_and_the_contradictions_with_their_trials(published: Store) -> None:
    document = audit_study(published, view="current")
    moves = audit_frames.revision_frame(document)
    assert moves[["rater", "seen", "direction"]].to_numpy().tolist() == [["human", "after verdict", "toward"]]
    assert moves["verdicts"].iloc[0].startswith("open-introspection-judge: ")
    wrong = audit_frames.contradiction_frame(document)
    assert set(wrong["who"]) == {"human"}
    assert (wrong["low"] < wrong["value"]).all()
    assert wrong["trials"].str.len().min() >= 32
