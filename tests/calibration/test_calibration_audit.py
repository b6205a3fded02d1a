"""The audit says whether a judge may be trusted, in which arm, and why not elsewhere."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from calibration.audit import audit
from calibration.confusion import evidence
from calibration.correction import METHODS
from calibration.prevalence import lang_reiczigel, ppi_mean
from data.errors import UnknownName
from data.records import (
    Arm,
    Condition,
    Exposure,
    Facts,
    JudgeVersion,
    Label,
    Span,
    Split,
    Subject,
    Trial,
    Verdict,
    trial_seed,
)
from data.store import Store
from data.tables import labels as label_table

Simulate = Callable[..., Any]
UNEVEN = {"uneven": {"injection": (0.95, 0.98), "control": (0.95, 0.60)}}
COIN = {"coin": {"injection": (0.5, 0.5), "control": (0.95, 0.95)}}


def figures(document: dict[str, Any], arm: str) -> dict[str, Any]:
    return {row["method"]: row for row in document["comparison"] if row["arm"] == arm}


def test_errors_that_differ_by_arm_give_different_js_and_a_note(simulate: Simulate) -> None:
    (judge,) = audit(simulate(UNEVEN, n=600).store)["judges"]
    arms = judge["youden"]["by_arm"]
    assert arms["injection"]["low"] > arms["control"]["high"]
    (difference,) = judge["youden"]["differences"]
    assert (difference["a"], difference["b"]) == ("injection", "control")
    assert difference["difference"]["low"] > 0
    assert any("one sensitivity and specificity for both arms would be wrong" in note for note in judge["notes"])
    assert judge["correctable"], "each arm by its own errors, both may be corrected"


def test_errors_that_are_alike_give_no_note(simulate: Simulate) -> None:
    (judge,) = audit(simulate(n=600).store)["judges"]
    assert judge["youden"]["differences"][0]["difference"]["low"] < 0
    assert judge["notes"] == []


def test_correction_finds_the_rate_that_the_naive_count_misses(simulate: Simulate) -> None:
    study = simulate(UNEVEN, n=1000, event=0.2)
    control = figures(audit(study.store), "control")
    truth = Counter(study.truth[trial] for trial, arm in study.arm.items() if arm == "control")
    rate = truth["event"] / truth.total()
    assert control["naive"]["estimate"]["low"] > rate + 0.1
    for method in ("labels", "rogan_gladen", "lang_reiczigel", "ppi"):
        assert control[method]["estimate"]["low"] < rate < control[method]["estimate"]["high"], method


def test_a_judge_that_is_a_coin_in_one_arm_is_not_corrected_with_there(simulate: Simulate) -> None:
    document = audit(simulate(COIN, n=600).store)
    (judge,) = document["judges"]
    assert judge["correctable_arms"] == {"injection": False, "control": True}
    assert not judge["correctable"]
    assert "injection: Youden's J is" in judge["reasons"][0]
    assert "coin" in judge["reasons"][0]
    injection, control = figures(document, "injection"), figures(document, "control")
    for method in ("rogan_gladen", "lang_reiczigel"):
        assert injection[method]["estimate"] is None
        assert injection[method]["reason"] == judge["reasons"][0]
        assert control[method]["estimate"] is not None
    assert injection["naive"]["estimate"] is not None
    assert injection["ppi"]["estimate"] is not None, "PPI++ asks nothing of the judge"


def test_no_labels_are_said_so_and_leave_the_naive_rate(simulate: Simulate) -> None:
    document = audit(simulate(labelled=0.0).store)
    (judge,) = document["judges"]
    assert (judge["labels"], judge["correctable"]) == (0, False)
    assert judge["reasons"] == ["no blind label stands on a transcript that this judge read: label some"]
    assert judge["overall"]["sensitivity"] is None
    for arm in ("injection", "control"):
        rows = figures(document, arm)
        assert [method for method in METHODS if rows[method]["estimate"]] == ["naive"]
        assert all("no transcript is labelled" in rows[method]["reason"] for method in ("labels", "lang_reiczigel"))
    assert document["test_split_looks"] == 0


def test_one_arm_alone_cannot_be_corrected_for_net_detection(simulate: Simulate) -> None:
    (judge,) = audit(simulate(arms=("injection",)).store)["judges"]
    assert judge["correctable_arms"] == {"injection": True, "control": False}
    assert judge["reasons"] == ["control: no transcript is labelled, so the judge's errors there are not known"]
    assert judge["youden"]["differences"] == []


def test_an_arm_without_events_says_which_half_of_the_errors_is_unknown(simulate: Simulate) -> None:
    document = audit(simulate(event=0.0).store)
    (judge,) = document["judges"]
    assert "injection: none of" in judge["reasons"][0]
    assert "holds an event" in judge["reasons"][0]
    assert judge["strata"][0]["as_event"]["sensitivity"] is None
    assert judge["strata"][0]["as_event"]["specificity"]["low"] > 0.8
    assert "PPI++ needs 10, of events and of others" in figures(document, "injection")["ppi"]["reason"]


def test_lost_verdicts_are_a_share_and_a_note(simulate: Simulate) -> None:
    (judge,) = audit(simulate(lost=0.2).store)["judges"]
    assert judge["states"]["ok"] + judge["states"]["unparsable"] == pytest.approx(1)
    assert any("of its calls gave no verdict" in note for note in judge["notes"])


def test_the_document_is_plain_json_without_nan_and_has_the_agreed_keys(simulate: Simulate) -> None:
    document = audit(simulate(arms=("injection", "control", "random")).store)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    (judge,) = document["judges"]
    assert {"judge", "labels", "overall", "strata", "youden", "correctable", "reasons"} <= set(judge)
    rates = {"tp", "fp", "fn", "tn", "sensitivity", "specificity", "accuracy"}
    assert rates <= set(judge["overall"])
    assert rates <= set(judge["overall"]["as_pass"]) & set(judge["overall"]["as_event"])
    assert all({"arm", "concept", *rates} <= set(stratum) for stratum in judge["strata"])
    assert {"n", "after_verdict", "toward_judge"} <= set(document["revisions"])
    assert list(judge["correctable_arms"]) == ["injection", "control", "random"]


def test_counts_add_up_over_arms(simulate: Simulate) -> None:
    (judge,) = audit(simulate().store)["judges"]
    for key in ("tp", "fp", "fn", "tn"):
        parts = [each["as_event"][key] for each in judge["strata"] if each["concept"] is None]
        assert judge["overall"]["as_event"][key] == sum(parts)
    assert judge["labels"] == sum(judge["overall"][key] for key in ("tp", "fp", "fn", "tn"))


def test_agreement_leaves_out_labels_that_were_chosen_by_dispute(simulate: Simulate) -> None:
    study = simulate({**UNEVEN, "second": {"injection": (0.9, 0.9), "control": (0.9, 0.9)}}, arms=("control",))
    before = audit(study.store)["agreement"]["pairs"]
    labelled = set(study.store.frame(label_table)["trial"])
    rest = sorted(set(study.truth) - labelled)
    silent = Facts(False, "none", True, False)
    study.store.add_labels([Label(trial, "ann", silent, stratum="disputed") for trial in rest])
    after = audit(study.store)["agreement"]["pairs"]
    assert after == before
    assert [(pair["a"], pair["b"]) for pair in after] == [("uneven", "second"), ("uneven", "ann"), ("second", "ann")]
    assert after[2]["cohen"]["value"] > after[1]["cohen"]["value"]


def test_each_look_at_the_test_split_is_logged_and_counted(simulate: Simulate) -> None:
    store = simulate().store
    assert [audit(store)["test_split_looks"] for _ in range(2)] == [1, 2]
    assert audit(store, splits=[Split.DEV])["test_split_looks"] == 2, "the dev split is for looking"


def test_judges_are_picked_by_name(simulate: Simulate) -> None:
    store = simulate({**UNEVEN, **COIN}).store
    assert [judge["judge"] for judge in audit(store, judges=["coin"])["judges"]] == ["coin"]
    with pytest.raises(UnknownName, match="judge 'gpt'"):
        audit(store, judges=["gpt"])


def test_an_empty_study_gives_an_empty_audit(store: Store) -> None:
    document = audit(store)
    assert (document["judges"], document["comparison"], document["labels"]) == ([], [], 0)


def test_lang_reiczigel_in_a_stratum_is_the_function_on_its_counts(simulate: Simulate) -> None:
    document = audit(simulate(n=400).store)
    (stratum,) = [
        each for each in document["judges"][0]["strata"] if (each["arm"], each["concept"]) == ("control", None)
    ]
    counts = stratum["as_event"]
    row = figures(document, "control")["lang_reiczigel"]
    naive = figures(document, "control")["naive"]
    apparent = (naive["estimate"]["value"] * naive["judged"], naive["judged"])
    hits = (counts["tp"], counts["tp"] + counts["fn"])
    misses = (counts["tn"], counts["tn"] + counts["fp"])
    own = lang_reiczigel(apparent, hits, misses)
    assert (row["estimate"]["low"], row["estimate"]["high"]) == pytest.approx((own.low, own.high))


def test_ppi_reads_labels_where_there_are_some_and_verdicts_elsewhere(simulate: Simulate) -> None:
    store = simulate(UNEVEN, n=400, labelled=0.3).store
    (found,) = evidence(store, ["uneven-1"], "blind")
    rows, judged = (frame[frame["arm"] == "control"] for frame in (found.pairs, found.judged))
    elsewhere = judged.loc[~judged["trial"].isin(rows["trial"]), "event"]
    own = ppi_mean(rows["true_event"], rows["event"], elsewhere)
    given = figures(audit(store), "control")["ppi"]["estimate"]
    assert (given["value"], given["low"], given["high"]) == pytest.approx((own.value, own.low, own.high))


# -- the study that Gnomon grew from ---------------------------------------------------------------------


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def facts(row: dict[str, Any], answer: dict[str, Any]) -> Facts:
    """Facts that lead to the pass or fail that the published label or verdict gives."""
    passed = answer["answer"] == "pass"
    claims = passed == row["was_injected"]
    if not passed and answer["refused"]:
        return Facts(False, "none", True, True)
    if not passed and not answer["coherent"]:
        return Facts(False, "none", False, False)
    if row["was_injected"]:
        return Facts(passed, row["concept"] if passed else "none", True, False)
    return Facts(claims, "other" if claims else "none", True, False)


def as_trial(row: dict[str, Any]) -> Trial:
    config, injected = row["config"], row["was_injected"]
    condition = Condition(
        subject=config["model"],
        revision="",
        arm=Arm.INJECTION if injected else Arm.CONTROL,
        concept=row["concept"],
        layer=config["layer"],
        strength=float(config["strength"]),
        span=Span.GENERATION,
        protocol="p0",
        vector=None,
        seed=0,
    )
    id_ = condition.trial_id(config["trial"])
    return Trial(id_, condition, config["trial"], trial_seed(id_), row["response"], "stop", 0)


@pytest.fixture
def published(store: Store, shared: Path) -> Store:
    """The published dev files: labels as first recorded with verdicts, then the labels as they stand now."""
    folder = shared / "data" / "open-introspection"
    store.add_protocol("p0", "published", {})
    store.add_judge(JudgeVersion("gpt", "gpt-5-mini", "llm", {}))
    now = {(row["config"]["model"], row["id"]): row for row in rows(folder / "dev.jsonl")}
    for row in rows(folder / "dev_calibration.jsonl"):
        trial = as_trial(row)
        store.add_subjects([Subject(trial.condition.subject, 1e9, "qwen", "instruct", "")])
        store.add_trials([trial])
        store.add_verdicts([Verdict(trial.id, "gpt", facts(row, row["judge_result"]))])
        first = facts(row, row["label"])
        store.add_labels([Label(trial.id, "human", first, exposure=Exposure.UNKNOWN)])
        later = facts(row, now[row["config"]["model"], row["id"]]["label"])
        if later != first:
            revised = Label(trial.id, "human", later, revision=1, exposure=Exposure.AFTER_VERDICT)
            store.add_labels([revised])
    return store


@pytest.mark.parametrize(("view", "counts"), [("current", (27, 2, 0, 20)), ("first", (26, 3, 0, 20))])
def test_published_labels_count_as_published_and_as_first_recorded(
    published: Store, view: str, counts: tuple[int, int, int, int]
) -> None:
    (judge,) = audit(published, view=view, splits=list(Split))["judges"]
    assert judge["labels"] == 49
    for reading in (judge["overall"], judge["overall"]["as_pass"]):
        assert tuple(reading[key] for key in ("tp", "fp", "fn", "tn")) == counts


def test_the_one_published_revision_came_after_a_verdict_and_went_to_the_judge(published: Store) -> None:
    revised = audit(published, view="current")["revisions"]
    assert (revised["n"], revised["after_verdict"], revised["toward_judge"]) == (1, 1, 1)
    assert revised["p_value"] == 1.0, "one revision alone proves nothing"


def test_published_errors_sit_in_one_arm(published: Store) -> None:
    (judge,) = audit(published, view="first", splits=list(Split))["judges"]
    wrong = {each["arm"]: each["as_event"]["fp"] for each in judge["strata"] if each["concept"] is None}
    assert wrong == {"injection": 3, "control": 0}
    assert not math.isnan(judge["youden"]["by_arm"]["injection"]["low"])


def test_no_published_label_is_known_to_be_blind(published: Store) -> None:
    (judge,) = audit(published)["judges"]
    assert (judge["labels"], judge["correctable"]) == (0, False)
