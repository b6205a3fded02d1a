"""llama-introspection-new: readings of two logits, which of two is stronger, and localisation counts with chance."""

from __future__ import annotations

import csv
import math
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from gnomon.data.errors import InputError
from gnomon.data.exporters.croissant import croissant_document
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.exporters.inspect_log import export_logs
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.readings import ANSWER, OptionReading, parse_readings, readings_document
from gnomon.data.records import Arm, CountRow, count_cell
from gnomon.data.storage import tables
from gnomon.data.storage.design_scope import report_counts
from gnomon.data.storage.store import Store

NAME = "llama-introspection-new"
SHARED = {"concept": "Dust", "vec_type": "last", "layer": "9"}
QUESTION = {
    **SHARED,
    "coeff": "4.0",
    "type": "control_question",
    "assistant_tokens_only": "False",
    "coherence_judge": "False",
    "affirmative_response_judge": "False",
    "affirmative_response_followed_by_correct_identification_judge": "False",
    "logit_yes": "22.5",
    "logit_no": "31.25",
    "logit_diff": "-8.75",
    "response": "No",
}
DIRECT = {
    **{name: value for name, value in QUESTION.items() if not name.startswith("logit")},
    "type": "anthropic_reproduce",
    "coherence_judge": "True",
    "affirmative_response_judge": "True",
    "response": "I detect a thought about clouds.",
}
PAIR = {
    **SHARED,
    "coeff_first": "2.0",
    "coeff_second": "4.0",
    "logit_first": "13.0",
    "logit_second": "15.0",
    "logit_diff": "-2.0",
    "expected_stronger": "SECOND",
    "is_correct": "True",
}
CELL = {
    **SHARED,
    "coeff": "5.0",
    "num_sentences": "10",
    "accuracy": "0.896",
    "correct_predictions": "448",
    "total_predictions": "500",
    "chance_level": "0.1",
}


@pytest.fixture
def sheet(tmp_path):
    def make(first, *changes):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(first))
            writer.writeheader()
            writer.writerows([first, *({**first, **change} for change in changes)])
        return path

    return make


def bring(store: Store, *paths: Path, **options: object):
    parsed = parse_files(NAME, list(paths), ImportOptions(**options))
    return parsed.ingest_into(store), parsed.report


def only_trial(store):
    (trial,) = store.load_trials()
    return trial


def test_two_logits_become_a_reading_that_says_that_it_is_relative(store, sheet):
    bring(store, sheet(QUESTION))
    trial = only_trial(store)
    reading = trial.readings[ANSWER]
    assert (trial.measure, trial.condition.arm, trial.condition.strength) == ("unrelated_no", Arm.INJECTION, 4.0)
    assert reading.log_odds("yes", "no") == pytest.approx(-8.75, abs=1e-12)
    assert sum(reading.shares.values()) == pytest.approx(1)
    assert reading.relative
    assert all(math.isnan(unknown) for unknown in (reading.mass, reading.entropy))
    assert store.count_rows(tables.verdicts) == 0


def test_a_coefficient_of_zero_is_a_control_trial_with_its_concept(store, sheet):
    bring(store, sheet({**QUESTION, "coeff": "0.0"}))
    condition = only_trial(store).condition
    assert (condition.arm, condition.concept, condition.layer) == (Arm.CONTROL, "dust", None)


def test_the_direct_question_is_a_report_until_it_has_logits(store, sheet):
    bring(store, sheet(DIRECT))
    assert (only_trial(store).measure, store.count_rows(tables.verdicts)) == ("report", 1)
    bring(store, sheet({**QUESTION, "type": "anthropic_reproduce", "concept": "Snow"}))
    assert {trial.measure for trial in store.load_trials()} == {"report", "notice"}
    assert store.count_rows(tables.verdicts) == 1


def test_which_of_two_is_stronger_is_a_trial_at_the_stronger_span(store, sheet):
    swapped = {"coeff_first": "4.0", "coeff_second": "2.0", "expected_stronger": "FIRST", "is_correct": "False"}
    bring(store, sheet(PAIR, swapped))
    found = {trial.condition.span: trial for trial in store.load_trials()}
    contents = store.read_frame(tables.protocols).set_index("hash")["content"]
    assert set(found) == {"first", "second"}
    for span, other in (("first", "second"), ("second", "first")):
        trial = found[span]
        assert (trial.condition.strength, trial.finish, trial.answer) == (4.0, "read", "")
        assert contents[trial.condition.protocol]["also"] == [{"span": other, "share": 0.5}]
    names = store.read_frame(tables.protocols)["name"]
    assert names.str.partition(": ")[2].nunique() == 1


