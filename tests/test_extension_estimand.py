"""An estimand that is declared outside the house is computed, compared, charted, printed and reported like its own."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from gnomon.chain.session import OpenStudy
from gnomon.data.errors import InputError
from gnomon.data.records import Arm, CountRow, Subject
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.fit_schema import RESULT_SCHEMA, upgrade_result
from gnomon.data.storage.store import Store
from gnomon.render.estimates import estimates_document, print_estimates
from gnomon.report.document import write_report
from gnomon.stats import fit
from gnomon.stats.cells.outcome_classes import EVENT, REFUSED
from gnomon.stats.charts import estimate_charts
from gnomon.stats.estimand_registry import ESTIMANDS, NET_RAW, Estimand, Shares, register_estimand
from gnomon.stats.fit import fit_published
from gnomon.stats.inference.sampler import SamplerSettings
from gnomon.stats.narrative.fit_frames import fit_for, read_fit
from gnomon.study_file import StudyFile

NAME = "refusal_shift"
BRIEF = SamplerSettings(draws=500, tune=300)
MODELS = [("small", 5e8, (400, 80, 60), (400, 40, 30)), ("middle", 3e9, (400, 60, 120), (400, 30, 20)),
          ("large", 1.4e10, (400, 40, 180), (400, 20, 10))]  # fmt: skip


def refusal_shift(injection: Shares, control: Shares) -> np.ndarray:
    return np.asarray(injection[REFUSED] - control[REFUSED])


@pytest.fixture
def published(store: Store, tmp_path: Path) -> OpenStudy:
    store.save_settings({"name": "counts", "kind": "counts", "judges": [], "label_view": "blind", "rule": "strict"})
    for name, size, *arms in MODELS:
        store.add_subjects([Subject(name, size, "toy", "instruct")])
        for arm, counts in zip((Arm.INJECTION, Arm.CONTROL), arms, strict=True):
            store.add_counts([CountRow("paper", name, arm, *counts)])
    return OpenStudy(tmp_path, StudyFile.model_validate({"name": "counts", "counts": "published"}), store)


@pytest.fixture
def shift() -> Iterator[Estimand]:
    yield register_estimand(
        Estimand(
            NAME,
            "shift of refusal",
            "How much more often a model refuses when a concept is injected than in a control.",
            refusal_shift,
            ("injection", "control"),
            judged_classes=(REFUSED, REFUSED),
            comparisons=frozenset(("size", "pairs", "ladder")),
            is_difference=True,
            headline=True,
        )
    )
    ESTIMANDS.unregister(NAME)


def test_it_is_fitted_compared_printed_charted_and_reported(
    published: OpenStudy, shift: Estimand, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = fit_published(published.store, settings=BRIEF)
    assert row.status == "passed", row.diagnostics
    result = row.result
    mine = {each.subject: each for each in result.estimands if each.estimand == NAME}
    assert {name: each.observed for name, each in mine.items()} == pytest.approx(
        {"small": 0.1, "middle": 0.075, "large": 0.05}
    )
    assert all(each.low95 < each.observed < each.high95 for each in mine.values())
    for table in ("curve", "contrasts"):
        assert [each for each in getattr(result, table) if each.estimand == NAME], table
    for table in ("ladder", "slopes", "new_subject", "standard", "standard_contrasts"):
        assert [each for each in getattr(result.comparisons, table) if each.estimand == NAME], table

    document = estimates_document(published, [row])
    assert [each.subject for each in document.estimates if each.estimand == NAME] == [
        "small",
        "middle",
        "large",
    ]
    print_estimates(document)
    assert "Shift of refusal" in capsys.readouterr().out

    frames = read_fit(row)
    assert fit_for({"published": frames}, NAME) is frames
    chart = estimate_charts.scaling_chart(frames.overall_estimates(NAME), frames.curve, estimand=NAME).to_dict()
    assert chart["title"]["text"] == "Shift of refusal by model size"
    page = write_report(published, tmp_path / "report.html").read_text(encoding="utf-8")
    assert f"Shift of refusal: {shift.definition}" in page


def test_it_has_a_tab_of_its_own(shift: Estimand) -> None:
    def page() -> None:
        from gnomon.dashboard.views import scaling

        scaling._estimand_tabs("net_detection_raw")

    app = AppTest.from_function(page).run()
    assert not app.exception
    assert {"Raw", "Identification", "Shift of refusal"} <= {
        option.content for group in app.get("button_group") for option in group.proto.options
    }


def test_a_fit_of_before_is_not_taken_for_one_that_has_it(
    published: OpenStudy, shift: Estimand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "sample_posterior", lambda *_: pytest.fail("sampled"))
    ESTIMANDS.unregister(NAME)
    with pytest.raises(pytest.fail.Exception):
        fit_published(published.store, settings=BRIEF)
    plans = []
    kept = SimpleNamespace(status="failed")
    monkeypatch.setattr(fit, "find_requested_fit", lambda _store, fit_id: plans.append(fit_id) or kept)
    fit_published(published.store, settings=BRIEF)
    register_estimand(shift)
    fit_published(published.store, settings=BRIEF)
    assert plans[0] != plans[1]


def test_a_declaration_that_contradicts_itself_or_another_is_refused_in_a_line() -> None:
    def declare(name: str = "new", arms: tuple[str, ...] = ("injection", "control"), **also: object) -> Estimand:
        return Estimand(name, "new", "New.", refusal_shift, arms, **also)  # type: ignore[arg-type]

    with pytest.raises(InputError, match="estimand 'net_detection_raw' is registered already"):
        register_estimand(declare(NET_RAW))
    with pytest.raises(InputError, match="estimand 'new': 'old', which it corrects, is not registered"):
        register_estimand(declare(corrects="old"))
    with pytest.raises(InputError, match="estimand 'new': it reads no arm"):
        declare(arms=())
    with pytest.raises(InputError, match="1 judged classes for 2 arms"):
        declare(judged_classes=(EVENT,))
    assert "new" not in ESTIMANDS


def test_a_result_of_the_first_schema_is_read_under_the_present_names() -> None:
    old = {
        "view": "judged",
        "estimands": [{"estimand": name, "mean": 0.1} for name in ("detection", "claim", "net_claim", "refusal")],
        "comparisons": {"ratios": [{"estimand": "detection", "a": "x", "b": "y", "median": 2.0}]},
        "refused": [{"subject": "s", "estimand": "detection", "reason": "no trials"}],
    }
    new = upgrade_result(old)
    assert new["schema"] == RESULT_SCHEMA
    assert [each["estimand"] for each in new["estimands"]] == [
        "identification",
        "detection",
        "net_detection_claimed",
        "refusal",
    ]
    assert new["comparisons"]["ratios"][0] == {"estimand": "identification", "a": "x", "b": "y", "median": 2.0}
    assert new["refused"][0]["estimand"] == "identification"
    assert upgrade_result(new) == new, "names are not moved twice"


def test_a_study_of_the_first_version_gives_the_same_numbers_under_the_present_names(tmp_path: Path) -> None:
    packed = Path(__file__).parent / "fixtures" / "first_version" / "gnomon.db.gz"
    (tmp_path / "gnomon.db").write_bytes(gzip.decompress(packed.read_bytes()))
    store = Store.open(sqlite_url(tmp_path / "gnomon.db"))
    try:
        fits = store.newest_fits()
        raw = store.read_frame(tables.fits)
    finally:
        store.close()
    assert fits
    for view, row in fits.items():
        stored = raw.set_index("id").loc[row["id"], "result"]
        names = [each["estimand"] for each in row["result"]["estimands"]]
        assert ("identification" in names) == ("detection" in [each["estimand"] for each in stored["estimands"]]), view
        assert [each["mean"] for each in row["result"]["estimands"]] == [each["mean"] for each in stored["estimands"]]
