"""table: what the values of a column mean is decided over all of them, and what cannot be known is refused."""

from __future__ import annotations

import csv
import json
from collections import Counter

import pytest
from sqlalchemy import select

from gnomon.data.errors import InputError
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

PLAIN = """source = "x"
[trial]
key = "id"
[verdict]
judge = {value = "j"}
passed = "judge"
"""
BOTH = (
    PLAIN
    + """[label]
rater = {value = "ann"}
passed = "human"
"""
)


@pytest.fixture
def memory():
    opened = Store.open("sqlite://")
    yield opened
    opened.close()


@pytest.fixture
def bring(memory, tmp_path):
    """Write rows (or the text of a file) and a map, import them, and return counts, problems and the report."""

    def go(rows, map_=PLAIN, name="t.csv", **options):
        path, columns = tmp_path / name, tmp_path / "map.toml"
        if isinstance(rows, bytes):
            path.write_bytes(rows)
        elif name.endswith(".csv"):
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        else:
            path.write_text("\n".join(map(json.dumps, rows)))
        columns.write_text(map_)
        parsed = parse_files("table", [path], ImportOptions(map=columns, **options))
        landed = parsed.ingest_into(memory)
        return landed, [str(problem) for problem in parsed.report.problems], parsed.report

    return go


def judged(store, table=tables.verdicts):
    """The values of `passed` in the order of the rows; None for a verdict that cannot be used."""
    return [row.passed for row in store._fetch_all(select(table).order_by(table.c.id))]


def claimed(store, table=tables.verdicts):
    """The values of `claims` in the order of the rows."""
    return [row.claims for row in store._fetch_all(select(table).order_by(table.c.id))]


def scores(*values):
    return [{"id": number, "judge": value} for number, value in enumerate(values, 1)]


GRADES = (10, 10, 7, 1, 0)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (GRADES, "numbers from 0 to 10"),
        ((1, 0, 1, 2), "numbers from 0 to 2"),
        ((1.0, 0.0, 0.85), "numbers from 0 to 1"),
        (("1", "0", "-1"), "numbers from -1 to 1"),
        (("good", "bad", "good"), "'good', 'bad'"),
        (("A", "B", "C"), "'a', 'b', 'c'"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_column_whose_meaning_cannot_be_known_is_refused_and_the_line_names_the_option(
    bring, memory, values, shown, name
):
    with pytest.raises(InputError) as told:
        bring(scores(*values), name=name)
    assert shown in str(told.value)
    assert "[verdict.values.passed]" in str(told.value)
    assert ("threshold" in str(told.value)) == shown.startswith("numbers")
    assert memory.count_rows(tables.trials) == 0


@pytest.mark.parametrize(
    ("threshold", "passes"),
    [("'>= 7'", 3), ("7", 3), ("'> 7'", 2), ("'<= 1'", 2), ("'< 1'", 1)],
)
def test_a_threshold_decides_grades(bring, memory, threshold, passes):
    landed, problems, _ = bring(scores(*GRADES), PLAIN + f"threshold = {threshold}\n")
    assert (landed.usable, landed.unusable, problems) == ({"j": 5}, {}, [])
    assert sum(judged(memory)) == passes


@pytest.mark.parametrize("threshold", ["'often'", "true", "'>= nan'", "'= 7'"])
def test_a_threshold_that_is_none_is_told(bring, threshold):
    with pytest.raises(InputError, match="threshold"):
        bring(scores(1), PLAIN + f"threshold = {threshold}\n")


def test_values_of_a_part_are_its_own_and_what_they_do_not_list_is_missing(bring, memory):
    map_ = BOTH.replace("[label]", "[verdict.values.passed]\n5 = true\n4 = true\n2 = false\n9 = ''\n[label]")
    rows = [{"id": n, "judge": j, "human": h} for n, (j, h) in enumerate([(5, 1), (2, 0), (4.0, 1), (1, 0), (9, 0)])]
    landed, problems, _ = bring(rows, map_)
    assert judged(memory) == [True, False, True, None, None]
    assert judged(memory, tables.labels) == [True, False, True, False, False]
    assert landed.usable == {"j": 3}
    assert landed.unusable == {("j", "'passed' is '1'"): 1, ("j", "'passed' is empty"): 1}
    assert problems == []


def test_values_without_a_field_are_those_of_the_only_field(bring, memory):
    bring(scores("good", "bad"), PLAIN + "[verdict.values]\ngood = true\nbad = false\n")
    assert judged(memory) == [True, False]


SCALE = "[values.passed]\n5 = true\n4 = true\n3 = true\n2 = false\n1 = false\n"


def test_a_shared_list_of_grades_is_not_for_a_column_of_booleans(bring, memory):
    rows = [{"id": n, "judge": j, "human": h} for n, (j, h) in enumerate([(5, 1), (1, 0), (3, 1)])]
    bring(rows, BOTH + SCALE)
    assert judged(memory) == judged(memory, tables.labels) == [True, False, True]


def test_a_shared_list_that_could_be_meant_for_a_column_or_not_is_refused(bring):
    rows = [{"id": n, "judge": 5, "human": 1} for n in range(3)]
    with pytest.raises(InputError, match=r"several columns: give the values of each column in \[label.values.passed\]"):
        bring(rows, BOTH + SCALE)


def test_a_word_that_a_list_forgets_is_missing_and_not_read_as_usual(bring, memory):
    landed, _, _ = bring(scores(5, 4, 1), PLAIN + SCALE.replace("1 = false\n", ""))
    assert judged(memory) == [True, True, None]
    assert (landed.usable, landed.unusable) == ({"j": 2}, {("j", "'passed' is '1'"): 1})


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (("PASS", "Fail", "pass "), [True, False, True]),
        (("Y", "N", "y"), [True, False, True]),
        (("correct", "incorrect", "n/a"), [True, False]),
        (("C", "I", "P"), [True, False, None]),
        (("1.0", "0.0", "#N/A"), [True, False]),
        (("yes", "no", "unsure"), [True, False, None]),
        (("TRUE", "FALSE", "<NA>"), [True, False]),
    ],
)
def test_usual_words_are_read_and_the_others_are_missing_verdicts(bring, memory, values, read):
    landed, problems, report = bring(scores(*values))
    assert judged(memory) == read
    assert landed.new["trials"] == 3
    assert problems == []
    assert report.empty_verdicts == Counter({"j": 3 - len(read)} if len(read) < 3 else {})


