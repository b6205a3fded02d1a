"""A study of controls alone, as most judge data are, shows its figures in fit text, report, pages, audit and plan."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gnomon.api.frame_store import read_frames, store_frames
from gnomon.api.study import Study
from gnomon.calibration.audit.document import audit_views
from gnomon.calibration.posterior.plan_target import PlanTarget
from gnomon.calibration.queue.label_sampling import next_items
from gnomon.calibration.queue.sample_size import default_estimand
from gnomon.chain.session import OpenStudy
from gnomon.commands.study.plan import print_plan
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.storage.store import Store
from gnomon.render.audit import print_audit
from gnomon.render.estimates import estimates_document, print_estimates
from gnomon.report.document import write_report
from gnomon.stats.fit import fit_corrected
from gnomon.stats.narrative.fit_frames import all_fitted, default_figure
from gnomon.stats.narrative.next_steps import list_notices
from gnomon.stats.narrative.study_overview import summarize_study
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables.headline_tables import headline_table
from gnomon.study_file import StudyFile

JUDGED, CORRECTED = 0.471, 0.488
ABSENT = "no trials in the injection arm"


def estimate(mean: float) -> dict[str, Any]:
    ends = {f"{end}{level}": mean + sign * 0.13 for level in (50, 80, 95) for end, sign in (("low", -1), ("high", 1))}
    about = {"subject": "m-7b", "parameters": 7e9, "variant": "instruct", "estimand": "false_alarm", "by": {}}
    return {**about, "mean": mean, "sd": 0.06, **ends, "observed": None, "n": 60}


def add_fit(store: Store, view: str, mean: float, net: str) -> None:
    checks = {"max_rhat": 1.0, "min_ess_bulk": 900.0, "min_ess_tail": 900.0, "divergences": 0, "draws": 500}
    refused = [{"subject": "m-7b", "estimand": net, "reason": ABSENT}]
    result = {"view": view, "judge": "j", "estimands": [estimate(mean)], "design": "As run.", "refused": refused}
    row = {"id": view * 8, "view": view, "status": "passed", "data_hash": "d" * 64, "seed": 1, "priors": {}}
    diagnostics = {**checks, "chains": 4, "passed": True, "reasons": []}
    store.add_fit({**row, "diagnostics": diagnostics, "result": result})


@pytest.fixture
def study(tmp_path: Path) -> Iterator[OpenStudy]:
    """Sixty controls, a judge that is mostly right, and fits with false alarms only."""
    names = [f"t{place:02d}" for place in range(60)]
    said = [place % 2 == 0 for place in range(60)]
    right = [claim != (place % 12 == 5) for place, claim in enumerate(said)]
    store = store_frames(
        read_frames(
            pd.DataFrame({"trial": names, "arm": "control", "subject": "m-7b"}),
            pd.DataFrame({"trial": names, "judge": "j", "claims": said}),
            pd.DataFrame({"trial": names[:40], "rater": "ann", "claims": right[:40]}),
        )
    )
    add_fit(store, "judged", JUDGED, "net_detection_raw")
    add_fit(store, "corrected", CORRECTED, "net_detection_corrected")
    yield OpenStudy(tmp_path, StudyFile.model_validate({"name": "generic", "imported": True}), store)
    store.close()


def test_fit_prints_its_figures(study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
    document = estimates_document(study, list(newest_fits(study.store).values()))
    assert {line.estimand: line.mean for line in document.estimates} == {
        "false_alarm": JUDGED,
        "false_alarm_corrected": CORRECTED,
    }
    print_estimates(document)
    rows = re.findall(r"False alarm +(\d+) %", capsys.readouterr().out)
    assert rows[:2] == ["47", "49"]


def test_the_report_opens_each_fit_with_the_figure_that_it_has(study: OpenStudy, tmp_path: Path) -> None:
    page = write_report(study, tmp_path / "a.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    text = " ".join(re.sub(r"<[^>]*>", " ", page).split())
    for told in (
        "Raw net detection is not shown (m-7b: no trials in the injection arm).",
        "m-7b as judged 47 % (34 to 60)",
        "m-7b corrected 49 % (36 to 62)",
        "j: can be corrected by 40 blind labels, each arm by its own error rates: control",
    ):
        assert told in text
    assert "cannot be corrected" not in text
    assert "Cannot be corrected" not in text
    assert "Concept:" not in text
    assert "+47" not in text


def test_the_pages_open_on_the_figure_and_warn_of_nothing_that_nobody_expects(study: OpenStudy) -> None:
    fits = all_fitted(study.store)
    assert default_figure(fits) == "false_alarm"
    table = headline_table(fits).text_frame()
    assert list(table["False alarm"]) == ["47 % (34 to 60)", "49 % (36 to 62)"]
    absent = [note for note in list_notices(summarize_study(study.store)) if ABSENT in note.text]
    assert {note.level for note in absent} == {"info"}


def test_the_audit_speaks_of_the_arms_of_the_study(study: OpenStudy, capsys: pytest.CaptureFixture[str]) -> None:
    audit = audit_views(study.store, views=("blind",))
    assert list(audit.judges[0].evidence) == ["control"]
    assert audit.judges[0].correctable
    print_audit(audit)
    text = " ".join(capsys.readouterr().out.split())
    assert "Can be corrected by 40 blind labels" in text
    assert "net detection by" not in text


def test_plan_and_queue_take_a_figure_that_the_study_has(
    study: OpenStudy, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnomon.calibration.queue.sample_size.GROWTH", (1.0,))
    monkeypatch.setattr("gnomon.calibration.queue.sample_size.SEARCHED", 2)
    monkeypatch.setattr("gnomon.calibration.queue.sample_size.CONFIRMED", 2)
    plan = Study(study, ExitStack()).plan(width=0.3)
    assert (plan.estimand, plan.now.value) == ("false_alarm_corrected", CORRECTED)
    print_plan(plan)
    assert "false alarm corrected, m-7b: 49 % (36 to 62)" in capsys.readouterr().out
    assert next_items(study.store, "bob", strategy="uncertain", n=3)
    with pytest.raises(NotEnoughDataError, match="or plan for false_alarm_corrected"):
        Study(study, ExitStack()).plan(width=0.3, estimand="net_detection_corrected")


@pytest.mark.parametrize(
    ("name", "arms"),
    [
        ("false_alarm", {"control": 1}),
        ("false_alarm_corrected", {"control": 1}),
        ("identification_corrected", {"injection": 1}),
        ("event_rate_random", {"random": 1}),
        ("net_detection_corrected", {"injection": 1, "control": -1}),
    ],
)
def test_a_plan_is_asked_for_by_the_names_of_a_fit(name: str, arms: dict[str, int]) -> None:
    assert dict(PlanTarget.from_name(name).signs) == arms
    with pytest.raises(InputError, match="false_alarm_corrected, event_rate_injection"):
        PlanTarget.from_name("rate")


def test_the_default_of_a_plan_follows_the_arms_with_verdicts() -> None:
    def estimand(*arms: str) -> str:
        trials = pd.DataFrame({"trial": list(arms), "arm": list(arms), "concept": ["ocean" for _ in arms]})
        verdicts = pd.DataFrame({"trial": list(arms), "judge": "j", "claims": True})
        labels = pd.DataFrame({"trial": list(arms), "claims": True})
        store = store_frames(read_frames(trials, verdicts, labels))
        try:
            return default_estimand(store)
        finally:
            store.close()

    assert estimand("injection", "control", "random") == "net_detection_corrected"
    assert estimand("injection", "random") == "identification_corrected"
    assert estimand("control", "random") == "false_alarm_corrected"
    assert estimand("random") == "event_rate_random"


@pytest.fixture
def other_arms(tmp_path: Path) -> Iterator[OpenStudy]:
    """Trials of two arms, neither of them injection or control, and stored fits with their event rates."""
    names = [f"t{place:02d}" for place in range(80)]
    arms = ["random" if place % 2 else "negated" for place in range(80)]
    said = [place % 3 == 0 for place in range(80)]
    store = store_frames(
        read_frames(
            pd.DataFrame({"trial": names, "arm": arms, "concept": "ocean", "subject": "m-7b"}),
            pd.DataFrame({"trial": names, "judge": "j", "claims": said}),
            pd.DataFrame({"trial": names[:60], "rater": "ann", "claims": [place % 4 == 0 for place in range(60)]}),
        )
    )
    checks = {"draws": 500, "chains": 4, "passed": True}
    for view, shift in (("judged", 0.0), ("corrected", 0.1)):
        rates = {"random": 0.3 + shift, "negated": 0.4 + shift}
        by_arm = [{**estimate(rate), "by": {"arm": arm}} for arm, rate in rates.items()]
        result = {"view": view, "judge": "j", "estimands": by_arm, "headline": {"method": "joint"}}
        row = {"id": view * 8, "view": view, "status": "passed", "data_hash": "d", "seed": 1, "priors": {}}
        store.add_fit({**row, "diagnostics": checks, "result": result})
    yield OpenStudy(tmp_path, StudyFile.model_validate({"name": "generic", "imported": True}), store)
    store.close()


def test_a_study_of_other_arms_shows_the_event_rate_of_each(
    other_arms: OpenStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = estimates_document(other_arms, list(newest_fits(other_arms.store).values()))
    assert {line.estimand: round(line.mean, 2) for line in document.estimates} == {
        "event_rate_negated": 0.4,
        "event_rate_random": 0.3,
        "event_rate_negated_corrected": 0.5,
        "event_rate_random_corrected": 0.4,
    }
    assert all(PlanTarget.from_name(line.estimand).signs for line in document.estimates)
    print_estimates(document)
    assert re.findall(r"Event rate, ([\w ]+?)  +(\d+) %", capsys.readouterr().out)[2:] == [
        ("negated", "50"),
        ("random direction", "40"),
    ]
    table = headline_table(all_fitted(other_arms.store)).text_frame()
    assert table["Event rate, random direction"].tolist() == ["30 % (17 to 43)", "40 % (27 to 53)"]
    page = write_report(other_arms, tmp_path / "a.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    assert "m-7b, event rate, random direction: 40 % (27 to 53)." in page


def test_a_corrected_fit_needs_labels_in_some_arm_whichever_it_is(
    other_arms: OpenStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    class SampledError(Exception):
        """The fit was not refused."""

    def sampled(*_: object) -> None:
        raise SampledError

    monkeypatch.setattr("gnomon.stats.fit.corrected_model", sampled)
    with pytest.raises(SampledError):
        fit_corrected(other_arms.store, quick=True)
