"""A fit's result is a typed value: to JSON and back unchanged; what is stored wrongly is refused in a line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from gnomon.data.errors import StoreError
from gnomon.data.storage.fit_schema import RESULT_SCHEMA
from gnomon.data.storage.store import Store
from gnomon.stats.results import (
    Diagnostics,
    EstimateRow,
    FitComparisons,
    FitResult,
    PredictiveCheck,
    Reweighting,
    SizeLadderSpan,
    SizeLadderStep,
    StoredFit,
    WithheldEstimate,
)
from gnomon.stats.stored_fits import find_fit, newest_fits, save_fit

ENDS = {"low50": 0.1, "high50": 0.3, "low80": 0.0, "high80": 0.4, "low95": -0.1, "high95": 0.5}
INTERVAL = {"mean": 0.2, "low95": -0.1, "high95": 0.5}


def estimate(**more: Any) -> EstimateRow:
    usual = {"subject": "s", "parameters": 1e9, "variant": "instruct", "estimand": "refusal", "mean": 0.2, "sd": 0.1}
    return EstimateRow.model_validate({**usual, **ENDS, "observed": None, "n": 40, **more})


RESULT = FitResult(
    view="judged",
    judge="j",
    estimands=(estimate(), estimate(by={"strength": 2.0}), estimate(by={"concept": "2.0"})),
    comparisons=FitComparisons(
        ladder=(
            SizeLadderStep(estimand="x", from_subject="a", to_subject="b", **INTERVAL, probability=0.9),
            SizeLadderSpan(estimand="x", from_subject="a", to_subject="c", steps=2, probability=0.7),
        )
    ),
    predictive=(
        PredictiveCheck(subject="s", arm="control", outcome_class="event", n=4, p=0.5, observed=1, **INTERVAL),
    ),
    refused=(WithheldEstimate(subject="s", estimand="size_odds_ratio", reason="one model only"),),
)


def fit(**more: Any) -> StoredFit:
    usual = {"id": "f", "view": "judged", "status": "passed", "diagnostics": Diagnostics(), "result": RESULT}
    return StoredFit(**{**usual, **more})


def test_a_result_comes_back_from_its_json_as_it_was() -> None:
    document = RESULT.model_dump(mode="json")
    assert FitResult.model_validate(json.loads(json.dumps(document, allow_nan=False))) == RESULT
    assert document["schema"] == RESULT_SCHEMA
    step, span = document["comparisons"]["ladder"]
    assert (step["from"], step["to"], step["mean"]) == ("a", "b", 0.2)
    assert span == {"estimand": "x", "from": "a", "to": "c", "steps": 2, "probability": 0.7}
    assert document["predictive"][0]["class"] == "event"
    assert [row["by"] for row in document["estimands"]] == [{}, {"strength": 2.0}, {"concept": "2.0"}]


def test_a_result_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        RESULT.view = "corrected"  # type: ignore[misc]


def test_estimates_over_the_whole_design_are_told_from_those_by_an_axis() -> None:
    assert RESULT.overall_estimates == [RESULT.estimands[0]]
    assert RESULT.estimates_frame()[["axis", "value"]].to_numpy().tolist() == [
        ["", ""],
        ["strength", 2.0],
        ["concept", "2.0"],
    ]


def test_a_fit_is_stored_and_found_with_its_time(store: Store) -> None:
    saved = save_fit(store, fit())
    assert saved.created_at
    assert saved.code_version
    assert (saved.result, saved.diagnostics) == (RESULT, Diagnostics())
    assert newest_fits(store) == {"judged": saved} == {"judged": find_fit(store, "f")}
    assert find_fit(store, "g") is None


def test_only_a_weighted_fit_says_that_it_was_weighted() -> None:
    plain = Diagnostics(max_rhat=1.0, min_ess_bulk=900.0, min_ess_tail=800.0)
    assert "reweighted" not in plain.model_dump(mode="json")
    assert plain.min_ess == 800.0
    weighted = plain.model_copy(update={"reweighted": Reweighting(fit="f", k=0.2, share=0.9)})
    assert Diagnostics.model_validate(weighted.model_dump(mode="json")) == weighted


def test_a_stored_result_that_cannot_be_read_is_refused_in_one_line() -> None:
    row = fit().model_dump(mode="json")
    broken = {**row, "result": {**row["result"], "estimands": [{"subject": "s"}]}}
    with pytest.raises(StoreError, match=r"^fit f: its stored result cannot be read \(result\.estimands\.0\.") as told:
        StoredFit.from_row(broken)
    assert "\n" not in str(told.value)
    newer = {**row, "result": {**row["result"], "schema": RESULT_SCHEMA + 1}}
    with pytest.raises(StoreError, match="a newer version wrote it"):
        StoredFit.from_row(newer)


def test_keys_of_a_later_version_are_left_out() -> None:
    assert FitResult.model_validate({**RESULT.model_dump(mode="json"), "later": 1}) == RESULT
