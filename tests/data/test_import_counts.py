"""counts: tables of outcomes become cells, each outcome once; what can be read in two ways, or is wrong, is refused."""

from __future__ import annotations

import csv
from contextlib import closing

import pytest
from database import place

from gnomon.commands.transfer import import_files
from gnomon.data import bundled
from gnomon.data.errors import InputError
from gnomon.data.exporters.gnomon_export import export_store
from gnomon.data.importers import ImportOptions, parse_files
from gnomon.data.importers.field_parsers import ImportReport, RowError
from gnomon.data.importers.formats.gnomon_export import check_row, read_folder
from gnomon.data.records import Arm, CountRow
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.cells.aggregation import CellCounts, published_cells

FACTS = "subject,arm,n,identified,claimed,denied,refused,incoherent\n"
BOTH = "Toy-7B,injection,100,20,10,50,15,5\nToy-7B,control,50,0,3,40,5,2\n"
SWEEPS = bundled.HERE / "published" / "qwen_sweep_cells.csv"
LAYERS = "subject,arm,layer,n_layers,n,passed,failed\nA-7B,injection,7,32,2,1,1\n"
WIDE = "layer,strength,n_injection,n_control,claimed_injection,claimed_control,claimed_and_identified,n_forced\n"


BOTH_DATABASES = pytest.mark.parametrize("store_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def store_url(request, tmp_path):
    """SQLite, unless a test names both: most tests here are of reading."""
    return place(request, tmp_path, getattr(request, "param", "sqlite"))


@pytest.fixture
def read(tmp_path, store):
    """The cells of a table, as a study holds them, and what was told."""

    def cells(text: str, name: str = "t.csv", **options: object) -> tuple[CellCounts, list[str]]:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        parsed = parse_files("counts", [path], ImportOptions(**options))
        parsed.ingest_into(store)
        return published_cells(store), parsed.report.notes

    return cells


def by_cell(cells: CellCounts, *axes: str) -> dict[tuple[object, ...], dict[str, int]]:
    keys = zip(*(cells.frame[axis] for axis in axes), strict=True)
    return {
        key: dict(zip(cells.classes, row.tolist(), strict=True)) for key, row in zip(keys, cells.counts, strict=True)
    }


@BOTH_DATABASES
def test_facts_are_counted_once_each(read):
    cells, _ = read(FACTS + BOTH)
    assert by_cell(cells, "arm") == {
        ("control",): {"refused": 5, "event": 3, "incoherent": 2, "misnamed": 0, "rest": 40},
        ("injection",): {"refused": 15, "event": 20, "incoherent": 5, "misnamed": 10, "rest": 50},
    }
    assert set(cells.frame["parameters"]) == {7e9}


@pytest.mark.parametrize(
    ("header", "row", "said", "event", "misnamed"),
    [
        ("identified,claimed,denied", "20,50,50", "too: only so", 20, 30),
        ("identified,claimed_any", "20,50", "no column 'denied'", 20, 30),
        ("claimed_and_identified,claimed", "20,50", "no column 'denied'", 20, 30),
        ("identified,claimed_other,denied", "20,50,30", "", 20, 50),
        ("identified,claimed", "60,30", "no column 'denied'", 60, 30),
    ],
)
def test_claims_may_contain_the_identified(read, header, row, said, event, misnamed):
    cells, notes = read(f"subject,arm,n,{header}\nToy-7B,injection,100,{row}\n")
    assert by_cell(cells, "arm")[("injection",)] == {
        "event": event,
        "misnamed": misnamed,
        "rest": 100 - event - misnamed,
    }
    assert said in " ".join(notes)
    assert bool(said) == bool(notes)


@pytest.mark.parametrize(
    ("rows", "classes", "injection", "control"),
    [
        ("injection,50,10,40,5\ncontrol,50,45,5,2", "refused event rest", (5, 10, 35), (2, 3, 45)),
        ("injection,50,10,35,5\ncontrol,50,45,3,2", "refused event rest", (5, 10, 35), (2, 3, 45)),
    ],
)
def test_refusals_among_and_beside_passed_and_failed(read, rows, classes, injection, control):
    lines = "\n".join(f"Toy-7B,{row}" for row in rows.split("\n"))
    cells, _ = read(f"subject,arm,n,passed,failed,refused\n{lines}\n")
    assert cells.classes == tuple(classes.split())
    assert {arm: tuple(each.values()) for (arm,), each in by_cell(cells, "arm").items()} == {
        "injection": injection,
        "control": control,
    }


def test_the_published_sweeps(store):
    parsed = parse_files("counts", [SWEEPS], ImportOptions())
    parsed.ingest_into(store)
    cells = published_cells(store)
    whole = by_cell(cells, "subject", "span", "arm", "concept", "layer", "strength")
    passed = {
        strength: sum(
            each["event"]
            for key, each in whole.items()
            if key[:3] == ("Qwen2.5-32B-Instruct", "all", "injection") and key[5] == strength
        )
        for strength in (1.5, 2.0, 2.5, 3.0, 4.0)
    }
    assert {key: round(many / 320, 4) for key, many in passed.items()} == {
        1.5: 0.0375, 2.0: 0.1531, 2.5: 0.3438, 3.0: 0.4469, 4.0: 0.3719,
    }  # fmt: skip
    sizes = cells.frame.assign(n=cells.trial_counts).groupby(["subject", "span", "arm"])["n"].sum()
    assert set(sizes) == {1600}
    assert cells.classes == ("event", "rest")  # refusals were not asked for, incoherence is among passed and failed
    assert "'incoherent' (561 trials)" in " ".join(parsed.report.notes)


def test_the_layers_and_strengths_of_a_large_model(shared, store):
    path = shared / "reference" / "published" / "gemma3_27b_layer_strength_counts.csv"
    how = {"subject": "Gemma3-27B", "shared_controls": True}
    with pytest.raises(InputError, match=r"line 65: its cell .* layer 0 strength 2.0\) is there 62 times"):
        parse_files("counts", [path], ImportOptions(**how))
    with pytest.raises(InputError, match="--shared-controls or --no-shared-controls"):
        parse_files("counts", [path], ImportOptions(subject="Gemma3-27B", add_repeated=True))
    parse_files("counts", [path], ImportOptions(**how, add_repeated=True)).ingest_into(store)
    cells = by_cell(published_cells(store), "arm", "layer", "strength")
    assert cells[("injection", 36.0, 4.0)] == {"event": 953, "misnamed": 2292 - 953, "rest": 5000 - 2292}
    assert cells[("injection", 29.0, 3.0)] == {"event": 260, "misnamed": 2539 - 260, "rest": 5000 - 2539}
    assert [key for key in cells if key[0] == "control"] != []
    assert sum(sum(each.values()) for key, each in cells.items() if key[0] == "control") == 5000
    assert sum(sum(each.values()) for key, each in cells.items() if key[0] == "injection") == 310 * 5000


@pytest.mark.parametrize(
    ("shared", "controls", "told"),
    [(True, [10], 10), (False, [10, 10, 10, 10], 40)],
)
def test_repeated_controls_are_one_or_many(read, shared, controls, told):
    rows = "".join(f"{layer},{dose},20,{controls[0]},5,0,2,9\n" for layer in (3, 5) for dose in (1, 2))
    with pytest.raises(InputError, match="--shared-controls"):
        read(WIDE + rows, subject="Toy-7B")
    cells, notes = read(WIDE + rows, subject="Toy-7B", shared_controls=shared)
    assert by_cell(cells, "arm")[("control",)] == {"event": 0, "misnamed": 0, "rest": told}
    assert cells.counts.sum() == told + 80
    assert "n_forced" in notes[0]


def test_controls_that_differ_are_different_trials(read):
    ends = [f"ocean,{layer},10,{layer},{10 - layer}" for layer in (1, 2)]
    rows = "".join(f"Toy-7B,{arm},{end}\n" for arm in ("injection", "control") for end in ends)
    cells, _ = read("subject,arm,concept,layer,n,passed,failed\n" + rows)
    assert by_cell(cells, "arm", "layer")[("injection", 2.0)] == {"event": 2, "rest": 8}
    assert cells.frame[cells.frame["arm"] == "control"]["concept"].tolist() == ["ocean"]
    assert cells.counts[(cells.frame["arm"] == "control").to_numpy()].tolist() == [[17, 3]]
    with pytest.raises(InputError, match="said to be shared, but their counts differ"):
        read("subject,arm,concept,layer,n,passed,failed\n" + rows, shared_controls=True)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FACTS + "Toy-7B,injection,100,20,10,50,15,4\n", "line 2: its outcomes add up to 99, not to n = 100"),
        (FACTS + "Toy-7B,injection,100,-1,10,71,15,5\n", "'identified' is -1"),
        (FACTS + "Toy-7B,injection,0,0,0,0,0,0\n", "'n' is 0"),
        (FACTS + "Toy-7B,injection,100,2.5,10,67,15,5\n", "write a whole number"),
        (FACTS + "Toy-7B,injection,100,,30,50,15,5\n", "'identified' is empty"),
        (FACTS + "Toy-7B,steered,100,20,10,50,15,5\n", "no known arm"),
        (FACTS + "Toy-7B,mismatched,100,20,10,50,15,5\n", "whose question is another"),
        (FACTS + "Toy-7B,,100,20,10,50,15,5\n", "'arm' is empty"),
        (FACTS + ",injection,100,20,10,50,15,5\n", "'subject' is empty"),
        (FACTS + "Toy-7B,control,100,20,10,50,15,5\n", "'identified' is 20 in the control arm"),
        (
            FACTS + BOTH + "Toy-7B,injection,100,20,10,50,15,5\n",
            r"line 4: its cell \(Toy-7B injection\) is there 2 times",
        ),
        (FACTS + "Toy-7B,injection,100,20,10\n", "line 2: has 5 cells"),
        (FACTS + "Toy-7B,injection,3000000000,0,0,3000000000,0,0\n", "'n' is 3000000000: 2147483647 is the most"),
        ("subject,arm,n,event,claimed\nToy-7B,control,2,1,1\n", "'event' beside 'claimed'"),
        ("subject,arm,n,event,refused\nToy-7B,control,2,2,1\n", "add up to 3, not to n = 2"),
        (FACTS, "no rows"),
        ("subject,n,passed,failed\nToy-7B,2,1,1\n", "has no column 'arm'"),
        ("subject,arm,passed,failed\nToy-7B,control,1,1\n", "has no column 'n'"),
        ("arm,n,passed,failed\ncontrol,2,1,1\n", "--subject"),
        ("subject,arm,n\nToy-7B,control,2\n", "has no outcomes"),
        ("subject,arm,n,passed,denied\nToy-7B,control,2,1,1\n", "'passed' or 'failed' beside 'denied'"),
        ("subject,arm,n,identified,claimed\nToy-7B,injection,100,20,50\n", "'claimed_any' .* or 'claimed_other'"),
        ("subject,arm,n,claimed,denied\nToy-7B,injection,2,1,1\n", "has no column 'identified'"),
        ("subject,arm,n,identified,denied\nToy-7B,control,2,0,2\n", "has no column 'claimed'"),
        ("subject,arm,n,passed,refused\nToy-7B,control,50,40,10\n", "give both columns"),
        ("subject,arm,n,passed,failed,refused\nToy-7B,control,50,45,5,9\n", "'refused' is 9, more than the 5"),
        ("subject,arm,layer,n,passed,failed\nA-7B,injection,3,2,1,1\nA-7B,injection,,2,1,1\n", "'layer' is empty"),
        ("subject,arm,layer,n_layers,n,passed,failed\nA-7B,injection,32,32,2,1,1\n", "layers count from 0"),
        ("subject,model,arm,n,passed,failed\na,b,control,2,1,1\n", "two columns for 'subject'"),
        ("subject,arm,span,n,passed,failed\nA-7B,control,no-name,2,1,1\n", "span 'no-name': write its name"),
    ],
)
def test_a_file_that_is_wrong_is_refused_whole(tmp_path, text, problem):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=problem) as caught:
        import_files("counts", [path], tmp_path / "study", ImportOptions(), json=False)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "study").exists()


