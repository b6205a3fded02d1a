"""Overview: what a study lacks is said, the worst first, and the next step is the one that fixes it."""

from __future__ import annotations

from dataclasses import replace

import dashboard_demo as demo
import pandas as pd
import pytest
import study_kinds
from battery_study import fill_battery
from simulated_study import fill_study
from sqlalchemy import event

from gnomon.data.importers.row_builders import UNKNOWN_SIZE
from gnomon.data.records import Exposure, Facts, Label, LabelKind, Split, Subject, Verdict, VerdictState
from gnomon.data.storage import tables
from gnomon.data.storage.store import IMPORTED, Store
from gnomon.stats.narrative.fit_frames import all_fitted
from gnomon.stats.narrative.next_steps import (
    Notice,
    attack_step,
    battery_step,
    draws_step,
    list_notices,
    next_step,
    transcript_step,
    withheld_notices,
)
from gnomon.stats.narrative.study_overview import by_rater, count_trials_and_verdicts, summarize_study
from gnomon.stats.outdated_fits import outdated_fits
from gnomon.stats.results import WithheldEstimate
from gnomon.stats.stored_fits import find_requested_fit, newest_fits

NO_CHOICE = {"truth": "voices", "rater_kinds": {}, "admitted_raters": [], "fit_judges": []}
"""The settings of a study file that says nothing of labels."""


def told(store: Store) -> str:
    return "\n".join(f"{note.level}: {note.text}" for note in list_notices(summarize_study(store)))


def test_an_empty_study_is_to_be_generated(store):
    found = summarize_study(store)
    assert list_notices(found) == []
    assert next_step(found).step == "generate"


def test_trials_that_the_design_plans_and_that_are_not_there_are_counted(store):
    demo.fill(store)
    settings = store.study_settings()
    settings["design"]["replicates"]["injection"] = 5
    store.save_settings(settings)
    found = summarize_study(store)
    assert int((found.missing["want"] - found.missing["have"]).sum()) == 16
    assert next_step(found).step == "generate"
    assert "16 trials of 16 planned conditions are missing" in told(store)


def test_a_complete_design_lacks_nothing(store):
    demo.fill(store)
    assert summarize_study(store).missing.empty


def test_a_judge_that_has_not_read_all_is_named(store, make_trial):
    demo.fill(store, fits=False)
    make_trial(replicate=99, subject="toy")
    settings = store.study_settings()
    settings["design"] = {}
    store.save_settings(settings)
    found = summarize_study(store)
    assert found.unjudged_count == {"lexicon": 1, "embedding": 1}
    assert next_step(found).step == "judge"


def test_a_judge_that_was_named_and_never_spoke_is_missed(store):
    demo.fill(store)
    store.save_settings({"judges": ["lexicon", "embedding", "remote"]})
    assert summarize_study(store).unjudged_count == {"remote": 128}


def test_without_labels_nothing_can_be_corrected_and_that_is_said(store):
    demo.fill(store, labels=False, fits=False)
    assert "warning: There are no labels" in told(store)
    assert next_step(summarize_study(store)).step == "fit"


def test_labels_are_asked_for_where_an_arm_has_too_few(store):
    demo.fill(store)
    found = summarize_study(store)
    assert set(found.labelled_for_measuring) == {"injection", "control", "random"}
    assert next_step(found).page == "label"
    assert "Fewer than 20 labels to measure the judges in" in told(store)


def test_two_raters_are_not_called_one(store):
    demo.fill(store)
    assert "one rater's" not in told(store)


def test_labels_of_one_rater_say_nothing_of_agreement(store, make_trial):
    trial = make_trial()
    store.add_labels([Label(trial.id, "ann", Facts(True, "ocean", True, False))])
    assert "All labels are by one rater" in told(store)


def test_a_failed_fit_is_the_first_thing_said(store):
    demo.fill_failed(store)
    first = list_notices(summarize_study(store))[0]
    assert first.level == "error"
    assert "R-hat 1.210" in first.text


def test_labels_newer_than_the_fit_make_it_stale_and_flags_do_not(store):
    demo.fill(store)
    trial = sorted(store.trial_ids())[0]
    store.add_labels([Label(trial, "ann", None, LabelKind.FLAG)])
    assert not summarize_study(store).stale_fits
    store.add_labels([Label(trial, "ann", Facts(True, "ocean", True, False), revision=1)])
    assert summarize_study(store).stale_fits
    assert "Since the fit 'corrected' was made, labels have changed: its estimates are out of date." in told(store)
    assert "Since the fit 'judged'" not in told(store)