def test_one_unreadable_cell_loses_that_part_and_not_the_row(bring, memory):
    rows = [{"id": 1, "judge": "1", "human": "maybe"}, {"id": 2, "judge": "parse_error", "human": "0"}]
    rows.append({"id": 3, "judge": "0", "human": "1"})
    landed, problems, _ = bring(rows, BOTH)
    assert landed.new == {"trials": 3, "verdicts": 3, "labels": 2}
    assert judged(memory) == [True, None, False]
    assert len(problems) == 1
    assert "'passed' is 'maybe'" in problems[0]


def test_a_judge_that_claims_and_identifies_contradicts_itself_nowhere(bring, memory):
    rows = [
        {"id": n, "arm": arm, "word": "sea", "saw": saw, "named": named}
        for n, (arm, saw, named) in enumerate(
            [("injection", 1, 1), ("injection", 1, 0), ("injection", 0, 0), ("control", 1, 0), ("control", 0, 0)]
        )
    ]
    map_ = (
        '[trial]\nkey = "id"\narm = "arm"\nconcept = "word"\n[verdict]\njudge = {value = "j"}\n'
        'claims = "saw"\nidentified = "named"\n'
    )
    bring(rows, map_)
    found = [(row.claims, row.concept, row.passed) for row in memory._fetch_all(select(tables.verdicts))]
    assert found == [
        (True, "sea", None),
        (True, "other", None),
        (False, "none", None),
        (True, "other", None),
        (False, "none", None),
    ]


def test_identified_alone_is_refused_because_it_says_nothing_of_control_trials(bring):
    with pytest.raises(InputError, match="'identified' needs 'claims' beside it"):
        bring(scores(1), PLAIN.replace("passed", "identified"))