def test_depth_is_the_layers_place_among_the_models_layers(read):
    cells, _ = read(
        "subject,arm,layer,n_layers,n,passed,failed\nA-7B,injection,7,32,2,1,1\nA-7B,injection,31,32,2,1,1\n"
    )
    assert cells.frame["depth"].tolist() == [0.25, 1.0]


@BOTH_DATABASES
def test_a_table_comes_in_once(read, tmp_path, store):
    read(FACTS + BOTH)
    again = parse_files("counts", [tmp_path / "t.csv"], ImportOptions()).ingest_into(store)
    assert (again.new, again.already, again.repeated) == ({"counts": 0}, {"counts": 2}, 2)
    with pytest.raises(InputError, match=r"Toy-7B control is in the study with other counts: nothing was stored"):
        read(FACTS + BOTH.replace("0,3,40", "0,4,39"), "other.csv")
    assert store.count_rows(tables.counts) == 2


def test_a_size_is_told_by_importing_again(read, tmp_path):
    text = "subject,arm,n,passed,failed\nnew model,injection,2,1,1\n"
    cells, notes = read(text)
    assert "number of parameters not known for new model" in notes[-1]
    cells, notes = read(text, parameters=7e9)
    assert (cells.frame["parameters"].tolist(), len(notes)) == ([7e9], 0)