@pytest.mark.parametrize(
    ("change", "name", "views"),
    [
        ({"truth": "majority"}, "[labels] truth", ["corrected"]),
        ({"rater_kinds": {"ann": "model"}}, "[labels] kinds", ["corrected"]),
        ({"admitted_raters": ["bot"]}, "[labels] admit", ["corrected"]),
        ({"label_view": "current"}, "[labels] view", ["corrected"]),
        ({"fit_judges": ["lexicon"]}, "[fit] judges", ["corrected"]),
        ({"fit_graded": True}, "[fit] graded", ["corrected"]),
        ({"rule": "lenient"}, "rule", ["corrected", "judged"]),
        ({"judges": ["embedding", "lexicon"]}, "first judge", ["judged"]),
        ({"judges": ["lexicon", "embedding", "third"], "name": "other"}, "", []),
    ],
)
def test_settings_that_decide_what_counts_make_the_fits_stale_that_depend_on_them(store, change, name, views):
    demo.fill(store)
    store.save_settings(NO_CHOICE)
    store.update_settings(lambda held: {**held, **change})
    assert outdated_fits(store) == dict.fromkeys(views, (name,))
    assert ("out of date" in told(store)) == bool(views)
    assert {view: fit.outdated for view, fit in all_fitted(store).items() if fit.outdated} == outdated_fits(store)


def test_a_fit_that_is_asked_for_again_is_up_to_date(store):
    """The change made no difference to it: the stored fit is the one of today's data."""
    demo.fill(store)
    store.save_settings(NO_CHOICE)
    store.update_settings(lambda held: {**held, "truth": "majority"})
    fit = newest_fits(store)["corrected"]
    assert find_requested_fit(store, fit.id) == fit
    assert not outdated_fits(store)
    assert len(store.read_frame(tables.events)) == 2
    find_requested_fit(store, fit.id)
    assert len(store.read_frame(tables.events)) == 2


def test_labels_that_are_imported_make_a_fit_stale_whatever_time_they_say(store):
    demo.fill(store)
    event = {"kind": IMPORTED, "detail": {"files": ["x"], "new": {"labels": 2}}, "created_at": ""}
    with store.write_transaction() as connection:
        store.insert_rows(connection, tables.events, [event])
    assert outdated_fits(store) == {"corrected": ("labels",)}


def test_trials_of_the_battery_make_no_fit_stale_and_those_that_judges_read_do(store, make_trial):
    demo.fill(store)
    fill_battery(store, 1.5)
    assert not outdated_fits(store)
    make_trial()
    assert outdated_fits(store) == {"corrected": ("trials",), "judged": ("trials",)}


def test_published_counts_need_a_fit_and_nothing_else(store):
    demo.fill_published(store)
    found = summarize_study(store)
    assert found.counts_only
    assert next_step(found).page == "scaling"
    assert int(store.read_frame(tables.counts)["n"].sum()) == 24600


def test_figures_refused_for_one_reason_are_one_line():
    refused = [
        WithheldEstimate(subject="m", estimand="net_detection_corrected", reason="no labels"),
        WithheldEstimate(subject="m", estimand="net_detection_engaged_corrected", reason="no labels"),
        WithheldEstimate(subject="all subjects", estimand="size_odds_ratio", reason="one model."),
    ]
    assert withheld_notices(refused) == [
        Notice("warning", "Not shown: corrected net detection and corrected engaged net detection of m (no labels)."),
        Notice("info", "Not shown: size odds ratio (one model)."),
    ]


def test_labels_are_counted_by_rater_and_split_and_late_ones_beside_them(store, make_trial):
    first, second, third = (make_trial(replicate=n) for n in range(3))
    facts = Facts(True, "ocean", True, False)
    store.add_labels(
        [
            Label(first.id, "ann", facts),
            Label(first.id, "ann", facts, revision=1, exposure=Exposure.AFTER_VERDICT),
            Label(second.id, "ann", facts),
            Label(second.id, "ann", None, LabelKind.RETRACTION, revision=1),
            Label(third.id, "bob", None, LabelKind.FLAG),
        ]
    )
    table = by_rater(summarize_study(store).events).set_index("rater")
    splits = [column for column in table if column in list(Split)]
    assert table.loc["ann", splits].sum() == 1
    assert table.loc["ann", ["after verdict", "taken back", "flags"]].tolist() == [1, 1, 0]
    assert table.loc["bob", ["after verdict", "taken back", "flags"]].tolist() == [0, 0, 1]