def test_a_fail_is_the_event_when_the_table_knows_no_arm_as_in_a_control_trial(bring, memory):
    bring(scores(*[1] * 6, *[0] * 4))
    assert sum(judged(memory)) == 6
    assert sum(claimed(memory)) == 4
    assert {row.passed for row in memory._fetch_all(select(tables.verdicts)) if row.claims} == {False}


def test_a_study_in_which_a_pass_is_the_event_keeps_that_meaning(bring, memory, monkeypatch):
    """Inspect logs that earlier versions imported hold a pass as the event of their control trials."""
    from gnomon.data.importers.formats import table

    def earlier(passed, arm, target, *, coherent, refused, named=None):
        return table.row_builders.facts_of_plain_pass(passed, coherent=coherent, refused=refused)

    rows = [{"id": n, "judge": j, "human": j} for n, j in enumerate([1, 1, 0])]
    monkeypatch.setattr(table, "facts_from_pass_fail", earlier)
    bring(rows, BOTH)
    assert claimed(memory) == [True, True, False]
    monkeypatch.undo()
    landed, problems, _ = bring(rows, BOTH)
    assert (landed.new, problems) == ({"trials": 0, "verdicts": 0, "labels": 0}, [])
    landed, _, report = bring([{"id": 9, "judge": 0, "human": 0}], BOTH)
    assert (claimed(memory)[-1], claimed(memory, tables.labels)[-1]) == (False, False)
    assert any("a pass is the event" in note for note in report.notes)


def test_a_judge_that_was_asked_three_times_has_three_verdicts_on_a_trial(bring, memory):
    rows = [{"id": n, "run": run, "judge": j} for n, run, j in [(1, 1, 1), (1, 2, 0), (1, 3, 1), (2, 1, 0), (2, 2, 0)]]
    for map_ in (PLAIN, PLAIN + 'sample = "run"\n'):
        landed, problems, _ = bring(rows, map_.replace('"x"', f'"{len(map_)}"'))
        assert (landed.new["trials"], landed.new["verdicts"], problems) == (2, 5, [])
        landed, problems, _ = bring(rows, map_.replace('"x"', f'"{len(map_)}"'))
        assert (landed.new["verdicts"], landed.already["verdicts"], problems) == (0, 5, [])
    found = [row.sample for row in memory._fetch_all(select(tables.verdicts).order_by(tables.verdicts.c.id))]
    assert found == [0, 1, 2, 0, 1] * 2


def test_a_verdict_that_each_raters_row_repeats_is_one_verdict(bring):
    rows = [{"id": 1, "judge": 1, "who": who, "human": 1} for who in ("ann", "bob")]
    landed, problems, _ = bring(rows, BOTH.replace('{value = "ann"}', '"who"'))
    assert (landed.new, problems) == ({"trials": 1, "verdicts": 1, "labels": 2}, [])


def test_names_of_raters_that_differ_in_case_or_point_zero_are_one_rater_and_told(bring, memory):
    names = ["12", "12.0", "Des", "des ", "DES"]
    rows = [{"id": n, "judge": 1, "who": who, "human": 1} for n, who in enumerate(names)]
    _, _, report = bring(rows, BOTH.replace('{value = "ann"}', '"who"'))
    assert Counter(row.rater for row in memory._fetch_all(select(tables.labels))) == {"12": 2, "Des": 3}
    assert "rater '12.0' counts as '12': the names differ only in case, spaces or '.0'" in report.notes
    _, _, report = bring([{"id": 9, "judge": 1, "who": "dEs", "human": 1}], BOTH.replace('{value = "ann"}', '"who"'))
    assert "rater 'dEs' counts as 'Des'" in next(iter(report.notes))


LABELS = """source = "x"
[trial]
key = "id"
[label]
rater = "who"
passed = "human"
"""