@BOTH_DATABASES
def test_counts_go_out_and_come_back(read, tmp_path, store):
    read(LAYERS + "A-7B,control,,,3,3,0\n")
    store.add_counts([CountRow("paper", "A-7B", Arm.CONTROL, 9, 3, 2)])
    export_store(store, tmp_path / "out")
    old = (tmp_path / "out" / "counts.jsonl").read_text(encoding="utf-8")
    assert old.count("\n") == 3
    report = ImportReport()
    with closing(Store.open(sqlite_url(tmp_path / "back.db"))) as other:
        read_folder([tmp_path / "out"], ImportOptions(), report).store_into(other, report)
        assert report.problems == []
        assert published_cells(other).content_hash() == published_cells(store).content_hash()


def test_an_export_of_an_earlier_version_comes_in():
    row = {"source": "p", "subject": "A-7B", "arm": "control", "n": 9, "refused": 3, "event": 2}
    check_row(tables.counts, row)
    assert (row["cell"], row["layer"], row["incoherent"]) == ("", None, None)
    with pytest.raises(RowError, match="not the hash of its axes"):
        check_row(tables.counts, {**row, "layer": 3})
    with pytest.raises(RowError, match="do not add up"):
        check_row(tables.counts, {**row, "event": 7})


def test_counts_and_trials_are_studies_of_their_own(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(FACTS + BOTH, encoding="utf-8")
    made = import_files("counts", [path], tmp_path / "study", ImportOptions(), json=False)
    assert (made.new, made.accepted) == ({"counts": 2}, 2)
    trials, columns = tmp_path / "trials.csv", tmp_path / "map.toml"
    with trials.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["k", "m", "a", "p"], ["1", "Toy-7B", "yes", "true"]])
    parts = ("[trial]", 'key="k"', 'subject="m"', 'answer="a"', "[verdict]", 'judge={value="j"}', 'passed="p"')
    columns.write_text("\n".join(parts), encoding="utf-8")
    with pytest.raises(InputError, match="is a study of counts: import trials into a study of their own"):
        import_files("table", [trials], tmp_path / "study", ImportOptions(map=columns), json=False)
    import_files("table", [trials], tmp_path / "other", ImportOptions(map=columns), json=False)
    with pytest.raises(InputError, match="is a study of trials: import counts into a study of their own"):
        import_files("counts", [path], tmp_path / "other", ImportOptions(), json=False)