@pytest.mark.parametrize("column", ["n", "failed"])
def test_counts_of_conditions_are_whole_numbers(store, column):
    demo.fill(store)
    assert pd.api.types.is_integer_dtype(summarize_study(store).cells[column])


@pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)
def test_trials_and_verdicts_are_counted_as_a_reading_of_every_row_counts_them(store):
    fill_study(store, n=120, lost=0.2)
    trials = store.read_frame(tables.trials)
    some = store.load_trials(trials["id"].tolist()[:7])
    store.add_trials(
        replace(one, id=one.condition.trial_id(500 + place), replicate=500 + place, error="out of memory")
        for place, one in enumerate(some)
    )
    judge = str(store.read_frame(tables.verdicts)["judge"].iloc[0])
    store.add_verdicts([Verdict(one.id, judge, Facts(False, "none", True, True), sample=2) for one in some])
    store.add_verdicts([Verdict(one.id, judge, None, VerdictState.UNPARSABLE, sample=3) for one in some])

    trials, verdicts = store.read_frame(tables.trials), store.read_frame(tables.verdicts)
    found = count_trials_and_verdicts(store)
    axes = ["subject", "arm", "concept", "strength", "layer", "span"]
    counted = trials.assign(failed=trials["error"].notna()).groupby(axes, dropna=False)["failed"].agg(["count", "sum"])
    assert found.cells["failed"].sum() == 7
    assert sorted(found.cells["failed"]) == sorted(counted["sum"])
    assert sorted(found.cells["n"]) == sorted(counted["count"] - counted["sum"])
    first = verdicts[verdicts["sample"] == 0].groupby(["judge", "state"]).size()
    names = store.read_frame(tables.judges).set_index("version")["name"]
    expected = {(names[version], state): n for (version, state), n in first.items()}
    assert len(expected) > len(names)
    assert {(judge, state): n for judge, state, n in found.states.itertuples(index=False, name=None)} == expected


def test_what_was_made_elsewhere_is_neither_generated_nor_asked_of_an_imported_judge(store):
    study_kinds.fill_generic(store)
    store.save_settings({"design": {"arms": ["control"], "protocols": ["imported"], "replicates": {"control": 70}}})
    found = summarize_study(store)
    assert len(found.missing)
    assert next_step(found).step not in ("generate", "judge")
    assert battery_step(found).step == ""
    assert attack_step("j", brought=True).step == ""
    assert transcript_step(found).step == ""


def test_a_judge_that_the_study_no_longer_names_is_not_to_be_run(store, make_trial):
    demo.fill(store, fits=False)
    store.save_settings({"judges": ["lexicon"], "design": {}})
    make_trial(replicate=99, subject="toy")
    found = summarize_study(store)
    assert set(found.unjudged_count) == {"lexicon", "embedding"}
    assert next_step(found).why == "Run lexicon on the trials without verdicts."


def test_several_models_of_unknown_size_are_not_to_be_fitted(store):
    demo.fill(store, fits=False)
    store.add_subjects([Subject("nameless", UNKNOWN_SIZE, "x", "base", "r0")])
    found = summarize_study(store)
    assert not found.can_be_fitted
    assert "--parameters" in next_step(found).why
    assert next_step(found).step == ""


@pytest.mark.parametrize(
    ("view", "options"),
    [("judged", ("--resample",)), ("judged:a b", ("--resample", "--judge", "a b")), ("corrected:current", ())],
)
def test_lost_draws_are_sampled_again_by_the_command_that_made_the_fit(view, options):
    assert draws_step(view).options == options


def test_what_is_newer_than_a_fit_is_found_without_reading_all_trials_and_verdicts(store):
    """Every page with estimates asks: a scan of a million trials took over a second each time."""
    demo.fill(store)
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(store.engine, "before_cursor_execute", lambda *of: asked.append((str(of[2]), tuple(of[3]))))
    outdated_fits(store)
    newest = [each for each in tuple(asked) if "FROM trials" in each[0] or "FROM verdicts" in each[0]]
    assert len(newest) == 2
    with store.read_transaction() as connection:
        for query, values in newest:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}", values).all()
            assert [step[3] for step in plan if "INDEX" in step[3] and "created_at" in step[3]], plan
            assert not [step[3] for step in plan if "TEMP B-TREE" in step[3]]
