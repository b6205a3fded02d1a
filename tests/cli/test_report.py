"""The report is one file that needs nothing, says what was found and how, and prints nothing that the audit forbids."""

from __future__ import annotations

import io
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from gnomon.chain.session import OpenStudy
from gnomon.commands.study import fit
from gnomon.data.errors import InputError, NotEnoughDataError
from gnomon.data.records import Facts, JudgeVersion, Label, Trial, Verdict
from gnomon.data.storage import tables
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.report import pdf
from gnomon.report.document import make_report, write_report
from gnomon.report.html_page import html_page
from gnomon.report.report_blocks import ReportSection, ReportTable, StudyReport
from gnomon.report.study_material import read_material
from gnomon.stats.narrative.next_steps import list_notices
from gnomon.stats.narrative.study_overview import summarize_study
from gnomon.stats.stored_fits import newest_fits
from gnomon.stats.tables.estimate_table import EstimateTable, TableColumn
from gnomon.study_file import StudyFile

HOSTILE = "<script>document.title='x'</script>"
EVENT, NOTHING = Facts(True, "ocean", True, False), Facts(False, "none", True, False)


class Read(HTMLParser):
    """What a page asks for, the elements it has, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.elements: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.asked += [str(value) for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def figure(name: str, mean: float) -> dict[str, Any]:
    ends = {f"{end}{level}": mean + sign * 0.01 for level in (50, 80, 95) for end, sign in (("low", -1), ("high", 1))}
    about = {"subject": "toy", "parameters": 1e9, "variant": "instruct", "estimand": name, "by": {}}
    return {**about, "mean": mean, "sd": 0.01, **ends, "observed": None, "n": 40}


MISFIT = {
    "subject": "toy", "arm": "injection", "axis": "layer x strength", "value": "38, 3", "groups": 20, "class": "event",
    "n": 80, "observed": 49, "mean": 38.6, "low95": 30.0, "high95": 47.0, "p": 1e-7, "p_family": 3e-6,
}  # fmt: skip


def add_fit(store: Store, view: str, *estimands: dict[str, Any], predictive: tuple[dict[str, Any], ...] = ()) -> None:
    checks = {
        "max_rhat": 1.0,
        "min_ess_bulk": 900.0,
        "min_ess_tail": 900.0,
        "divergences": 0,
        "draws": 500,
        "chains": 4,
    }
    result = {"view": view, "judge": "lexicon", "estimands": list(estimands), "design": "As run.", "refused": []}
    result["predictive"] = list(predictive)
    row = {
        "id": view * 8,
        "view": view,
        "status": "passed",
        "data_hash": "d" * 64,
        "seed": 1,
        "priors": {"arm_sd": 2.0},
    }
    store.add_fit({**row, "diagnostics": {**checks, "passed": True, "reasons": []}, "result": result})


@pytest.fixture
def study(store: Store, make_trial: Callable[..., Trial], tmp_path: Path) -> OpenStudy:
    """Forty trials, a judge, and fits as judged and corrected."""
    settings = {"name": HOSTILE, "kind": "trials", "concepts": ["ocean"], "judges": ["lexicon"], "label_view": "blind"}
    store.save_settings({**settings, "rule": "strict", "design": {}})
    store.add_judge(JudgeVersion("lexicon-1", "lexicon", "lexicon", {}))
    trials = [make_trial(arm, replicate=place) for arm in ("injection", "control") for place in range(20)]
    store.add_verdicts(Verdict(t.id, "lexicon-1", EVENT if n % 2 else NOTHING) for n, t in enumerate(trials))
    add_fit(store, "judged", figure("net_detection_raw", 0.123), figure("refusal", 0.02))
    add_fit(store, "corrected", figure("net_detection_corrected", 0.777), figure("refusal", 0.02))
    file = StudyFile.model_validate({"name": HOSTILE, "imported": True})
    return OpenStudy(tmp_path, file, store)


@pytest.fixture
def chromium_to_print(monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that prints: the machine's own, else Playwright's."""
    if not any(map(shutil.which, pdf.BROWSERS)):
        fetched = sorted(Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
        if not fetched and os.environ.get("GNOMON_REQUIRE_BROWSER") != "1":
            pytest.skip("no Chromium to print with")
        monkeypatch.setenv("GNOMON_BROWSER", str(fetched[-1]))


def test_a_misfit_is_told_in_the_report_on_the_study_and_by_the_command(
    study: OpenStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = {**MISFIT, "axis": "", "value": "", "p": 0.5, "p_family": 1.0}
    add_fit(study.store, "judged:again", figure("net_detection_raw", 0.1), predictive=(MISFIT, sound))
    first = list_notices(summarize_study(study.store))[0]
    assert first.level == "error"
    assert first.text.startswith("The fit 'judged:again': MISFIT in 1 of 2 posterior predictive checks")
    assert "toy, injection arm: event by layer x strength, at 38, 3: 49 of 80 observed, 38.6 expected" in first.text

    page = Read(write_report(study, tmp_path / "a.html").read_text(encoding="utf-8")).text.replace("\u00a0", " ")
    assert page.count("MISFIT in 1 of 2 posterior predictive checks") == 2, "among the notices and with its estimates"
    assert "All checks: judged:again" in page

    class Fitted:
        stored = next(fit for fit in newest_fits(study.store).values() if fit.view == "judged:again")

    class Study:
        def fit(self, view: str, **how: object) -> Fitted:
            return Fitted()

    fit._fit_view(Study(), "judged", None, False, None)  # type: ignore[arg-type]
    assert "fit as judged: MISFIT in 1 of 2" in "".join(capsys.readouterr())


def test_a_corrected_figure_is_printed_only_where_the_audit_allows_it(study: OpenStudy, tmp_path: Path) -> None:
    out = write_report(study, tmp_path / "a.html")
    page = out.read_text(encoding="utf-8")
    assert "+12 %" in Read(page).text.replace("\u00a0", " ")
    assert "there are no labels, so judge error rates are unknown" in page
    assert not re.search(r"\+78|77\.7|0\.777", page), "a fit that passed does not outweigh the audit"

    trials = list(study.store.load_trials())
    study.store.add_labels([Label(trials[0].id, "ann", NOTHING)])
    told = content(study)
    assert "no judge passes the audit" in told
    assert not re.search(r"\+78|77\.7|0\.777", told)

    claimed = study.store.read_frame(tables.verdicts).set_index("trial")["claims"]
    study.store.add_labels([Label(t.id, "ben", EVENT if claimed[t.id] else NOTHING) for t in trials[1:]])
    assert "+78 %" in content(study)


def content(study: OpenStudy) -> str:
    """All that a report says, without drawing it."""
    blocks = [block for _, block in make_report(read_material(study)).blocks()]
    rows = [str(row) for block in blocks if isinstance(block, ReportTable) for row in block.table.texts()]
    said = [block if isinstance(block, str) else getattr(block, "text", "") for block in blocks]
    return " ".join([*said, *rows]).replace("\u00a0", " ")


def test_the_page_asks_for_nothing_and_runs_nothing(study: OpenStudy, tmp_path: Path) -> None:
    page = Read(write_report(study, tmp_path / "a.html").read_text(encoding="utf-8"))
    assert all(address.startswith(("data:image/svg+xml;base64,", "#")) for address in page.asked), page.asked
    assert not {"script", "iframe", "object", "link", "form"} & set(page.elements)
    assert HOSTILE in page.text


def test_markdown_and_archive_hold_the_same_files(study: OpenStudy, tmp_path: Path) -> None:
    page = write_report(study, tmp_path / "a.md").read_text(encoding="utf-8")
    assert "+12 % (+11 to +13)" in page
    assert (tmp_path / "a-files" / "references.bib").is_file()
    beside = {str(path.relative_to(tmp_path / "a-files")) for path in (tmp_path / "a-files").rglob("*.*")}
    with zipfile.ZipFile(write_report(study, tmp_path / "a.zip")) as archive:
        assert set(archive.namelist()) == {"report.md", *beside}


@pytest.mark.browser
def test_the_report_as_pdf_holds_what_the_page_holds(study: OpenStudy, tmp_path: Path, chromium_to_print: None) -> None:
    out = write_report(study, tmp_path / "a.pdf")
    pages = PdfReader(out).pages
    text = " ".join(" ".join(page.extract_text().split()) for page in pages).replace("\u00a0", " ")
    assert "+12 %" in text
    assert "there are no labels, so judge error rates are unknown" in text
    assert HOSTILE in text
    assert sum(len(page.images) for page in pages) == 0, "figures are drawn, not photographed"
    for title in ("All estimates of this fit", "Outcomes by model and arm", "Priors"):
        assert title in text, "tables are open in print"
    assert [round(float(end)) for end in pages[0].mediabox[2:]] == [595, 842]


@pytest.mark.browser
def test_a_long_table_has_its_heading_on_each_page_of_letter_paper(chromium_to_print: None) -> None:
    columns = (TableColumn("model", "Heading of models"), TableColumn("rate", "Rate", "rate"))
    table = EstimateTable("long", "", columns, tuple({"model": f"m{place}", "rate": 0.5} for place in range(150)))
    section = ReportSection("one", "One")
    section.tabulate("Long", table)
    printed = pdf.html_to_pdf(html_page(StudyReport("s", "", "", (section,)), paper="letter"))
    pages = PdfReader(io.BytesIO(printed)).pages
    assert [round(float(end)) for end in pages[0].mediabox[2:]] == [612, 792]
    assert len(pages) > 2
    assert all("Heading of models" in page.extract_text() for page in pages)


def test_without_a_browser_a_pdf_is_refused_before_any_work(study: OpenStudy, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InputError, match=r"no Chromium or Chrome was found: name one in GNOMON_BROWSER, or write \.html"
    ):
        write_report(study, tmp_path / "a.pdf")
    monkeypatch.setenv("GNOMON_BROWSER", "netscape")
    with pytest.raises(InputError, match="GNOMON_BROWSER names 'netscape', which is not there"):
        write_report(study, tmp_path / "a.pdf")
    assert not (tmp_path / "a.pdf").exists()


def test_a_study_without_a_fit_or_a_place_to_write_is_one_line(study: OpenStudy, tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match=r"report '.*a\.docx': name it \.html, \.pdf, \.md or \.zip"):
        write_report(study, tmp_path / "a.docx")
    with pytest.raises(InputError, match="paper 'a5' is not known: choose from a4, letter"):
        write_report(study, tmp_path / "a.pdf", paper="a5")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(study, tmp_path / "file" / "a.html")
    empty = Store.open(sqlite_url(tmp_path / "empty.db"))
    with pytest.raises(NotEnoughDataError, match="has no fit: run 'gnomon fit"):
        write_report(OpenStudy(tmp_path, study.file, empty), tmp_path / "a.html")
    empty.close()


def test_the_report_of_the_demo_holds_its_figures_audit_and_methods(demo, gnomon, tmp_path: Path) -> None:
    done = gnomon("report", demo.folder, "--out", tmp_path / "demo.html")
    assert done.returncode == 0, done.stderr
    page = Read((tmp_path / "demo.html").read_text(encoding="utf-8"))
    for title in ("The study", "As judged", "Corrected for judge error", "Refusal", "Judges", "Methods"):
        assert title in page.text
    assert page.elements.count("img") >= 4
    assert "lexicon" in page.text
    assert all(address.startswith(("data:", "#")) for address in page.asked)