@pytest.mark.parametrize(
    "map_",
    [
        LABELS,
        LABELS.replace('key = "id"', 'key = "id"\nsubject = {value = "unknown"}\nanswer = {value = ""}'),
        LABELS.replace("key =", "id ="),
    ],
)
def test_labels_of_a_file_of_their_own_join_the_trials_by_the_sources_key(bring, memory, map_):
    bring(
        [{"id": n, "text": f"t{n}", "judge": n % 2} for n in range(3)],
        PLAIN.replace("[verdict]", 'answer = "text"\n[verdict]'),
    )
    rows = [{"id": f"{n}.0", "who": "ann", "human": n % 2} for n in range(3)]
    landed, problems, _ = bring(rows, map_, "l.csv")
    assert (landed.new, problems) == ({"trials": 0, "verdicts": 0, "labels": 3}, [])
    assert judged(memory, tables.labels) == [False, True, False]
    landed, problems, _ = bring([{"id": 7, "who": "ann", "human": 1}], LABELS, "l.csv")
    assert landed.new["labels"] == 0
    assert len(problems) == 1
    assert problems[0].startswith(
        "l.csv line 2: trial '7' is not in this study: import its trial first, fix the key, or"
    )


def test_a_label_by_pass_for_a_trial_with_an_arm_means_what_a_pass_means_there(bring, memory):
    arms = 'answer = "text"\narm = "arm"\nconcept = "word"\n[verdict]'
    rows = [
        {"id": n, "text": "t", "arm": arm, "word": "sea", "judge": 1} for n, arm in enumerate(["injection", "control"])
    ]
    bring(rows, PLAIN.replace("[verdict]", arms))
    bring([{"id": n, "who": "ann", "human": 1} for n in range(2)], LABELS, "l.csv")
    found = [(row.claims, row.concept) for row in memory._fetch_all(select(tables.labels))]
    assert found == [(True, "sea"), (False, "none")]


def test_a_key_that_names_trials_of_two_models_is_told_unless_the_model_is_named(bring):
    rows = [{"id": 1, "llm": model, "text": "t", "judge": 1} for model in ("a", "b")]
    bring(rows, PLAIN.replace("[verdict]", 'subject = "llm"\nanswer = "text"\n[verdict]'))
    _, problems, _ = bring([{"id": 1, "who": "ann", "human": 1}], LABELS, "l.csv")
    assert "'1' names 2 trials of this study" in problems[0]
    labelled = [{"id": 1, "llm": "b", "who": "ann", "human": 1}]
    landed, problems, _ = bring(labelled, LABELS.replace('key = "id"', 'key = "id"\nsubject = "llm"'), "l.csv")
    assert (landed.new["labels"], problems) == (1, [])


