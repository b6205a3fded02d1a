"""`gn.audit` on data frames: the numbers of a study's audit, and every mistake refused in one line."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import gnomon as gn

Frames = dict[str, pd.DataFrame]


@pytest.fixture
def frames() -> Frames:
    """A good judge and one that says yes at random; half of 200 trials are labelled."""
    rng = np.random.default_rng(1)
    arm = np.repeat(["injection", "control"], 100)
    concept = np.where(arm == "injection", "ocean", None)
    truth = rng.random(200) < np.where(arm == "injection", 0.5, 0.1)
    name = [f"t{number}" for number in range(200)]
    trials = pd.DataFrame({"trial": name, "arm": arm, "concept": concept, "answer": "words"})
    good = np.where(rng.random(200) < 0.95, truth, ~truth)
    coin = rng.random(200) < 0.5

    def said(judge: str, claims: np.ndarray) -> pd.DataFrame:
        named = np.where(claims, "ocean", None)
        return pd.DataFrame({"trial": name, "judge": judge, "claims": claims, "concept": named})

    verdicts = pd.concat([said("good", good), said("coin", coin)], ignore_index=True)
    labels = said("", truth).drop(columns="judge").assign(rater="ann").iloc[::2]
    return {"trials": trials, "verdicts": verdicts, "labels": labels}


def test_a_good_judge_may_be_corrected_and_a_coin_may_not(frames: Frames) -> None:
    audit = gn.audit(**frames, view="blind")
    assert list(audit.judges) == ["good", "coin"]
    assert audit.correctable == ["good"]
    assert audit.reasons["good"] == []
    assert any("Youden" in reason for reason in audit.reasons["coin"])
    assert audit.judges["coin"].correctable is False


def test_error_rates_are_those_counted_by_hand(frames: Frames) -> None:
    rates = gn.audit(**frames).error_rates
    assert list(rates.columns) == ["judge", "arm", "measure", "estimate", "ci_low", "ci_high", "n"]
    both = frames["labels"].merge(frames["verdicts"].query("judge == 'good'"), on="trial", suffixes=("", "_said"))
    both = both.merge(frames["trials"][["trial", "arm"]], on="trial").query("arm == 'injection' and claims")
    (row,) = rates.query("judge == 'good' and arm == 'injection' and measure == 'sensitivity'").itertuples()
    assert (row.estimate, row.n) == (pytest.approx(both["claims_said"].mean()), len(both))
    assert row.ci_low < row.estimate <= row.ci_high


def test_frames_charts_and_the_notebook_view_are_there(frames: Frames) -> None:
    audit = gn.audit(**frames)
    assert set(audit.corrected_rates["judge"]) == {"good", "coin"}
    assert len(audit.agreement)
    for chart in (audit.plot.error_rates(), audit.plot.agreement(), audit.plot.youden_differences()):
        assert chart.to_dict()
    assert audit.plot.confusion("good").to_dict()
    assert audit.plot.corrected_rates("good").to_dict()
    with pytest.raises(gn.GnomonError, match="judge 'x' is not in this audit: it has good, coin"):
        audit.plot.confusion("x")
    shown = audit._repr_html_()
    assert "<table" in shown
    assert "100 blind labels" in shown


def test_names_are_escaped_in_a_notebook(frames: Frames) -> None:
    frames["verdicts"] = frames["verdicts"].replace({"judge": {"good": "<script>"}})
    assert "<script>" not in gn.audit(**frames)._repr_html_()


def test_pass_and_fail_will_do_and_numbers_may_be_names(frames: Frames) -> None:
    for name, frame in frames.items():
        number = frame["trial"].str[1:].astype(int)
        changed = frame.assign(trial=number)
        if name != "trials":
            injected = number < 100
            passed = np.where(injected, frame["claims"], ~frame["claims"].astype(bool))
            changed = changed.drop(columns=["claims", "concept"]).assign(passed=passed)
        frames[name] = changed
    assert gn.audit(**frames).correctable == ["good"]


def test_a_verdict_without_facts_is_a_call_that_gave_none(frames: Frames) -> None:
    frames["verdicts"]["claims"] = frames["verdicts"]["claims"].astype(object)
    frames["verdicts"].loc[[0, 1], "claims"] = None
    states = gn.audit(**frames).judges["good"].states
    assert states["unparsable"] == pytest.approx(2 / 200)


def test_labels_that_were_not_blind_do_not_count_in_the_blind_view(frames: Frames) -> None:
    frames["labels"] = frames["labels"].assign(exposure="after_verdict")
    assert gn.audit(**frames).audit.labelled == 0
    assert gn.audit(**frames, view="current").audit.labelled == 100


def changed(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Callable[[Frames], Frames]:
    return lambda frames: {**frames, name: change(frames[name])}


def first(column: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.astype({column: object}) if column in frame else frame.assign(**{column: None})
        frame.loc[frame.index[0], column] = value
        return frame

    return change


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.iloc[:1]], ignore_index=True)


MISTAKES = {
    "no frame": (lambda frames: {**frames, "trials": [1, 2]}, "trials: is a list: give a pandas DataFrame"),
    "no id": (changed("trials", lambda f: f.drop(columns="trial")), "trials: column 'trial' is missing: it has arm, "),
    "no judge": (changed("verdicts", lambda f: f.drop(columns="judge")), "verdicts: column 'judge' is missing"),
    "no facts": (
        changed("labels", lambda f: f.drop(columns="claims")),
        "labels: column 'claims' or 'passed' is missing: it has trial, concept, rater",
    ),
    "doubled column": (
        changed("verdicts", lambda f: pd.concat([f, f[["judge"]]], axis=1)),
        "verdicts: column 'judge' stands 2 times: rename or drop one",
    ),
    "doubled trial": (changed("trials", twice), "trials: 't0' stands twice: keep one row"),
    "doubled verdict": (changed("verdicts", twice), "verdicts: 'good' of 't0' stands twice: keep one row: number"),
    "doubled label": (changed("labels", twice), "labels: 'ann' of 't0' stands twice: keep one row: number a rater's"),
    "empty id": (changed("trials", first("trial", None)), "trials row 0: 'trial' is null: give a value"),
    "an id that is no name": (changed("trials", first("trial", 1.5)), "trials row 0: 'trial' is '1.5', no name"),
    "unknown arm": (changed("trials", first("arm", "left")), "trials row 0: .*arm.*'left'"),
    "no concept": (changed("trials", first("concept", None)), "trials row 0: 'concept' is empty in an injection trial"),
    "answer": (changed("trials", first("answer", 3)), "trials row 0: 'answer' is '3', not text"),
    "claims": (changed("verdicts", first("claims", "maybe")), "verdicts row 0: 'claims' is 'maybe': write true or"),
    "claims of a label": (changed("labels", first("claims", 3)), "labels row 0: 'claims' is '3': write true or false"),
    "empty label": (changed("labels", first("claims", None)), "labels row 0: neither 'claims' nor 'passed' is given"),
    "exposure": (changed("labels", first("exposure", "half")), "labels row 0: 'exposure' is 'half'"),
    "probability": (changed("labels", first("probability", 2)), "labels row 0: 'probability' is '2.0': write a number"),
    "time": (changed("labels", first("time", "soon")), "labels row 0: 'time' is 'soon'"),
    "label without its trial": (
        changed("labels", first("trial", "t999")),
        "labels row 0: trial 't999' is not among the trials: add it there, or drop the row",
    ),
    "verdict without its trial": (changed("verdicts", first("trial", "x")), "verdicts row 0: trial 'x' is not among"),
    "view": (lambda frames: {**frames, "view": "kind"}, "label view 'kind' is not known: choose from blind, first, cu"),
    "rule": (lambda frames: {**frames, "rule": "kind"}, "outcome rule 'kind' is not known: choose from strict, claim_"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_in_one_line(frames: Frames, name: str) -> None:
    change, problem = MISTAKES[name]
    with pytest.raises(gn.GnomonError, match=problem) as caught:
        gn.audit(**change(frames))
    assert "\n" not in str(caught.value)


def test_the_frames_are_left_as_they_were(frames: Frames) -> None:
    before = {name: frame.copy() for name, frame in frames.items()}
    gn.audit(**frames)
    for name, frame in frames.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_empty_frames_have_no_judges(frames: Frames) -> None:
    audit = gn.audit(**{name: frame.iloc[:0] for name, frame in frames.items()})
    assert audit.judges == {}
    assert audit.correctable == []
    assert len(audit.error_rates) == 0
    assert "0 blind labels" in audit._repr_html_()
