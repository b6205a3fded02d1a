"""The whole chain on the real embedded model: what `gnomon demo` promises."""

from __future__ import annotations

import json
import math

import pytest

from gnomon.data import bundled
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.inference.arviz_import import import_arviz

pytestmark = pytest.mark.model

FOUR = {"net_detection_raw", "net_detection_engaged", "net_detection_corrected", "refusal"}
PUBLISHED = {
    "Qwen2.5-0.5B-Instruct": -34.8,
    "Qwen2.5-1.5B-Instruct": -12.8,
    "Qwen2.5-3B-Instruct": 28.4,
    "Qwen2.5-7B-Instruct": 31.3,
    "Qwen2.5-14B-Instruct": 41.1,
    "Qwen2.5-32B-Instruct": -48.8,
    "Qwen2.5-Coder-32B-Instruct": 58.5,
    "Qwen-Coder-Insecure": 55.0,
}


def open_store(demo):
    return Store.open(sqlite_url(demo.folder / "gnomon.db"))


def test_ctrl_c_ends_in_one_clear_line_and_loses_nothing(demo):
    status, heard = demo.interrupted
    assert status == 130
    assert "run the same command again to go on" in heard.splitlines()[-1]
    assert "Traceback" not in heard
    calibration = len(bundled.calibration_set().trials)
    assert len(demo.trials_at_interrupt) > calibration
    assert demo.trials_at_interrupt <= set(open_store(demo).trial_ids())


def test_the_document_says_what_was_done(demo):
    document = demo.document
    assert document["study"] == "demo"
    assert document["subjects"] == ["SmolLM2-135M-Instruct"]
    store = open_store(demo)
    assert document["trials"] == store.count_rows(tables.trials)
    assert document["verdicts"] == store.count_rows(tables.verdicts) == 2 * document["trials"]
    assert document["labels"] == store.count_rows(tables.labels) > 0
    assert {"generate", "judge", "fit", "total"} <= set(document["seconds"])


def test_all_four_figures_have_intervals(demo):
    given = {row["estimand"]: row for row in demo.document["estimates"]}
    assert set(given) >= FOUR
    for row in given.values():
        assert row["low"] <= row["mean"] <= row["high"]
        assert math.isfinite(row["low"])
        assert math.isfinite(row["high"])
    for name in FOUR - {"refusal"}:
        assert -1 <= given[name]["low"] < given[name]["high"] <= 1


def test_every_fit_passed_its_gates(demo):
    diagnostics = demo.document["diagnostics"]
    assert demo.document["failed"] == []
    assert diagnostics["max_rhat"] <= 1.01
    assert diagnostics["min_ess"] >= 400


def test_correcting_costs_certainty(demo):
    width = {row["estimand"]: row["high"] - row["low"] for row in demo.document["estimates"]}
    assert width["net_detection_corrected"] > width["net_detection_raw"]


@pytest.mark.slow
def test_a_second_run_makes_nothing_again(demo, gnomon):
    names = ("trials", "verdicts", "fits")
    before = {name: open_store(demo).count_rows(tables.metadata.tables[name]) for name in names}
    again = gnomon("demo", demo.folder, "--quick", "--no-dashboard", "--json")
    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    assert document["estimates"] == demo.document["estimates"]
    after = {name: open_store(demo).count_rows(tables.metadata.tables[name]) for name in before}
    assert after == before


def test_every_arm_concept_and_protocol_was_run(demo):
    frame = open_store(demo).read_frame(tables.trials)
    made = frame[frame["source"] == "generated"]
    assert set(made["arm"]) == {"injection", "control", "random"}
    assert made[made["arm"] == "injection"].groupby(["concept", "strength", "protocol"]).size().nunique() == 1
    assert (made.loc[made["arm"] != "control", "magnitude"] > 0).all()
    assert made["error"].isna().all()


def test_the_published_study_stands_beside_it(demo):
    figures = demo.document["published"]["estimates"]
    raw = {row["subject"]: row for row in figures if row["estimand"] == "net_detection_raw"}
    assert set(raw) == set(PUBLISHED)
    for name, points in PUBLISHED.items():
        assert 100 * raw[name]["low"] <= points <= 100 * raw[name]["high"], name
        assert abs(100 * raw[name]["mean"] - points) <= 1.5, name


def test_the_published_study_gives_no_corrected_figure_and_says_why(demo):
    document = demo.document["published"]
    assert not [row for row in document["estimates"] if "corrected" in row["estimand"]]
    reasons = [row["reason"] for row in document["refused"] if row["estimand"] == "net_detection_corrected"]
    assert reasons
    assert all("arm" in reason or "label" in reason for reason in reasons)


@pytest.mark.slow
def test_all_draws_of_each_fit_are_written_for_arviz(demo, gnomon, tmp_path):
    done = gnomon("fit", demo.folder, "--netcdf", tmp_path / "draws.nc")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"draws-judged.nc", "draws-corrected.nc"}
    read = import_arviz().from_netcdf(str(tmp_path / "draws-corrected.nc"))
    assert set(read.posterior["judge"].values) == {"learned", "lexicon"}
    assert read.posterior.sizes["chain"] == 4
    assert {"log_likelihood", "observed_data", "prior"} <= set(read.groups())
    nowhere = gnomon("fit", demo.folder, "--netcdf", tmp_path / "missing" / "draws.nc")
    assert nowhere.returncode == 2
    assert "is not a folder: make it, or name another file" in nowhere.stderr


@pytest.mark.slow
def test_plan_says_how_many_labels_reach_a_width_and_where(demo, gnomon):
    done = gnomon("plan", demo.folder, "--estimand", "event_rate_injection", "--width", "0.04", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["width_now"] > 0.04
    assert document["options"]
    assert document["advice"]
    assert {"labels", "trials", "width", "reach"} <= set(document["options"][-1])
    told = gnomon("plan", demo.folder, "--estimand", "event_rate_injection", "--width", "4 %")
    assert document["advice"] in told.stdout
    wrong = gnomon("plan", demo.folder, "--width", "700")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "width 700" in wrong.stderr


def test_calibrate_prints_the_audit(demo, gnomon):
    done = gnomon("calibrate", demo.folder, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {judge["judge"] for judge in document["judges"]} == {"learned", "lexicon"}
    for judge in document["judges"]:
        assert judge["labelled"] > 0
        assert {"tp", "fp", "fn", "tn", "sensitivity", "specificity"} <= set(judge["overall"])
    assert set(document["revisions"]) >= {"n", "after_verdict", "toward_judge"}


@pytest.mark.simulation
def test_a_study_without_labels_gets_raw_figures_and_no_corrected_ones(demo, gnomon, tmp_path):
    """The demo's own trials and verdicts, copied by running the steps again without the calibration set."""
    folder = tmp_path / "bare"
    folder.mkdir()
    text = (demo.folder / "study.toml").read_text().replace("calibration_set = true", "calibration_set = false")
    text = text.replace("injection = 3, control = 20, random = 1", "injection = 1, control = 4, random = 1")
    (folder / "study.toml").write_text(
        text.replace('arms = ["injection", "control", "random"]', 'arms = ["injection", "control"]')
    )
    for step in ("generate", "judge"):
        done = gnomon(step, folder)
        assert done.returncode == 0, done.stderr
    done = gnomon("fit", folder, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    names = {row["estimand"] for row in document["estimates"]}
    assert "net_detection_raw" in names
    assert not [name for name in names if "corrected" in name]
    reasons = [row["reason"] for row in document["refused"] if row["estimand"] == "net_detection_corrected"]
    assert reasons
    assert "label" in reasons[0]
