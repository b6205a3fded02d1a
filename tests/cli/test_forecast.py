"""`gnomon generate --dry-run` counts from the design and loads nothing; odd strengths and the pace are told."""

from __future__ import annotations

import json

import pytest

from gnomon import console
from gnomon.__main__ import run
from gnomon.chain import trial_generation
from gnomon.commands.study.init import init_study
from gnomon.generation.subjects.model_documents import described_layers


@pytest.fixture
def folder(tmp_path):
    init_study(tmp_path)
    return tmp_path


@pytest.fixture
def no_model(monkeypatch):
    def fails(*_arguments):
        raise AssertionError("a model was loaded")

    monkeypatch.setattr(trial_generation, "_load_subject", fails)


def change(folder, old, new):
    path = folder / "study.toml"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.usefixtures("no_model")
def test_a_dry_run_counts_by_arm_without_a_model(folder, capsys):
    assert run(["generate", str(folder), "--dry-run", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["planned"], found["already"], found["missing"]) == (248, 0, 248)
    assert {each["arm"]: each["missing"] for each in found["arms"]} == {"injection": 120, "control": 80, "random": 48}
    assert found["seconds"] is None
    assert run(["generate", str(folder), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "to generate" in shown
    assert "--time" in shown


@pytest.mark.usefixtures("no_model")
def test_depths_are_counted_before_the_number_of_layers_is_known(folder, capsys):
    change(folder, "layers = [24]", "depths = [0.5, 0.8]")
    assert run(["generate", str(folder), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["arms"][0]["missing"] == 240


@pytest.mark.usefixtures("no_model")
def test_odd_strengths_and_protocols_are_told_before_a_model_is_loaded(folder, capsys):
    text = (folder / "study.toml").read_text()
    line = next(each for each in text.splitlines() if each.startswith("strengths ="))
    change(folder, line, "strengths = [-1, 0, 1e6]")
    assert run(["generate", str(folder), "--dry-run"]) == 0
    said = capsys.readouterr().err
    assert "strength 0 adds nothing" in said
    assert "strength -1 adds the opposite of the concept" in said
    assert "strength 1e+06 is far beyond" in said
    line = next(each for each in text.splitlines() if each.startswith("protocols ="))
    change(folder, line, 'protocols = ["unheard"]')
    assert run(["generate", str(folder)]) == 2
    assert "unheard" in capsys.readouterr().err


def test_time_is_for_a_dry_run(folder, capsys):
    assert run(["generate", str(folder), "--time"]) == 2
    assert "--dry-run" in capsys.readouterr().err


def test_a_slow_pace_is_in_seconds_each():
    assert console.readable_pace(0.02) == "50 s each"
    assert console.readable_pace(0.7) == "1.4 s each"
    assert console.readable_pace(1234.5) == "1,234 a second"


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_layer_that_the_models_files_deny_is_refused_before_they_are_loaded(folder, capsys, options):
    (folder / "small").mkdir()
    (folder / "small" / "config.json").write_text('{"model_type": "llama", "num_hidden_layers": 4}')
    text = (folder / "study.toml").read_text()
    line = next(each for each in text.splitlines() if each.startswith("model ="))
    change(folder, line, f'model = "{folder / "small"}"')
    assert run(["generate", str(folder), *options]) == 2
    told = capsys.readouterr().err
    assert "layer 24: subject 'SmolLM2-135M-Instruct' has layers 0 to 3: fix 'layers' in study.toml" in told
    change(folder, "layers = [24]", "layers = [3]")
    assert run(["generate", str(folder), "--dry-run"]) == 0


@pytest.mark.parametrize("written", ["", "{", "[1]", '{"num_hidden_layers": "many"}', '{"text_config": 3}'])
def test_a_configuration_that_does_not_say_its_layers_leaves_them_open(tmp_path, written):
    (tmp_path / "config.json").write_text(written)
    assert described_layers(str(tmp_path)) is None
    assert described_layers("no/such model at all") is None


@pytest.mark.usefixtures("no_model")
def test_a_dry_run_for_ray_loads_nothing_and_measures_nothing(folder, capsys):
    assert run(["generate", str(folder), "--dry-run", "--ray", "--gpus", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["missing"] == 248
    assert run(["generate", str(folder), "--dry-run", "--time", "--ray"]) == 2
    assert "--time measures on this machine, not on Ray's" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--address", "--gpus", "--gpus-per-actor"])
def test_what_is_for_ray_is_refused_without_it(folder, option, capsys):
    assert run(["generate", str(folder), option, "2"]) == 2
    assert capsys.readouterr().err == f"gnomon: generate: {option} is for Ray: give --ray too\n"