def test_a_map_names_the_columns_of_another_table(tmp_path, store):
    path, columns = tmp_path / "t.csv", tmp_path / "map.toml"
    path.write_text("layer,total,right,what\n3,10,4,x\n4,10,6,y\n", encoding="utf-8")
    columns.write_text('subject = {value = "A-7B"}\narm = {value = "injection"}\nn = "total"\npassed = "right"\n')
    parse_files("counts", [path], ImportOptions(map=columns)).ingest_into(store)
    assert by_cell(published_cells(store), "layer") == {
        (3.0,): {"event": 4, "rest": 6},
        (4.0,): {"event": 6, "rest": 4},
    }
    for text, problem in {
        'n = "many"': "has no column 'many', which the map names",
        'right = "total"': "'right' is no column of counts",
        "n = 3": "map.toml: n: name a column",
        "n = ": "fix that line",
    }.items():
        columns.write_text(text)
        with pytest.raises(InputError, match=problem):
            parse_files("counts", [path], ImportOptions(map=columns))


def test_the_bundled_table_is_read_as_it_is(store):
    parse_files("counts", [bundled.HERE / "published" / "outcomes_by_model.csv"], ImportOptions()).ingest_into(store)
    imported = published_cells(store)
    with closing(Store.open("sqlite://")) as other:
        bundled.add_published(other)
        assert by_cell(imported, "subject", "arm") == by_cell(published_cells(other), "subject", "arm")
        assert imported.classes == published_cells(other).classes


