"""The report of a study as one HTML or PDF file, or as Markdown with figures and tables in folders.

Assembles the report from stored results; fits nothing. A corrected estimate that the audit does not allow is left out,
whatever a fit contains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from gnomon.data.errors import InputError
from gnomon.data.files import write_atomically
from gnomon.data.records import utc_timestamp
from gnomon.data.storage.store import code_version
from gnomon.report.html_page import PAPERS, Paper, html_page
from gnomon.report.markdown_bundle import bundle_files, zip_bytes
from gnomon.report.pdf import find_browser, html_to_pdf
from gnomon.report.report_blocks import ReportSection, StudyReport
from gnomon.report.sections.battery_section import battery_section
from gnomon.report.sections.diagnostic_section import diagnostic_section
from gnomon.report.sections.estimate_sections import estimate_sections
from gnomon.report.sections.judges.card_section import card_section
from gnomon.report.sections.judges.judge_section import judge_section
from gnomon.report.sections.judges.panel_section import panel_section
from gnomon.report.sections.method_section import method_section
from gnomon.report.sections.omission_section import omission_section
from gnomon.report.sections.reference_section import reference_section
from gnomon.report.sections.refusal_section import refusal_section
from gnomon.report.sections.sensitivity_section import sensitivity_section
from gnomon.report.sections.study_sections import answer_section, design_section
from gnomon.report.study_material import ReportedStudy, StudyMaterial, read_material

HTML, PDF, MARKDOWN, BUNDLE = (".html", ".htm"), ".pdf", ".md", ".zip"
ENDINGS = (*HTML, PDF, MARKDOWN, BUNDLE)


def write_report(
    study: ReportedStudy, out: Path, tell: Callable[[str], object] | None = None, *, paper: str = "a4"
) -> Path:
    """Write the report of a study.

    Parameters
    ----------
    study : ReportedStudy
        An open study.
    out : Path
        The file to write: .html, .pdf, .md (figures and tables in a folder beside it) or .zip (the same in one file).
    tell : callable, optional
        Takes one line on what was written.
    paper : {"a4", "letter"}, default "a4"
        Size of paper of a PDF, and of a page that is printed.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    InputError
        If `out` has another ending or cannot be written, the paper is not known, or there is no browser to print a PDF.
    NotEnoughDataError
        If nothing was fitted yet.
    """
    kind, size = out.suffix.lower(), _paper_named(paper)
    if kind not in ENDINGS:
        raise InputError(f"report '{out}': name it .html, .pdf, .md or .zip")
    if kind == PDF:
        find_browser()
    report = make_report(read_material(study))
    files = _report_files(report, out.name, kind, size)
    try:
        for name, content in files.items():
            target = out.parent / name
            target.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(target, content)
    except OSError as error:
        raise InputError(f"report '{out}': cannot be written ({error.strerror}): name another place") from error
    if tell is not None:
        size_mb = sum(map(len, files.values())) / 1e6
        tell(f"{out}: {size_mb:.1f} MB, {report.figure_count} figures, {report.table_count} tables")
    return out


def make_report(material: StudyMaterial) -> StudyReport:
    """The report of a study, section by section."""
    return StudyReport(
        study=material.name,
        made=utc_timestamp()[:16].replace("T", " "),
        version=code_version(),
        sections=tuple(_all_sections(material)),
    )


def _all_sections(material: StudyMaterial) -> Iterable[ReportSection]:
    yield answer_section(material)
    yield from design_section(material)
    yield from estimate_sections(material)
    yield from sensitivity_section(material)
    yield from battery_section(material)
    yield from refusal_section(material)
    yield from judge_section(material)
    yield from panel_section(material)
    yield from card_section(material)
    yield diagnostic_section(material)
    yield method_section(material)
    yield omission_section(material)
    yield reference_section(material)


def _report_files(report: StudyReport, name: str, kind: str, paper: Paper) -> Mapping[str, bytes]:
    """The files of a report by their paths, beside the one that was asked for."""
    if kind == MARKDOWN:
        return bundle_files(report, page=name, folder=f"{Path(name).stem}-files")
    if kind == BUNDLE:
        return {name: zip_bytes(bundle_files(report))}
    page = html_page(report, paper=paper, dark=kind != PDF)
    return {name: html_to_pdf(page) if kind == PDF else page.encode()}


def _paper_named(name: str) -> Paper:
    found: dict[str, Paper] = {paper: paper for paper in PAPERS}
    if name.lower() not in found:
        raise InputError(f"paper '{name}' is not known: choose from {', '.join(PAPERS)}")
    return found[name.lower()]
