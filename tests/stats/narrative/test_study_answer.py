"""The first page's answer: from the corrected fit where it gives net detection, and it says which fit it is from."""

from __future__ import annotations

from typing import Any

import dashboard_demo as demo
import pytest

from gnomon.stats.narrative.fit_frames import FitFrames, read_fit
from gnomon.stats.narrative.study_answer import answer_study, provenance_sentence, range_values
from gnomon.stats.results import StoredFit

WHO = ("toy", 1e9, "instruct")


def fit(view: str, rows: list[dict[str, Any]], status: str = "passed", **result: Any) -> StoredFit:
    made = demo._fit(view, {"judge": "lexicon", "estimands": rows, **result}, status)
    return StoredFit.model_validate({**made, "created_at": "2026-11-30T10:00:00+00:00", "code_version": "0.1.0"})


def frames(*fits: StoredFit) -> dict[str, FitFrames]:
    return {each.view: read_fit(each) for each in fits}


def judged(*more: dict[str, Any]) -> StoredFit:
    return fit(
        "judged",
        [demo.estimand(*WHO, "detection", 0.3, 0.02), demo.estimand(*WHO, "net_detection_raw", 0.2, 0.02), *more],
    )


def corrected(net: float = -0.1, **more: Any) -> StoredFit:
    return fit("corrected", [demo.estimand(*WHO, "net_detection_corrected", net, 0.1)], **more)


def test_the_corrected_fit_answers_and_zero_in_the_interval_is_said() -> None:
    answer = answer_study(frames(judged(), corrected()))
    assert answer is not None
    assert answer.sentence == (
        "toy: corrected net detection −10 % (−30 to +10), consistent with zero; corrected for the errors of lexicon."
    )


def test_without_a_corrected_net_detection_the_verdicts_answer_and_are_called_uncorrected() -> None:
    answer = answer_study(frames(judged(), fit("corrected", [])))
    assert answer is not None
    assert answer.sentence == (
        "toy: detection 30 % (26 to 34), raw net detection +20 % (+16 to +24); by the verdicts of lexicon, not "
        "corrected for judge error."
    )


def test_no_estimate_of_a_failed_fit_is_an_answer() -> None:
    failed = fit("judged", [demo.estimand(*WHO, "net_detection_raw", 0.2, 0.02)], status="failed")
    assert answer_study(frames(failed)) is None


def test_an_estimate_that_is_withheld_is_there_with_its_reason() -> None:
    withheld = [{"subject": "toy", "estimand": "identification", "reason": "no judge knows"}]
    answer = answer_study(frames(corrected(refused=withheld)))
    assert answer is not None
    (value,) = (each for each in answer.models["toy"] if each.interval is None)
    assert (value.estimand, value.reason) == ("identification", "no judge knows")


def test_of_several_models_the_ends_are_named_with_their_intervals() -> None:
    other = demo.estimand("big", 7e9, "instruct", "net_detection_raw", -0.4, 0.01)
    answer = answer_study(frames(judged(other)))
    assert answer is not None
    assert answer.sentence.startswith(
        "Raw net detection of 2 models ranges from −40 % (−42 to −38) in big to +20 % (+16 to +24) in toy; "
    )
    assert list(answer.models) == ["toy", "big"], "in order of size"
    _, least, most = range_values(answer.models)["net_detection_raw"]
    assert (least, most) == ("big: −40 % (−42 to −38)", "toy: +20 % (+16 to +24)")


def test_judges_are_those_of_the_corrected_fit_and_of_the_event_alone() -> None:
    row = {"judge": "lexicon", "arm": "control", "mean": 0.5, "low95": 0.2, "high95": 0.7, "probability": 1.0}
    rows = [{**row, "question": "event"}, {**row, "question": "rest"}]
    answer = answer_study(frames(judged(), corrected(judges=rows)))
    assert answer is not None
    assert [(each.arm, each.question) for each in answer.judges] == [("control", "event")]


@pytest.mark.parametrize(
    ("outdated", "said"),
    [((), "nothing that it rests on has changed since."), (("labels", "rule"), "since then changed: labels and rule.")],
)
def test_provenance_says_what_the_estimates_rest_on_and_what_has_changed(outdated: tuple[str, ...], said: str) -> None:
    told = provenance_sentence(corrected(), "strict", "blind", outdated)
    assert told.startswith("Fit 'corrected' of 2026-11-30 10:00 UTC; Gnomon 0.1.0; data d0; fit id fit-correcte; ")
    assert "outcome rule strict; label view blind; " in told
    assert told.endswith(said)