def test_localisation_is_counted_with_its_chance_level_and_apart_from_reports(store, sheet):
    landed, _ = bring(store, sheet(CELL, {"vec_type": "avg", "correct_predictions": "50", "accuracy": "0.1"}))
    assert landed.new["counts"] == 2
    counted = store.read_frame(tables.counts)
    assert set(counted["measure"]) == {"locate"}
    assert counted["chance"].tolist() == [0.1, 0.1]
    assert sorted(zip(counted["event"], counted["n"], strict=True)) == [(50, 500), (448, 500)]
    assert store.read_frame(select(tables.counts).where(report_counts())).empty
    again, report = bring(store, sheet(CELL))
    assert (again.new["counts"], again.repeated, report.problems) == (0, 1, [])
    changed, report = bring(store, sheet({**CELL, "correct_predictions": "449", "accuracy": "0.898"}))
    assert changed.accepted == 0
    assert "there with other counts" in report.problems[0].text


def test_files_of_all_kinds_are_one_study_in_one_import(store, sheet):
    landed, report = bring(store, sheet(QUESTION), sheet(PAIR), sheet(CELL), sheet(DIRECT))
    assert (landed.new["trials"], landed.new["counts"], landed.accepted, report.problems) == (3, 1, 4, [])
    assert "the files name no model" in report.notes[0]
    assert {subject.name for subject in store.load_subjects()} == {"Llama-3.1-8B"}


def test_a_model_is_named_by_its_option(store, sheet):
    _, report = bring(store, sheet(QUESTION), sheet(CELL), subject="Other-1B")
    assert report.notes == []
    assert set(store.read_frame(tables.counts)["subject"]) == {"Other-1B"}


@pytest.mark.parametrize(
    ("row", "change", "said"),
    [
        (QUESTION, {"logit_no": ""}, "'logit_no' is empty"),
        (QUESTION, {"logit_diff": "8.75"}, "its logits differ by -8.75"),
        (QUESTION, {"logit_yes": "inf"}, "finite"),
        (QUESTION, {"coeff": "-1"}, "0 or more"),
        (QUESTION, {"layer": ""}, "'layer' is empty"),
        (PAIR, {"coeff_first": "4.0"}, "no right answer"),
        (PAIR, {"expected_stronger": "FIRST"}, "the second is stronger"),
        (PAIR, {"is_correct": "False"}, "the logits say otherwise"),
        (CELL, {"correct_predictions": "501"}, "no counts"),
        (CELL, {"accuracy": "0.5"}, "448 of 500 are right"),
        (CELL, {"chance_level": "0.5"}, "with 10 sentences"),
        (CELL, {"coeff": "0"}, "nothing was steered"),
    ],
)
def test_a_row_that_contradicts_itself_is_told(sheet, row, change, said):
    report = parse_files(NAME, [sheet({**row, **change})], ImportOptions()).report
    assert said in report.problems[0].text


def test_files_of_others_and_questions_of_others_are_told(sheet):
    with pytest.raises(InputError, match="has the columns of none of"):
        parse_files(NAME, [sheet({"a": "1"})], ImportOptions())
    report = parse_files(NAME, [sheet(QUESTION, {"type": "mcq"})], ImportOptions()).report
    ((_, reason),) = report.left_out
    assert "type 'mcq'" in reason


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"answer": 3},
        {"answer": {"log_probabilities": {"yes": -0.5}}},
        {"answer": {"log_probabilities": {"yes": "x"}, "entropy": 1.0}},
        {"answer": {"log_probabilities": {"yes": 0.5}, "entropy": 1.0}},
        {"answer": {"log_probabilities": {}, "entropy": 1.0}},
        {"answer": {"log_probabilities": {"yes": -0.1, "no": -0.1}, "entropy": 1.0}},
        {"answer": {"log_probabilities": {"yes": -3.0, "no": -3.0}, "entropy": None, "relative": True}},
        {"answer": {"log_probabilities": {"yes": -3.0}, "entropy": "x"}},
        {"answer": {"log_probabilities": {"yes": -3.0}, "entropy": None, "relative": 1}},
    ],
)
def test_a_document_that_is_no_reading_is_refused(document):
    with pytest.raises(ValueError, match=r"^readings"):
        parse_readings(document)


def test_logits_of_one_option_or_without_end_are_refused():
    for logits in ({"yes": 1.0}, {"yes": math.inf, "no": 0.0}, {"yes": math.nan, "no": 0.0}):
        with pytest.raises(ValueError, match="finite number for each"):
            OptionReading.from_logits(logits)


