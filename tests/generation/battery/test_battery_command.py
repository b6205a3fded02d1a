"""Claims about `gnomon battery` on a tiny model: one table, what is missing is made once, mistakes are one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gnomon.api.study import Study, open_study
from gnomon.chain.battery_run import BatteryDocument
from gnomon.console import print_json
from gnomon.data.arms.battery_measures import task_title
from gnomon.data.errors import InputError, UnknownNameError
from gnomon.render.battery import print_battery, printed_table
from gnomon.stats.narrative.battery.battery_sentences import yes_shift_sentences
from gnomon.stats.tables.battery.battery_tables import task_table

DESIGN = """
name = "small"
seed = 1

[[subjects]]
name = "toy"
model = "{model}"
parameters = 1_000_000
family = "toy"
variant = "instruct"

[design]
concepts = ["ocean", "fear"]
layers = [1]
strengths = [2.0, 4.0]
arms = ["injection", "control"]
spans = ["from_marker"]
protocols = ["plain"]
replicates = {{ injection = 1, control = 2 }}
"""
TASKS = ["notice", "unrelated_no", "unrelated_yes", "pick", "rating"]


@pytest.fixture
def folder(model_folder: Callable[..., Path], own_cache: Path, tmp_path: Path) -> Path:
    made = tmp_path / "study"
    made.mkdir()
    (made / "study.toml").write_text(DESIGN.format(model=model_folder()), encoding="utf-8")
    return made


def ran(study: Study) -> BatteryDocument:
    return study.battery(tasks=TASKS, items=2)


def test_one_command_makes_what_is_missing_and_gives_one_table(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with open_study(folder) as study:
        first, again = ran(study), ran(study)
    assert first.generated[0].made == first.generated[0].planned > 50
    assert (again.generated[0].made, again.generated[0].already) == (0, first.generated[0].planned)
    assert again.summary == first.summary
    assert [entry.task for entry in first.legend] == TASKS
    print_battery(first)
    told = capsys.readouterr().out.splitlines()
    curves = next(number for number, line in enumerate(told) if "by dose and by depth" in line)
    assert {line.split()[0] for line in told[curves:] if " strength " in line} >= {"notice", "pick"}
    lines = told[:curves]
    titles = [task_title(name) for name in TASKS]
    assert [title for line in lines for title in titles if line.startswith(f"{title}  ")] == titles
    head = next(line for line in lines if line.startswith("Task"))
    assert head.split()[:3] == ["Task", "Counted", "Chance"]
    assert "Injection less control" in head
    assert "50 %" in next(line for line in lines if line.startswith("pick"))
    assert sum("unrelated questions" in line for line in lines) >= 1
    print_json(first)
    assert json.loads(capsys.readouterr().out)["generated"][0]["subject"] == "toy"


def test_fewer_items_make_no_trials_and_all_that_are_stored_count(folder: Path) -> None:
    with open_study(folder) as study:
        study.battery(tasks=["pick"], items=3)
        document = study.battery(tasks=["pick"], items=1)
    (row,) = document.summary.tasks
    assert {rate.arm: rate.n for rate in row.rates} == {"injection": 12, "random": 12, "control": 6, "sham": 6}
    table = task_table(document.summary, "toy")
    wide, narrow = (printed_table(table, "toy", is_wide=is_wide) for is_wide in (True, False))
    assert wide.row_count == narrow.row_count == 1
    assert len(wide.columns) == len(narrow.columns) + 1
    assert not yes_shift_sentences(document.summary, "toy")


def test_mistakes_are_one_line_before_a_trial_is_made(folder: Path) -> None:
    with open_study(folder) as study:
        with pytest.raises(UnknownNameError, match="battery task 'guess' is not known: choose from notice, "):
            study.battery(tasks=["guess"])
        with pytest.raises(UnknownNameError, match="'transcribe_copy' is not known"):
            study.battery(tasks=["transcribe_copy"])
        with pytest.raises(UnknownNameError, match="subject"):
            study.battery(subjects=["nobody"])
        assert not study.store.trial_ids()
    text = (folder / "study.toml").read_text(encoding="utf-8")
    (folder / "study.toml").write_text(text.replace('"fear"', '"omen"'), encoding="utf-8")
    with open_study(folder) as study:
        with pytest.raises(InputError, match="options 'ocean' and 'omen' begin with the same token 'o'"):
            study.battery(tasks=["name"])
        assert not study.store.trial_ids()
