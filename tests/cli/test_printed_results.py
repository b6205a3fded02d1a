"""What commands print: percent and signs as on the pages, nothing cut or wrapped in a pipe, the nearest name."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace

import pytest
from rich.table import Table

from gnomon import __main__ as entry
from gnomon.calibration.results.audit import RecountDocument
from gnomon.judging.runs.panel import JudgeReport
from gnomon.render import text_console
from gnomon.render.audit import print_audit
from gnomon.render.estimates import NOT_DENIED, estimates_document, print_estimates
from gnomon.render.text_console import TextConsole
from gnomon.render.verdicts import judging_line, print_recount
from gnomon.stats.stored_fits import newest_fits
from tests.support.dashboard_demo import fill


@pytest.fixture
def demo_store(store):
    fill(store)
    return store


def test_the_rates_that_net_detection_is_made_of_stand_above_it(demo_store, capsys):
    study = SimpleNamespace(store=demo_store, file=SimpleNamespace(name="demo", counts=None))
    document = estimates_document(study, list(newest_fits(demo_store).values()))
    print_estimates(document)
    shown = capsys.readouterr().out.partition("by outcome rule")[0]
    cells = dict(re.findall(r"^(\S.*?)  +(\S.*?) *$", shown, re.MULTILINE))
    means = {line.estimand: line.mean for line in document.estimates if line.view == "judged"}
    assert cells["Identification"] == "35 % (25 to 45)"
    assert cells[NOT_DENIED] == f"{100 * (means['identification'] - means['net_detection_raw']):.0f} %"
    assert shown.index("Identification") < shown.index(NOT_DENIED) < shown.index("Raw net detection")
    assert shown.count("\u2212") == 2
    assert not re.search(r"(?<!\w)-\d", shown)


def test_no_line_is_cut_or_wrapped_in_a_pipe(demo_store, capsys):
    from gnomon.calibration.audit.document import audit_views

    print_audit(audit_views(demo_store))
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) > 300, "sentences stay whole"
    assert "…" not in shown


def test_what_raters_agree_on_says_of_which_labels_it_is(demo_store, capsys):
    from gnomon.calibration.audit.document import audit_views

    audit = audit_views(demo_store)
    truth = dict(audit.truth)
    truth["current"] = truth["current"].model_copy(update={"words": "others"})
    truth["first"] = truth["blind"]
    print_audit(audit.model_copy(update={"truth": truth}))
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Raters")]
    assert [line.partition(":")[0] for line in lines] == ["Raters, blind and first labels", "Raters, current labels"]


def test_a_narrow_terminal_cuts_no_number(monkeypatch, capsys):
    monkeypatch.setattr(text_console, "_default_width", lambda: 40)
    shown = Table("name", "a number", "another", box=None)
    for column in shown.columns:
        column.no_wrap = True
    shown.add_row("a name of some length", "−34.5 % (−37 to −31)", "+12 % (+1 to +24)")
    console = TextConsole()
    console.print(shown)
    assert "+12 % (+1 to +24)" in capsys.readouterr().out
    assert console.width == 40


def test_rules_that_count_alike_share_a_row_and_pass_is_explained(capsys):
    rate = {"value": 0.431, "low": 0.3, "high": 0.5, "se": 0.05, "level": 0.95, "method": "wilson"}
    row = {
        "judge": "lexicon",
        "arm": "control",
        "outcomes": {"denied": 29},
        "verdicts": 50,
        "event": rate,
        "passed": rate,
    }
    rows = [{**row, "rule": name} for name in ("strict", "lenient")]
    document = {"study": "s", "rule": "strict", "rules": ["strict", "lenient"], "rows": rows, "states": []}
    print_recount(RecountDocument.model_validate(document))
    shown = capsys.readouterr().out
    assert "strict *, lenient" in shown
    assert "43 % (30 to 50)" in shown
    assert "Pass: the injected concept identified and, without injection, a denial" in shown
    print_recount(RecountDocument.model_validate({**document, "rows": []}))
    assert "gnomon generate" in capsys.readouterr().out


def test_judging_before_generating_says_what_to_do_first():
    line = judging_line(JudgeReport("lexicon", "v", asked=0, new=0, already=0))
    assert line == "judge lexicon: there are no trials to judge: run 'gnomon generate' or 'gnomon import' first"
    line = judging_line(JudgeReport("lexicon", "v", asked=0, new=0, already=12))
    assert line == "judge lexicon: 0 new verdicts (none), 12 cached"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plan", "x", "--widht", "10"], "No such option: --widht. Did you mean '--width'?: 'gnomon plan --help'"),
        (["caliber", "x"], "Did you mean 'calibrate'?: 'gnomon --help'"),
    ],
)
def test_the_nearest_name_is_offered(arguments, told, monkeypatch):
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)
    assert entry.run(arguments) == 2
    assert told in said.getvalue()
    assert said.getvalue().count("\n") == 1


MISTAKES = {
    "init {file}": "no folder can be made there",
    "init {file}/below": "no folder can be made there",
    "generate {file}": "is a file: name the study's folder",
    "judge {study}": "no judge that can be asked: add [[judges]] to study.toml",
    "judge {study} --attack": "no judge that can be asked: add [[judges]] to study.toml",
    "judge {study} --dry-run": "no judge that can be asked: add [[judges]] to study.toml",
    "judge {study} --compare one": "requires 2 arguments: 'gnomon judge --help' lists",
    "fit {study} --netcdf {file}/draws.nc": "is not a folder: make it, or name another file",
}


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_told_in_one_line_before_anything_is_done(line, tmp_path, capsys):
    study = tmp_path / "study"
    study.mkdir()
    (study / "study.toml").write_text('name = "brought"\nimported = true\n')
    (tmp_path / "file").write_text("no folder")
    assert entry.run(line.format(file=tmp_path / "file", study=study).split()) == 2
    said = capsys.readouterr()
    assert MISTAKES[line] in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