def test_readings_travel_with_an_export_and_back(store, sheet, tmp_path):
    bring(store, sheet(QUESTION), sheet(CELL))
    whole = {ANSWER: OptionReading({"yes": -3.25, "no": -0.0625}, 1.5)}
    stored = only_trial(store)
    condition = replace(stored.condition, seed=1)
    store.add_trials([replace(stored, id=condition.trial_id(0), condition=condition, replicate=0, readings=whole)])
    export_store(store, tmp_path / "out")
    with closing(Store.open("sqlite://")) as other:
        parsed = parse_files("gnomon", [tmp_path / "out"], ImportOptions())
        parsed.ingest_into(other)
        assert parsed.report.problems == []
        assert {trial.id: trial.readings for trial in other.load_trials()} == {
            trial.id: trial.readings for trial in store.load_trials()
        }
        assert other.read_frame(tables.counts).equals(store.read_frame(tables.counts))


def test_an_export_whose_readings_were_changed_is_refused(store, sheet, tmp_path):
    bring(store, sheet(QUESTION))
    export_store(store, tmp_path / "out")
    (tmp_path / "out" / "trials.parquet").unlink()
    lines = tmp_path / "out" / "trials.jsonl"
    lines.write_text(lines.read_text(encoding="utf-8").replace('"relative": true', '"relative": 3'), encoding="utf-8")
    with closing(Store.open("sqlite://")) as other:
        parsed = parse_files("gnomon", [tmp_path / "out"], ImportOptions())
        parsed.ingest_into(other)
    assert "no table of readings by place" in parsed.report.problems[0].text


def test_readings_stand_in_croissant_and_in_inspect_logs_and_come_back(store, sheet, tmp_path):
    bring(store, sheet(QUESTION), sheet(PAIR))
    fields = croissant_document("t", {"trials": 2}, {})["recordSet"][0]["field"]
    assert {"trials/readings", "trials/measure"} <= {field["@id"] for field in fields}
    export_logs(store, tmp_path / "logs")
    with closing(Store.open("sqlite://")) as other:
        parsed = parse_files("inspect", sorted((tmp_path / "logs").glob("*.eval")), ImportOptions())
        parsed.ingest_into(other)
        assert parsed.report.problems == []
        said = [
            (trial.measure, trial.condition.span, readings_document(trial.readings)) for trial in other.load_trials()
        ]
    mine = [(trial.measure, trial.condition.span, readings_document(trial.readings)) for trial in store.load_trials()]
    assert sorted(said, key=str) == sorted(mine, key=str)


def test_the_cell_of_counts_of_reports_is_as_it_was():
    assert count_cell(None, None, None) == ""
    assert count_cell("dust", 3, 1.0, None, None) == count_cell("dust", 3, 1.0, None, None, measure="report")
    assert CountRow("s", "m", Arm.INJECTION, 1, None, 0, measure="locate").cell != ""


@pytest.fixture
def published(shared: Path) -> Path:
    return shared / "data" / "llama-introspection-new"


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_published_shift_and_localisation_are_in_the_store(store, published):
    landed, report = bring(store, *sorted(published.glob("output_*.csv")))
    assert (report.problems, landed.new["trials"], landed.new["counts"]) == ([], 4_120, 1_540)
    trials = [trial for trial in store.load_trials() if trial.measure == "unrelated_no"]
    odds = pd.DataFrame(
        (trial.condition.layer, trial.condition.strength, trial.readings[ANSWER].log_odds("yes", "no"))
        for trial in trials
    )
    shift = odds.groupby([odds[0].fillna(-1), 1])[2].mean()
    assert (shift[-1, 0.0], shift[9, 8.0]) == (pytest.approx(-14.902, abs=1e-3), pytest.approx(-0.66, abs=5e-3))
    counted = store.read_frame(tables.counts).groupby(["layer", "strength"])[["event", "n"]].sum()
    assert counted.loc[(2, 5.0)].tolist() == [8_782, 10_000]
    stronger = [trial for trial in store.load_trials() if trial.measure == "stronger"]
    told = [(trial.readings[ANSWER].log_odds("first", "second"), trial.condition.span == "first") for trial in stronger]
    ties = sum(not odds for odds, _ in told)
    assert (len(told), sum((odds > 0) == first for odds, first in told if odds), ties) == (
        3_600,
        1_696,
        10,
    )  # the source calls 8 of these right
