"""A plan is for the interval that the corrected fit shows under the same name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gnomon.data.records import Facts, Label, Trial
from gnomon.data.storage.store import Store
from gnomon.stats.planned_interval import planned_interval
from gnomon.stats.results import Diagnostics, EstimateRow, FitResult, StoredFit
from gnomon.stats.stored_fits import save_fit

SILENT = Facts(claims=False, concept="none", coherent=True, refused=False)


def row(subject: str, name: str, low: float, high: float, **by: str | float) -> EstimateRow:
    middle = (low + high) / 2
    inner = {"low50": low, "high50": high, "low80": low, "high80": high}
    who = {"subject": subject, "parameters": 1e9, "variant": "instruct"}
    return EstimateRow(estimand=name, mean=middle, sd=0.1, low95=low, high95=high, by=by, **inner, **who)


@pytest.fixture
def fitted(store: Store) -> Store:
    rows = (
        row("small", "net_detection_corrected", -0.1, 0.2),
        row("large", "net_detection_corrected", 0.3, 0.4),
        row("large", "net_detection_corrected", 0.0, 1.0, concept="ocean"),
        row("large", "identification", 0.3, 0.5),
        row("large", "false_alarm", 0.05, 0.1),
        row("large", "false_alarm", 0.1, 0.3, arm="random"),
    )
    result = FitResult(view="corrected", estimands=rows)
    save_fit(store, StoredFit(id="f1", view="corrected", status="passed", diagnostics=Diagnostics(), result=result))
    return store


@pytest.mark.parametrize(
    ("estimand", "subject", "name", "interval"),
    [
        ("net_detection_corrected", "large", "net_detection_corrected", ("large", 0.3, 0.4)),
        ("net_detection_corrected", None, "net_detection_corrected", ("small", -0.1, 0.2)),
        ("event_rate_injection", None, "identification", ("large", 0.3, 0.5)),
        ("event_rate_control", None, "false_alarm", ("large", 0.05, 0.1)),
        ("event_rate_random", None, "false_alarm", ("large", 0.1, 0.3)),
    ],
)
def test_the_interval_is_that_of_the_fit_of_several_models_the_widest(
    fitted: Store, estimand: str, subject: str | None, name: str, interval: tuple[str, float, float]
) -> None:
    found = planned_interval(fitted, estimand, subject)
    assert found is not None
    assert (found.source, found.estimand, found.outdated) == ("fit", name, False)
    assert (found.subject, found.estimate.low, found.estimate.high) == interval


def test_without_such_an_estimate_there_is_none_and_newer_labels_are_told(
    fitted: Store, make_trial: Callable[..., Trial]
) -> None:
    assert planned_interval(fitted, "net_detection_corrected", "other") is None
    assert planned_interval(fitted, "event_rate_negated") is None
    fitted.add_labels([Label(make_trial().id, "ann", SILENT, created_at="2999-01-01T00:00:00.000000+00:00")])
    found = planned_interval(fitted, "event_rate_control")
    assert found is not None
    assert found.outdated