def test_rows_need_not_have_the_first_rows_fields(read):
    rows = ['{"subject": "A-7B", "arm": "control", "n": 9, "claimed": 2}']
    rows += ['{"subject": "a-7b", "arm": "injection", "n": 9, "claimed": 2, "identified": 3, "layer": 4}']
    cells, notes = read("\n".join(rows).replace("claimed", "claimed_other"), "t.jsonl")
    assert by_cell(cells, "subject", "arm")[("A-7B", "injection")] == {"event": 3, "misnamed": 2, "rest": 4}
    assert any("model 'a-7b' counts as 'A-7B'" in note for note in notes)


@pytest.mark.parametrize("name", ["refused", "incoherent"])
def test_an_outcome_that_only_some_rows_count_is_no_denial(read, tmp_path, name):
    with_, without = f"n,claimed,denied,{name}\nA-7B,control,10,1,8,1\n", "n,claimed,denied\nB-7B,control,10,1,9\n"
    read(f"subject,arm,{without}", "b.csv")
    with pytest.raises(InputError, match=f"'{name}' is counted there and not in the study"):
        read(f"subject,arm,{with_}", "a.csv")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(InputError, match=rf"b.csv line 2: '{name}' is not counted, and it is at a.csv line 2"):
        parse_files("counts", paths, ImportOptions())


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("A-7B,injection,1.000,400,500,100\n", "'n' is '1.000', which may be thousands or a fraction"),
        ("A-7B,injection,100,1.0,0.0\nA-7B,control,100,0.0,1.0\n", "'identified' is 1.0 of 100 trials"),
        ("A-7B,injection,9,2,3,4\nTotal,injection,9,2,3,4\n", "'subject' is 'Total', and other rows have names"),
    ],
)
def test_thousands_shares_and_totals_are_not_counted(read, rows, problem):
    columns = rows.splitlines()[0].count(",") + 1
    header = ",".join(["subject", "arm", "n", "identified", "claimed", "denied"][:columns])
    with pytest.raises(InputError, match=problem):
        read(f"{header}\n{rows}")


def test_few_trials_and_ones_without_a_point_are_numbers(read):
    cells, _ = read("subject,arm,n,identified,claimed\nA-7B,injection,100,1,0\nA-7B,control,4,0,1.0\n")
    assert by_cell(cells, "arm")[("injection",)]["event"] == 1


def test_models_without_one_of_the_arms_are_told(read):
    rows = "A-7B,injection,9,2,3,4\nB-7B,injection,9,2,3,4\nB-7B,control,9,0,3,6\nC-7B,control,9,0,3,6\n"
    _, notes = read(f"subject,arm,n,identified,claimed,denied\n{rows}")
    assert notes[-2:] == [
        "A-7B: no rows without an injection, so that no difference between them can be estimated",
        "C-7B: no rows of injections, so that no difference between them can be estimated",
    ]