def test_a_key_of_two_columns_and_the_rows_number_are_keys(bring):
    rows = [{"item": n // 2, "llm": "ab"[n % 2], "judge": 1} for n in range(4)]
    landed, _, _ = bring(rows, PLAIN.replace('"id"', '["item", "llm"]'))
    assert landed.new["trials"] == 4
    labelled = [{"item": 1, "llm": "a", "who": "ann", "human": 1}]
    landed, problems, _ = bring(labelled, LABELS.replace('"id"', '["item", "llm"]'), "l.csv")
    assert (landed.new["labels"], problems) == (1, [])
    landed, _, _ = bring(rows, PLAIN.replace('"id"', "{row_number = true}").replace('"x"', '"y"'))
    assert landed.new["trials"] == 4


@pytest.mark.parametrize(("first", "then"), [(("1", "2"), ("1.0", "2.0")), (("1.0", "2.0"), ("1", "2"))])
@pytest.mark.parametrize("key", ['"id"', '["id", "part"]'])
def test_a_key_that_another_program_wrote_as_a_fraction_is_the_same_trial(bring, first, then, key):
    map_ = PLAIN.replace('"id"', key)
    assert bring([{"id": id_, "part": "a", "judge": 1} for id_ in first], map_)[0].new["trials"] == 2
    again, problems, _ = bring([{"id": id_, "part": "a", "judge": 1} for id_ in then], map_)
    assert (again.new["trials"], again.new["verdicts"], again.repeated, problems) == (0, 0, 2, [])


def test_where_a_column_names_person_and_models_each_part_takes_its_rows(bring, memory):
    rows = [
        {"item": 1, "grader": "Human", "score": 1},
        {"item": 1, "grader": "m1", "score": 0},
        {"item": 1, "grader": "m2", "score": 1},
    ]
    map_ = (
        '[trial]\nkey = "item"\n[verdict]\njudge = "grader"\npassed = "score"\nwhere = {grader = ["m1", "m2"]}\n'
        '[label]\nrater = "grader"\npassed = "score"\nwhere = {grader = "human"}\n'
    )
    landed, problems, _ = bring(rows, map_)
    assert (landed.new, problems) == ({"trials": 1, "verdicts": 2, "labels": 1}, [])


def test_lists_of_annotations_and_fields_inside_fields_are_reached(bring, memory):
    rows = [
        {
            "fields": {"id": 1, "text": "t"},
            "responses": [
                {"user": "ann", "values": {"right": {"value": "yes"}}},
                {"user": "bob", "values": {"right": {"value": "no"}}},
            ],
            "scores": [{"value": True}],
        }
    ]
    map_ = (
        '[trial]\nkey = "fields.id"\nanswer = "fields.text"\n'
        '[verdict]\njudge = {value = "j"}\npassed = "scores.0.value"\n'
        '[label]\neach = "responses"\nrater = "user"\npassed = "values.right.value"\n'
    )
    landed, problems, _ = bring(rows, map_, "t.jsonl")
    assert (landed.new, problems) == ({"trials": 1, "verdicts": 1, "labels": 2}, [])
    assert judged(memory, tables.labels) == [True, False]


def test_the_first_row_of_json_lines_does_not_decide_which_columns_there_are(bring):
    rows = [{"id": 1, "judge": True}, {"id": 2, "judge": True, "human": False}]
    for order in (rows, rows[::-1]):
        landed, problems, _ = bring(order, BOTH.replace('"x"', f'"{order[0]["id"]}"'), "t.jsonl")
        assert (landed.new, problems) == ({"trials": 2, "verdicts": 2, "labels": 1}, [])
    with pytest.raises(InputError, match=r"has no column 'humane', which the map names for 'passed': it has id, judge"):
        bring(rows, BOTH.replace('"human"', '"humane"'), "t.jsonl")


def test_a_nan_in_json_is_a_missing_value(bring):
    landed, problems, report = bring(b'{"id": 1, "judge": NaN}\n{"id": 2, "judge": true}', PLAIN, "t.jsonl")
    assert (landed.new["trials"], landed.new["verdicts"], problems) == (2, 1, [])
    assert report.empty_verdicts == {"j": 1}


def test_names_of_judges_and_models_are_folded_as_those_of_raters(bring, memory):
    rows = [
        {"id": n, "llm": llm, "who": who, "judge": 1}
        for n, (llm, who) in enumerate([("Llama-8B", "GPT-4"), ("llama-8b", "gpt-4"), ("llama-8B ", "4"), ("x", "4.0")])
    ]
    map_ = PLAIN.replace('{value = "j"}', '"who"').replace("[verdict]", 'subject = "llm"\n[verdict]')
    _, problems, report = bring(rows, map_)
    assert problems == []
    assert {row.name for row in memory._fetch_all(select(tables.judges))} == {"GPT-4", "4"}
    assert {trial.condition.subject for trial in memory.load_trials()} == {"Llama-8B", "x"}
    assert "model 'llama-8b' counts as 'Llama-8B'" in report.notes[0]
    landed, _, _ = bring(rows, map_)
    assert landed.new == {"trials": 0, "verdicts": 0, "labels": 0}


ARMS = PLAIN.replace("[verdict]", 'arm = "arm"\nconcept = "word"\nstrength = "dose"\n[verdict]')
INJECTED = [
    {"id": n, "arm": arm, "word": "sea", "dose": dose, "judge": judge}
    for n, (arm, dose, judge) in enumerate(
        [("injection", "2,5", 1), ("injection", "10,25", 0), ("control", "0", 0), ("control", "", 1)]
    )
]


def written(rows, separator):
    lines = [list(rows[0]), *(row.values() for row in rows)]
    return "\n".join(separator.join(map(str, line)) for line in lines).encode()


def test_decimal_commas_between_semicolons_are_read(bring, memory):
    _, problems, _ = bring(written(INJECTED, ";"), ARMS)
    assert problems == []
    assert sorted(trial.condition.strength for trial in memory.load_trials()) == [0, 0, 2.5, 10.25]


def test_a_column_of_numbers_of_which_none_can_be_read_is_refused_whole(bring, memory):
    rows = [{**row, "dose": "1,000" if row["arm"] == "injection" else "0"} for row in INJECTED]
    with pytest.raises(InputError, match=r"column 'dose', which the map names for 'strength', holds .*'1,000'"):
        bring(written(rows, ";"), ARMS)
    assert memory.count_rows(tables.trials) == 0


def test_rows_without_an_arm_are_counted(bring):
    rows = [{**row, "arm": row["arm"].replace("control", "")} for row in INJECTED]
    _, _, report = bring(written(rows, ";"), ARMS)
    assert "2 rows have no arm in column 'arm': they count as control trials" in report.notes


def test_an_identification_that_is_mapped_as_a_pass_is_told_from_its_control_trials(bring, memory):
    rows = [{**INJECTED[0], "id": "i", "dose": 1}, *({**INJECTED[2], "id": n} for n in range(3))]
    with pytest.raises(InputError, match="would all be false alarms: if it says whether the concept was identified"):
        bring(rows, ARMS)
    assert memory.count_rows(tables.trials) == 0


def test_two_different_verdicts_under_one_number_are_told(bring):
    rows = [{"id": 1, "run": run, "judge": judge} for run, judge in [("1.0", 1), ("2", 0), ("2.0", 1), ("2", 0)]]
    map_ = PLAIN + 'sample = "run"\n'
    landed, problems, _ = bring(rows, map_)
    assert (landed.new["verdicts"], landed.already["verdicts"]) == (2, 1)
    assert len(problems) == 1
    assert "line 4: judge 'j' has two verdicts for sample '2.0'" in problems[0]
    landed, problems, _ = bring([{"id": 1, "run": 2, "judge": 1}, {"id": 1, "run": 3, "judge": 1}], map_, "u.csv")
    assert (landed.new["verdicts"], len(problems)) == (1, 1)


def test_a_threshold_above_a_scale_of_nought_to_one_is_refused_and_one_that_divides_nothing_is_told(bring):
    with pytest.raises(InputError, match=r"none of its numbers, 0 to 0.9, pass the threshold '>= 7'"):
        bring(scores(0, 0.5, 0.9), PLAIN + "threshold = 7\n")
    _, _, report = bring(scores(8, 9, 10), PLAIN + "threshold = 7\n")
    assert report.notes == ["column 'judge': all of its numbers, 8 to 10, pass the threshold '>= 7'"]
    _, _, report = bring(scores(2, 9, 10), PLAIN.replace('"x"', '"y"') + "threshold = 7\n")
    assert report.notes == []


def test_a_threshold_for_words_is_refused(bring):
    with pytest.raises(InputError, match="no numbers for a threshold"):
        bring(scores("yes", "no"), PLAIN + "threshold = 7\n")


def test_labels_join_the_samples_of_an_inspect_log_and_the_trials_of_other_formats(bring, memory, tmp_path):
    samples = [
        {
            "id": n,
            "uuid": f"u{n}",
            "epoch": 1,
            "input": "q",
            "output": {"completion": "a"},
            "scores": {"s": {"value": "C"}},
        }
        for n in range(3)
    ]
    head = {"eval_id": "e", "run_id": "r", "task_id": "t", "task": "t", "model": "m-7b"}
    (tmp_path / "log.json").write_text(
        json.dumps({"version": 2, "status": "success", "eval": head, "samples": samples})
    )
    parse_files("inspect", [tmp_path / "log.json"], ImportOptions()).ingest_into(memory)
    rows = [{"uuid": f"u{n}", "id": f"{n}.0", "epoch": "1", "who": "ann", "human": n % 2} for n in range(3)]
    map_ = LABELS.replace('"x"', '"inspect"').replace('"id"', '[{value = "uuid"}, "uuid", "id", "epoch"]')
    landed, problems, _ = bring(rows, map_, "l.csv")
    assert (landed.new, problems) == ({"trials": 0, "verdicts": 0, "labels": 3}, [])
    assert judged(memory, tables.labels) == [False, True, False]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (["C", "F", "C"], "which of them are true"),
        (["T", "I"], "which of them are true"),
        (["85%", "0", "1"], "'85%', a number in another writing"),
        (["0,5", "0", "1"], "'0,5', a number in another writing"),
        (["7/10", "0", "1"], "'7/10', a number in another writing"),
        (["2026-05-10 00:00:00", "0", "1"], "'2026-05-10 00:00:00', a number in another writing"),
        (["10-May", "0", "1"], "'10-may', a number in another writing"),
        (["85%", "0%", "100 %"], "percentages from 0 to 100"),
    ],
)
def test_letters_of_two_alphabets_and_numbers_in_another_writing_are_not_read_as_yes_and_no(bring, values, named):
    with pytest.raises(InputError, match=named):
        bring(scores(*values), PLAIN)


