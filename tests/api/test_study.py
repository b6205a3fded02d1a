"""A study from Python: made, generated, judged, audited, fitted, planned and reported without a word printed."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_subjects import TEMPLATE, byte_tokenizer, tiny_model

import gnomon as gn
from gnomon.chain.progress import ProgressListener
from gnomon.data.records import Facts, Label

PROTOCOL = """name = "short"
span = "from_marker"
marker = "Now"
temperature = 1.0
max_tokens = 8
[[messages]]
role = "user"
content = "Wait. Now?"
"""
FIT = {"draws": 500, "tune": 300, "chains": 2}


class Notebook(ProgressListener):
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny-1B"
    tiny_model("llama").save_pretrained(folder)
    byte_tokenizer(TEMPLATE).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def heard() -> Notebook:
    return Notebook()


@pytest.fixture(scope="module")
def study(model: Path, heard: Notebook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[gn.Study]:
    """A tiny model steered with two concepts; the lexicon judged it, and half of its trials are labelled."""
    folder = tmp_path_factory.mktemp("made") / "study"
    folder.mkdir()
    (folder / "short.toml").write_text(PROTOCOL, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GNOMON_CACHE", str(folder / "cache"))
        design = {
            "protocols": ["short.toml"],
            "replicates": {"injection": 8, "control": 12},
            "arms": ["injection", "control"],
        }
        with gn.create_study(
            folder,
            concepts=["ocean", "fear"],
            layers=[1],
            strengths=[2.0],
            subjects=[{"name": "tiny-1B", "model": str(model), "parameters": 1e9}],
            judges=["lexicon"],
            design=design,
            fit=FIT,
            listener=heard,
        ) as made:
            made.generate()
            made.judge()
            for row in made.trials.iloc[::2].itertuples():
                made.store.add_labels([Label(str(row.id), "ann", Facts(False, "none", True, False))])
            yield made


def test_the_steps_say_nothing_on_the_terminal_but_tell_a_listener(
    study: gn.Study, heard: Notebook, capfd: pytest.CaptureFixture[str]
) -> None:
    assert len(study.trials) == 28
    assert len(study.verdicts) == 28
    result = study.generate()
    assert result.frame.loc[0, ["made", "already", "failed"]].tolist() == [0, 28, 0]
    judged = study.judge()
    assert judged.frame.loc[0, ["judge", "new", "already"]].tolist() == ["lexicon", 0, 28]
    study.audit()
    assert capfd.readouterr() == ("", "")
    assert any("28 trials generated" in line for line in heard.lines)
    assert repr(study) == f"<Study 'study' in {study.folder}: 28 trials, 28 verdicts, 14 labels>"


def test_forecast_cost_recount_and_plan_are_values(study: gn.Study) -> None:
    assert study.forecast()[0].missing == 0
    assert study.judging_cost().results[0].calls == 0
    assert study.recount("lenient").rules == ("strict", "lenient")
    with pytest.raises(gn.GnomonError, match="width 7"):
        study.plan(width=7)


def test_the_audit_is_that_of_the_labels(study: gn.Study) -> None:
    audit = study.audit()
    assert audit.view == "blind"
    measured = study.trials[study.trials["split"] != "train"].merge(study.labels, left_on="id", right_on="trial")
    assert audit.judges["lexicon"].labelled == len(measured) > 0
    assert set(study.audit_views().views) == {"blind", "first", "current"}


@pytest.fixture(scope="module")
def fit(study: gn.Study):
    return study.fit("judged", priors=gn.Priors(event_mean=-2.0))


def test_a_fit_gives_estimates_draws_and_charts(study: gn.Study, fit, capfd: pytest.CaptureFixture[str]) -> None:
    assert (fit.status, fit.view, fit.priors.event_mean) == ("passed", "judged", -2.0)
    frame = fit.estimates
    assert list(frame.columns[:7]) == ["model", "estimand", "axis", "value", "estimate", "ci_low", "ci_high"]
    row = fit.estimate("net_detection_raw", model="tiny-1B")
    assert fit.estimate("net_detection_raw") == row
    whole = frame[(frame["estimand"] == "net_detection_raw") & (frame["axis"] == "")]
    assert whole[["estimate", "ci_low", "ci_high"]].iloc[0].tolist() == [row.mean, row.low95, row.high95]
    data = fit.to_inference_data(prior_draws=10)
    assert (data.posterior.sizes["chain"], data.posterior.sizes["draw"]) == (2, 500)
    assert data.prior.sizes["draw"] == 10
    for chart in (fit.plot.scaling("net_detection_raw"), fit.plot.forest(), fit.plot.by_concept("net_detection_raw")):
        assert chart.to_dict()
    assert "net_detection_raw" in fit._repr_html_()
    assert capfd.readouterr().out == ""


def test_other_priors_are_another_fit_and_none_are_those_of_the_file(study: gn.Study, fit) -> None:
    assert study.fit("judged", priors=gn.Priors(event_mean=-2.0)).stored.id == fit.stored.id
    assert study.fit("judged").stored.id != fit.stored.id


def test_an_estimate_that_is_not_there_says_why(study: gn.Study, fit) -> None:
    with pytest.raises(
        gn.GnomonError, match=r"estimate 'net': is not in this fit: it has .*net_detection_raw.* of tiny-1B"
    ):
        fit.estimate("net")
    with pytest.raises(gn.GnomonError, match="of 'huge': is not in this fit"):
        fit.estimate("net_detection_raw", model="huge")
    with pytest.raises(gn.GnomonError, match="estimand 'net': is not in this fit by concept: "):
        fit.plot.by_concept("net")
    with pytest.raises(gn.GnomonError, match="view 'published' is not for study 'study': choose judged or corrected"):
        study.fit("published")


def test_the_report_is_written(study: gn.Study, fit, tmp_path: Path) -> None:
    assert study.report(tmp_path / "a.html") == tmp_path / "a.html"
    assert (tmp_path / "a.html").stat().st_size > 10_000


def test_a_closed_study_says_so(study: gn.Study) -> None:
    again = gn.open_study(study.folder)
    assert again.views == ["judged", "corrected"]
    again.close()
    with pytest.raises(gn.GnomonError, match=r"is closed: open it again with gn\.open_study"):
        again.generate()
    assert "(closed)" in repr(again)


def test_a_created_study_file_says_what_was_meant(study: gn.Study, model: Path) -> None:
    held = tomllib.loads((study.folder / "study.toml").read_text(encoding="utf-8"))
    assert held["design"]["replicates"] == {"injection": 8, "control": 12}
    assert held["subjects"] == [{"name": "tiny-1B", "model": str(model), "parameters": 1e9}]
    assert held["judges"] == [{"name": "lexicon", "kind": "lexicon"}]
    assert held["fit"] == FIT
    with pytest.raises(gn.GnomonError, match=r"is there already: open it with gn\.open_study"):
        gn.create_study(study.folder, concepts=["ocean"], layers=[1], strengths=[1])


MISTAKES = [
    ({"concepts": []}, "not written: design.concepts: has too few entries: at least 1"),
    ({"layers": ["three"]}, r"not written: design.layers 1: write a whole number"),
    ({"fit": {"priors": {"wide": 1}}}, "not written: fit.priors: prior 'wide' is not known: choose from arm_sd"),
    ({"design": {"colour": "red"}}, "not written: design.colour: there is no such key"),
    ({"judges": ["oracle"]}, "not written: judges 1"),
    ({"strengths": [object()]}, "to a TOML item: give texts, numbers, lists and tables"),
]


@pytest.mark.parametrize(("changed", "problem"), MISTAKES)
def test_a_value_that_no_study_file_may_hold_is_refused_and_nothing_is_written(
    tmp_path: Path, changed, problem
) -> None:
    with pytest.raises(gn.GnomonError, match=problem) as caught:
        gn.create_study(tmp_path / "new", **{"concepts": ["ocean"], "layers": [1], "strengths": [1.0], **changed})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_folder_without_a_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(gn.GnomonError, match="'gnomon init"):
        gn.open_study(tmp_path)
