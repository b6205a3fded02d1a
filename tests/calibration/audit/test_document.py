"""The audit says whether a judge may be trusted, in which arm, and why not elsewhere."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gnomon.calibration.audit import audit_charts, audit_frames
from gnomon.calibration.audit.document import audit_study, audit_views
from gnomon.calibration.correction.methods import METHODS
from gnomon.calibration.error_rates.confusion import collect_evidence
from gnomon.calibration.numerics.proportions import lang_reiczigel, ppi_mean
from gnomon.calibration.results.audit import AuditDocument, AuditResult, JudgeAudit, MethodComparison, ViewAudit
from gnomon.calibration.results.error_rates import StratumErrorRates
from gnomon.data.errors import UnknownNameError
from gnomon.data.records import Exposure, Facts, IntervalEstimate, JudgeVersion, Label, Split, Verdict, split_of
from gnomon.data.results import SCHEMA, finite_estimate
from gnomon.data.storage.store import Store
from gnomon.data.storage.tables import labels as label_table
from gnomon.data.storage.tables import verdicts as verdict_table

Simulate = Callable[..., Any]
UNEVEN = {"uneven": {"injection": (0.95, 0.98), "control": (0.95, 0.60)}}
COIN = {"coin": {"injection": (0.5, 0.5), "control": (0.95, 0.95)}}


def figures(document: AuditResult, arm: str) -> dict[str, MethodComparison]:
    return {row.method: row for row in document.comparison if row.arm == arm}


def arms(judge: JudgeAudit) -> dict[str, StratumErrorRates]:
    return {each.arm: each for each in judge.strata if each.is_whole_arm}


def test_errors_that_differ_by_arm_give_different_js_and_a_note(simulate: Simulate) -> None:
    (judge,) = audit_study(simulate(UNEVEN, n=600).store).judges
    found = judge.youden.by_arm
    assert found["injection"].low > found["control"].high
    (difference,) = judge.youden.differences
    assert (difference.a, difference.b) == ("injection", "control")
    assert difference.difference.low > 0
    assert any("one sensitivity and specificity for both arms would be wrong" in note for note in judge.notes)
    assert judge.correctable, "each arm by its own errors, both may be corrected"


def test_errors_that_are_alike_give_no_note(simulate: Simulate) -> None:
    (judge,) = audit_study(simulate(n=600).store).judges
    assert judge.youden.differences[0].difference.low < 0
    assert judge.notes == ()


def test_correction_finds_the_rate_that_the_naive_count_misses(simulate: Simulate) -> None:
    study = simulate(UNEVEN, n=1000, event=0.2)
    control = figures(audit_study(study.store), "control")
    truth = Counter(study.truth[trial] for trial, arm in study.arm.items() if arm == "control")
    rate = truth["event"] / truth.total()
    assert control["naive"].estimate.low > rate + 0.1
    for method in ("labels", "rogan_gladen", "lang_reiczigel", "ppi"):
        assert control[method].estimate.low < rate < control[method].estimate.high, method


def test_a_judge_that_is_a_coin_in_one_arm_is_not_corrected_with_there(simulate: Simulate) -> None:
    document = audit_study(simulate(COIN, n=600).store)
    (judge,) = document.judges
    assert judge.correctable_arms == {"injection": False, "control": True}
    assert not judge.correctable
    assert "injection: Youden's J is" in judge.reasons[0]
    assert "coin" in judge.reasons[0]
    injection, control = figures(document, "injection"), figures(document, "control")
    for method in ("rogan_gladen", "lang_reiczigel"):
        assert injection[method].estimate is None
        assert injection[method].reason == judge.reasons[0]
        assert control[method].estimate is not None
    assert injection["naive"].estimate is not None
    assert injection["ppi"].estimate is not None, "PPI++ asks nothing of the judge"


def test_no_labels_are_said_so_and_leave_the_naive_rate(simulate: Simulate) -> None:
    document = audit_study(simulate(labelled=0.0).store)
    (judge,) = document.judges
    assert (judge.labelled, judge.correctable) == (0, False)
    assert judge.reasons == ("no blind label on a trial that this judge has judged: label some",)
    assert judge.overall.sensitivity is None
    for arm in ("injection", "control"):
        rows = figures(document, arm)
        assert [method for method in METHODS if rows[method].estimate] == ["naive"]
        assert all("no transcript is labelled" in rows[method].reason for method in ("labels", "lang_reiczigel"))
    assert document.test_split_looks == 0


def test_one_arm_alone_cannot_be_corrected_for_net_detection(simulate: Simulate) -> None:
    (judge,) = audit_study(simulate(arms=("injection",)).store).judges
    assert judge.correctable_arms == {"injection": True, "control": False}
    assert judge.reasons == ("control: no transcript is labelled, so the judge's errors there are not known",)
    assert judge.youden.differences == ()


def test_an_arm_without_events_says_which_half_of_the_errors_is_unknown(simulate: Simulate) -> None:
    document = audit_study(simulate(event=0.0).store)
    (judge,) = document.judges
    assert "injection: none of" in judge.reasons[0]
    assert "holds an event" in judge.reasons[0]
    assert judge.strata[0].as_event.sensitivity is None
    assert judge.strata[0].as_event.specificity.low > 0.8
    assert "PPI++ needs 10, of events and of others" in figures(document, "injection")["ppi"].reason


def test_lost_verdicts_are_a_share_and_a_note(simulate: Simulate) -> None:
    (judge,) = audit_study(simulate(lost=0.2).store).judges
    assert judge.states["ok"] + judge.states["unparsable"] == pytest.approx(1)
    assert any("of its calls gave no verdict" in note for note in judge.notes)


def test_the_document_is_plain_json_without_nan_and_has_the_agreed_keys(simulate: Simulate) -> None:
    audit = audit_study(simulate(arms=("injection", "control", "random")).store)
    document = audit.model_dump(mode="json")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert ViewAudit.model_validate_json(json.dumps(document)) == audit
    assert document["schema"] == SCHEMA
    (judge,) = document["judges"]
    assert {"judge", "labels", "overall", "strata", "youden", "correctable", "reasons"} <= set(judge)
    rates = {"tp", "fp", "fn", "tn", "sensitivity", "specificity", "accuracy"}
    assert rates <= set(judge["overall"])
    assert rates <= set(judge["overall"]["as_pass"]) & set(judge["overall"]["as_event"])
    assert all({"arm", "concept", *rates} <= set(stratum) for stratum in judge["strata"])
    assert {"from", "to", "words"} <= set(judge["drift"])
    assert {"n", "after_verdict", "toward_judge"} <= set(document["revisions"])
    assert list(judge["correctable_arms"]) == ["injection", "control", "random"]


def test_counts_add_up_over_arms(simulate: Simulate) -> None:
    (judge,) = audit_study(simulate().store).judges
    for key in ("tp", "fp", "fn", "tn"):
        parts = [getattr(each.as_event, key) for each in arms(judge).values()]
        assert getattr(judge.overall.as_event, key) == sum(parts)
    assert judge.labelled == sum(getattr(judge.overall, key) for key in ("tp", "fp", "fn", "tn"))


def test_agreement_leaves_out_labels_that_were_chosen_by_dispute(simulate: Simulate) -> None:
    study = simulate({**UNEVEN, "second": {"injection": (0.9, 0.9), "control": (0.9, 0.9)}}, arms=("control",))
    before = audit_study(study.store).agreement.pairs
    labelled = set(study.store.read_frame(label_table)["trial"])
    rest = sorted(set(study.truth) - labelled)
    silent = Facts(False, "none", True, False)
    study.store.add_labels([Label(trial, "ann", silent, stratum="disputed") for trial in rest])
    after = audit_study(study.store).agreement.pairs
    assert [pair.model_copy(update={"selected": 0}) for pair in after] == list(before)
    assert [pair.selected for pair in after] == [0, *[len([t for t in rest if split_of(t) != Split.TRAIN])] * 2]
    assert [(pair.a, pair.b) for pair in after] == [("uneven", "second"), ("uneven", "ann"), ("second", "ann")]
    assert after[2].cohen.value > after[1].cohen.value


def test_under_twenty_items_there_is_no_coefficient_but_a_reason(simulate: Simulate) -> None:
    study = simulate(n=100, labelled=0.0)
    silent = Facts(False, "none", True, False)
    measuring = [trial for trial in study.truth if split_of(trial) != Split.TRAIN]
    strata = ["all"] * 2 + ["disputed"] * 13
    study.store.add_labels([Label(t, "ann", silent, stratum=s) for t, s in zip(measuring, strata, strict=False)])
    document = audit_study(study.store)
    (pair,) = document.agreement.pairs
    assert (pair.n, pair.selected) == (2, 13)
    assert (pair.agreement, pair.cohen, pair.ac1, pair.alpha) == (None, None, None, None)
    assert pair.reason == ("2 of 15 trials count, 13 were chosen because of what judges said: a coefficient needs 20")
    shown = audit_frames.agreement_frame(document)
    assert shown["value"].isna().all()
    assert set(shown["reason"]) == {pair.reason}
    drawn = audit_charts.agreement_matrix(shown).to_json()
    assert '"too few"' in drawn


NEW_TO_SEE: dict[str, Callable[[Store, list[str]], object]] = {
    "a revised label": lambda store, test: store.add_labels(
        [Label(test[0], "ann", Facts(True, "other", True, False), revision=1)]
    ),
    "a label of another rater": lambda store, test: store.add_labels(
        [Label(test[0], "bob", Facts(True, "other", True, False))]
    ),
    "a new judge version": lambda store, test: [
        store.add_judge(JudgeVersion("new-1", "new", "simulated", {})),
        store.add_verdicts([Verdict(trial, "new-1", Facts(True, "other", True, False)) for trial in test]),
    ],
    "another rule": lambda store, _: store.save_settings({"rule": "lenient"}),
}


def labelled_by_split(study: Any, split: Split) -> list[str]:
    return sorted(trial for trial in study.truth if split_of(trial) is split)


@pytest.mark.parametrize("change", NEW_TO_SEE)
def test_a_look_at_the_test_split_is_counted_once_for_what_there_is_to_see(simulate: Simulate, change: str) -> None:
    study = simulate(n=160, labelled=1.0)
    store, looks = study.store, []
    for _ in range(2):  # the page, then the command, then the page with another view and one judge
        looks.append(audit_study(store).test_split_looks)
        looks.append(audit_views(store).test_split_looks)
        looks.append(audit_study(store, view="first", judges=[audit_study(store).judges[0].judge]).test_split_looks)
        NEW_TO_SEE[change](store, labelled_by_split(study, Split.TEST))
    assert looks == [1, 1, 1, 2, 2, 2]
    assert audit_study(store, splits=[Split.DEV]).test_split_looks == 2, "the dev split is for looking"


def test_a_label_of_the_dev_split_is_nothing_new_on_the_test_split(simulate: Simulate) -> None:
    study = simulate(n=160, labelled=1.0)
    assert audit_study(study.store).test_split_looks == 1
    dev = labelled_by_split(study, Split.DEV)[0]
    study.store.add_labels([Label(dev, "bob", Facts(True, "other", True, False))])
    assert audit_study(study.store).test_split_looks == 1


def test_all_judges_together_give_one_rate_of_an_arm(simulate: Simulate) -> None:
    document = audit_study(simulate({**UNEVEN, **COIN}, n=300).store)
    together = [row.estimate for row in document.comparison if (row.arm, row.method) == ("control", "panel")]
    assert len(together) == 2
    assert together[0] == together[1]
    assert together[0].low < together[0].value < together[0].high


def test_judges_are_picked_by_name(simulate: Simulate) -> None:
    store = simulate({**UNEVEN, **COIN}).store
    assert [judge.judge for judge in audit_study(store, judges=["coin"]).judges] == ["coin"]
    with pytest.raises(UnknownNameError, match="judge 'gpt'"):
        audit_study(store, judges=["gpt"])


def test_an_empty_study_gives_an_empty_audit(store: Store) -> None:
    document = audit_study(store)
    assert (document.judges, document.comparison, document.labelled) == ((), (), 0)


def test_lang_reiczigel_in_a_stratum_is_the_function_on_its_counts(simulate: Simulate) -> None:
    document = audit_study(simulate(n=400).store)
    stratum = arms(document.judges[0])["control"]
    counts = stratum.as_event
    row = figures(document, "control")["lang_reiczigel"]
    naive = figures(document, "control")["naive"]
    apparent = (naive.estimate.value * naive.judged, naive.judged)
    hits = (counts.tp, counts.tp + counts.fn)
    misses = (counts.tn, counts.tn + counts.fp)
    own = lang_reiczigel(apparent, hits, misses)
    assert (row.estimate.low, row.estimate.high) == pytest.approx((own.low, own.high))


def test_ppi_reads_labels_where_there_are_some_and_verdicts_elsewhere(simulate: Simulate) -> None:
    store = simulate(UNEVEN, n=400, labelled=0.3).store
    (found,) = collect_evidence(store, ["uneven-1"], "blind")
    rows, judged = (frame[frame["arm"] == "control"] for frame in (found.pairs, found.judged))
    elsewhere = judged.loc[~judged["trial"].isin(rows["trial"]), "event"]
    own = ppi_mean(rows["true_event"], rows["event"], elsewhere)
    given = figures(audit_study(store), "control")["ppi"].estimate
    assert (given.value, given.low, given.high) == pytest.approx((own.value, own.low, own.high))


# -- every version in every view ------------------------------------------------------------------------


def entry(document: AuditDocument, view: str, version: str) -> JudgeAudit:
    (found,) = [each for each in document.judges if (each.labels, each.version) == (view, version)]
    return found


def test_every_version_is_measured_in_every_view_and_the_newest_is_marked(simulate: Simulate) -> None:
    study = simulate(n=120)
    old = study.store.read_frame(verdict_table)
    study.store.add_judge(JudgeVersion("careful-2", "careful", "simulated", {"rubric": 2}))
    silent = Facts(False, "none", True, False)
    study.store.add_verdicts([Verdict(trial, "careful-2", silent) for trial in old["trial"]])
    document = audit_views(study.store)
    assert document.views == ("blind", "first", "current")
    found = [(each.version, each.labels, each.newest) for each in document.judges]
    views = ("blind", "first", "current")
    assert found == [
        (version, view, version == "careful-2") for version in ("careful-2", "careful-1") for view in views
    ]
    assert entry(document, "blind", "careful-2").overall.as_event.tp == 0
    assert entry(document, "blind", "careful-1").overall.as_event.tp > 10
    assert [each.version for each in audit_study(study.store).judges] == ["careful-2"]
    pairs = document.agreement["blind"].pairs
    assert [(pair.a, pair.b) for pair in pairs] == [("careful", "ann")], "one version speaks for a judge"


def test_one_view_alone_has_the_same_figures_and_form(simulate: Simulate) -> None:
    store = simulate(n=120).store
    every, one = audit_views(store), audit_views(store, views=["first"])
    assert one.judges == tuple(each for each in every.judges if each.labels == "first")
    assert one.comparison == tuple(each for each in every.comparison if each.view == "first")
    with pytest.raises(UnknownNameError, match="label view 'best'"):
        audit_views(store, views=["best"])


def test_all_views_together_are_one_look_at_the_test_split(simulate: Simulate) -> None:
    store = simulate(n=120).store
    assert [audit_views(store).test_split_looks for _ in range(2)] == [1, 1]


def test_a_view_without_labels_has_an_entry_that_says_so(simulate: Simulate) -> None:
    study = simulate(n=80, labelled=0.0)
    facts = Facts(False, "none", True, False)
    study.store.add_labels([Label(trial, "ann", facts, exposure=Exposure.AFTER_VERDICT) for trial in study.truth])
    document = audit_views(study.store)
    blind, current = (entry(document, view, "careful-1") for view in ("blind", "current"))
    assert (blind.labelled, blind.correctable, blind.strata) == (0, False, ())
    assert [getattr(blind.overall, key) for key in ("tp", "fp", "fn", "tn", "accuracy")] == [0, 0, 0, 0, None]
    assert blind.verdict.startswith("Cannot be corrected: no blind label")
    assert current.labelled == current.exposure["after_verdict"] > 0
    assert "came after a verdict was seen, so they may have followed the judge" in current.verdict


def test_the_merged_document_is_strict_json_and_its_estimates_have_one_form(simulate: Simulate) -> None:
    audit = audit_views(simulate(arms=("injection", "control", "random")).store)
    document = audit.model_dump(mode="json")
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert AuditDocument.model_validate_json(json.dumps(document)) == audit

    def estimates(value: Any) -> Iterator[dict[str, Any]]:
        parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if isinstance(value, dict) and "method" in value and "value" in value:
            yield value
        for part in parts:
            yield from estimates(part)

    found = list(estimates(document))
    assert len(found) > 100
    for each in found:
        assert set(each) == {"value", "low", "high", "se", "level", "method"}
        assert each["low"] <= each["value"] <= each["high"]


def test_what_is_undefined_is_null() -> None:
    without_error = finite_estimate(IntervalEstimate(0.5, 0.1, 0.9, math.nan, 0.95, "none"))
    assert without_error is not None
    assert without_error.se is None
    assert finite_estimate(IntervalEstimate(0.0, math.nan, math.nan, math.nan, 0.95, "none")) is None


def test_the_verdict_on_a_coin_names_the_arm_and_the_reason(simulate: Simulate) -> None:
    (judge,) = audit_study(simulate(COIN, n=600).store).judges
    assert judge.verdict.startswith("Cannot be corrected for net detection by ")
    assert "for net detection by 216 blind labels: injection: Youden's J is" in judge.verdict
    assert "It can in control (Youden's J" in judge.verdict
