"""The headline puts detection, identification and their nets side by side, with what they depend on."""

from __future__ import annotations

import dashboard_demo as demo
import pytest

from gnomon.data.storage.store import Store
from gnomon.stats.narrative.caveats import COUNTS_ONLY, study_caveats
from gnomon.stats.narrative.fit_frames import all_fitted, read_fit
from gnomon.stats.narrative.next_steps import list_notices
from gnomon.stats.narrative.study_overview import summarize_study
from gnomon.stats.results import MissingVerdictRange, RuleEstimate, StoredFit
from gnomon.stats.tables import headline_tables as tables


def fit_of(comparisons: dict[str, object], view: str = "judged", names: tuple[str, ...] = ("detection",)):
    rows = [demo.estimand("m", 1e9, "instruct", name, 0.3, 0.02) for name in names]
    row = {"id": "x", "view": view, "status": "passed", "diagnostics": {}}
    return read_fit(StoredFit.from_row({**row, "result": {"estimands": rows, "comparisons": comparisons}}))


def test_detection_and_identification_stand_side_by_side(store: Store) -> None:
    demo.fill(store)
    (row,) = tables.headline_table(all_fitted(store)).text_frame().to_dict("records")
    assert (row["Model"], row["Fit"]) == ("SmolLM2-135M", "as judged")
    assert row["Identification"] == "35 % (25 to 45)"
    assert row["False alarm"] == "22 % (12 to 32)"
    assert list(row)[2:4] == ["Identification", "False alarm"], "in the order of the registry"


def test_a_corrected_estimate_stands_under_the_estimand_that_it_corrects() -> None:
    fits = {
        "corrected": fit_of({}, "corrected", ("detection", "net_detection_corrected")),
        "judged": fit_of({}, names=("detection", "net_detection_raw")),
    }
    table = tables.headline_table(fits).text_frame()
    assert table["Fit"].tolist() == ["as judged", "corrected"]
    assert list(table.columns) == ["Model", "Fit", "Detection", "Raw net detection"]
    assert (table["Raw net detection"] == "+30 % (+26 to +34)").all(), "a difference has signs"


def test_concepts_like_these_stand_beside_these_concepts() -> None:
    new = {"subject": "m", "estimand": "detection", "mean": 0.31, "low95": 0.1, "high95": 0.55, "concepts": 4}
    false = {**new, "estimand": "false_alarm"}
    (row,) = (
        tables.new_concepts_table({"judged": fit_of({"new_concepts": [new, false]})}).text_frame().to_dict("records")
    )
    assert row["These concepts"] == "30 % (26 to 34)"
    assert row["Concepts like these"] == "31 % (10 to 55)"
    assert row["Concepts"] == "4"


def test_signal_detection_is_a_row_for_each_model() -> None:
    rows = [
        {"subject": "m", "estimand": name, "mean": mean, "low95": mean - 0.3, "high95": mean + 0.3}
        for name, mean in (("d_prime", 1.2), ("criterion", 0.5))
    ]
    (row,) = (
        tables.signal_detection_table({"judged": fit_of({"signal_detection": rows})}).text_frame().to_dict("records")
    )
    assert row == {"Model": "m", "Fit": "as judged", "d'": "1.20 (0.90 to 1.50)", "Criterion c": "0.50 (0.20 to 0.80)"}


def test_rules_that_count_alike_share_a_column() -> None:
    rows = [
        RuleEstimate(
            subject="m", estimand="identification", rule=rule, is_study_rule=rule == "strict", value=value,
            low95=value - 0.05, high95=value + 0.05, n=100,
        )
        for rule, value in (("strict", 0.07), ("claim_first", 0.07), ("lenient", 0.2))
    ]  # fmt: skip
    (row,) = tables.rule_table(rows).text_frame().to_dict("records")
    assert row == {
        "Model": "m",
        "Estimate": "Identification",
        "strict *, claim_first": "7 % (2 to 12)",
        "lenient": "20 % (15 to 25)",
    }
    assert not tables.rule_table([])


def test_missing_verdicts_are_one_sentence_a_model() -> None:
    usual = {"subject": "m", "missing": 10, "trials": 100}
    rows = [
        MissingVerdictRange(**usual, estimand="identification", value=0.2, lowest=0.18, highest=0.28),
        MissingVerdictRange(**usual, estimand="net_detection_raw", value=-0.1, lowest=-0.2, highest=0.05),
    ]
    (line,) = tables.missing_verdict_sentences(rows)
    assert line.startswith("m: 10 of 100 trials have no usable verdict (10.0 %) and are excluded.")
    assert line.endswith("identification 18 to 28 % (as counted 20); raw net detection −20 to +5 % (as counted −10).")


def test_a_study_of_counts_says_everywhere_that_its_intervals_are_too_narrow(store: Store) -> None:
    demo.fill_published(store)
    assert study_caveats(all_fitted(store)) == (COUNTS_ONLY,)
    assert COUNTS_ONLY in [note.text for note in list_notices(summarize_study(store))]
    assert study_caveats(["judged", "corrected:exposed"]) == ()


@pytest.mark.parametrize(
    ("view", "title"),
    [("judged", "as judged"), ("corrected:exposed", "corrected (exposed)"), ("published", "as published")],
)
def test_a_fit_is_named_by_what_it_does(view: str, title: str) -> None:
    assert tables.fit_title(view) == title