def test_percentages_are_compared_with_a_threshold_and_not_with_one_for_shares(bring, memory):
    bring(scores("85%", "0 %", "100%", "n/a"), PLAIN + 'threshold = ">= 50%"\n')
    assert judged(memory) == [True, False, True]
    with pytest.raises(InputError, match="'85%', a number in another writing"):
        bring(scores("85%", "0.5"), PLAIN + "threshold = 50\n")


def test_verdicts_that_become_samples_by_the_key_alone_are_told(bring):
    rows = [{"id": n, "judge": j} for n, j in [(1, 1), (1, 0), (2, 1)]]
    _, _, report = bring(rows, PLAIN)
    assert any("1 verdicts are on trials whose key an earlier row has" in note for note in report.notes)
    _, _, report = bring([{**row, "run": at} for at, row in enumerate(rows)], PLAIN + 'sample = "run"\n', "b.csv")
    assert not any("earlier row" in note for note in report.notes)


@pytest.mark.parametrize(("name", "taken"), [("NaN", 0), ("None", 0), ("NA", 0), ("n/a", 0), ("Na", 1), ("Nil", 1)])
def test_a_rater_whose_name_is_a_missing_value_is_told(bring, name, taken):
    landed, problems, _ = bring(
        [{"id": 1, "judge": 1, "who": name, "human": 1}], BOTH.replace('{value = "ann"}', '"who"')
    )
    assert (landed.new["trials"], landed.new["labels"], len(problems)) == (1, taken, 1 - taken)


def test_two_files_of_one_name_are_not_told_apart_by_the_numbers_of_their_rows(tmp_path):
    paths = [tmp_path / folder / "t.csv" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("id,judge\n1,1\n", encoding="utf-8")
    (tmp_path / "map.toml").write_text(PLAIN.replace('"id"', "{row_number = true}"), encoding="utf-8")
    with pytest.raises(InputError, match="2 files have this name"):
        parse_files("table", paths, ImportOptions(map=tmp_path / "map.toml"))


def test_a_key_of_another_source_is_told_with_the_studys_sources(bring):
    bring(scores(1), PLAIN)
    _, problems, _ = bring([{"id": 1, "who": "ann", "human": 1}], LABELS.replace('"x"', '"y"'), "l.csv")
    assert "of source 'y' is not in this study, whose sources are x: name one as 'source'" in problems[0]


def test_keys_that_make_trials_beside_those_that_join_some_are_told(bring):
    map_ = PLAIN.replace('key = "id"', 'key = "id"\nsubject = {value = "m"}')
    bring(scores(1, 0), map_)
    _, _, report = bring([{"id": n, "judge": 1} for n in (1, 2, 9)], map_.replace('"j"', '"k"'), "k.csv")
    assert any(note.startswith("1 rows have keys that the study has not") for note in report.notes)
    _, _, report = bring([{"id": n, "judge": 1} for n in (1, 2, 9)], map_.replace('"j"', '"l"'), "k.csv")
    assert not any("have keys" in note for note in report.notes)


def test_a_part_that_reads_nothing_is_refused(bring):
    rows = [{"id": 1, "judge": 1, "who": "gpt", "votes": [1, 0]}]
    with pytest.raises(InputError, match=r"'where' \(who = 'gtp'\) selects no row"):
        bring(rows, PLAIN + 'where = {who = "gtp"}\n', "t.jsonl")
    label = "[label]\nrater = 'who'\npassed = 'judge'\n"
    _, _, report = bring(rows, PLAIN + 'where = {who = "gtp"}\n' + label, "t.jsonl")
    assert any("selects no row" in note for note in report.notes)
    with pytest.raises(InputError, match="'votes' is no list of objects"):
        bring(rows, PLAIN + 'each = "votes"\n', "t.jsonl")


def test_fractions_with_commas_in_a_column_of_numbers_do_not_lose_just_their_rows(bring):
    rows = [{"id": n, "judge": 1, "dose": dose} for n, dose in enumerate(("2,5", "3", "0"))]
    map_ = PLAIN.replace('key = "id"', 'key = "id"\narm = {value = "random"}\nstrength = "dose"')
    with pytest.raises(InputError, match=r"holds '2,5': write its numbers as 2\.5"):
        bring(rows, map_)


def test_a_response_that_is_a_number_or_empty_is_text_in_every_kind_of_file(bring, memory):
    rows = [{"id": n, "judge": 1, "text": text} for n, text in enumerate(("a", 42, 0.5, None))]
    _, problems, _ = bring(rows, PLAIN.replace('key = "id"', 'key = "id"\nanswer = "text"'), "t.jsonl")
    assert problems == []
    assert sorted(row.answer for row in memory._fetch_all(select(tables.trials))) == ["", "0.5", "42", "a"]


def test_of_labels_with_times_the_latest_counts_whatever_the_order_of_the_rows(bring, memory):
    rows = [
        {"id": n, "judge": 1, "human": h, "at": f"2026-01-0{day}"} for n, h, day in [(1, 0, 3), (1, 1, 2), (2, 1, 2)]
    ]
    _, problems, _ = bring(rows, BOTH + 'time = "at"\n')
    assert judged(memory, tables.labels) == [False, True]
    assert len(problems) == 1
    assert "is older than that of an earlier row, which counts" in problems[0]


@pytest.mark.parametrize("named", ['key = "id"', 'id = "trial"'])
def test_rows_that_refer_to_trials_in_which_a_pass_is_the_event_have_that_meaning(bring, memory, monkeypatch, named):
    from gnomon.data.importers.formats import table

    def earlier(passed, arm, target, *, coherent, refused, named=None):
        return table.row_builders.facts_of_plain_pass(passed, coherent=coherent, refused=refused)

    monkeypatch.setattr(table, "facts_from_pass_fail", earlier)
    bring(scores(1, 0), PLAIN)
    monkeypatch.undo()
    trials = [row.id for row in memory._fetch_all(select(tables.trials).order_by(tables.trials.c.created_at))]
    rows = [{"id": n, "trial": id_, "who": "ann", "human": 1} for n, id_ in enumerate(trials, 1)]
    source = "x" if "key" in named else "another"
    bring(rows, LABELS.replace('key = "id"', named).replace('"x"', f'"{source}"'), "l.csv")
    assert claimed(memory, tables.labels) == [True, True]


def test_an_identification_in_a_file_of_its_own_is_told_from_the_control_trials(bring, memory):
    rows = [{**INJECTED[0], "id": "i", "dose": 1}, *({**INJECTED[2], "id": n} for n in range(3))]
    bring([{**row, "judge": ""} for row in rows], ARMS)
    assert memory.count_rows(tables.trials) == 4
    later = [{"id": row["id"], "named": int(row["id"] == "i")} for row in rows]
    with pytest.raises(InputError, match="fails all 3 trials without an injection"):
        bring(later, PLAIN.replace('"judge"', '"named"').replace('"j"', '"k"'), "k.csv")
    assert memory.count_rows(tables.verdicts) == 0


def test_a_row_of_totals_is_no_trial(bring):
    landed, problems, _ = bring([*scores(1, 0, 0), {"id": "Total", "judge": 1}])
    assert landed.new["trials"] == 3
    assert problems == ["t.csv line 5: 'key' is 'Total': a row of totals is no trial; leave it out"]


def test_labels_that_fail_all_control_trials_and_not_the_injections_are_told(bring):
    rows = [{**INJECTED[0], "id": "i", "dose": 1}, *({**INJECTED[2], "id": n} for n in range(3))]
    map_ = ARMS.replace("[verdict]\njudge", "subject = {value = 'm'}\n[label]\nrater").replace('"j"', '"ann"')
    _, _, report = bring(rows, map_)
    assert any("rater 'ann' fails all 3 trials without an injection" in note for note in report.notes)
