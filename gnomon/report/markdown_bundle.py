"""A report as Markdown, with its charts as SVG and its tables as CSV and LaTeX in folders beside it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping

from gnomon.report.chart_pictures import draw_svg
from gnomon.report.report_blocks import (
    Block,
    ReportFigure,
    ReportNotice,
    ReportTable,
    Snippet,
    StudyReport,
    Subheading,
    file_names,
    page_table,
    slug,
)
from gnomon.stats.tables.table_formats import csv_text, latex_text, markdown_text

_MARKS = re.compile(r"([\\`*_<>\[\]|])")
_LINE_MARK = re.compile(r"^(#|[-+>]|\d+[.)])(?=\s)")
PAGE = "report.md"


def bundle_files(report: StudyReport, *, page: str = PAGE, folder: str = "") -> dict[str, bytes]:
    """Every file of the bundle by its path: the page, `figures/`, `tables/` and texts to copy.

    Parameters
    ----------
    report : StudyReport
    page : str, default "report.md"
        Name of the page.
    folder : str, default ""
        Folder of all other files, as the page names it; "" for beside it.
    """
    names = {**_names_of(report, ReportFigure), **_names_of(report, ReportTable)}
    at = f"{folder}/" if folder else ""
    files: dict[str, bytes] = {}
    for _, block in report.blocks():
        if isinstance(block, ReportFigure):
            files[f"{at}figures/{names[id(block)]}.svg"] = draw_svg(block.chart)
        elif isinstance(block, ReportTable):
            files[f"{at}tables/{names[id(block)]}.csv"] = csv_text(block.table).encode()
            files[f"{at}tables/{names[id(block)]}.tex"] = latex_text(block.table).encode()
        elif isinstance(block, Snippet):
            files[f"{at}{block.name}"] = block.text.encode()
    return {page: _page_text(report, names, at).encode(), **files}


def zip_bytes(files: Mapping[str, bytes]) -> bytes:
    """Files by their paths as a ZIP archive; the same files give the same bytes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            archive.writestr(zipfile.ZipInfo(path), content, zipfile.ZIP_DEFLATED)
    return held.getvalue()


def _names_of(report: StudyReport, kind: type[ReportFigure] | type[ReportTable]) -> dict[int, str]:
    """Names of files of all blocks of a kind, by the block's identity: that of its section, then its own."""
    found = [(section, block) for section, block in report.blocks() if isinstance(block, kind)]
    chosen = file_names(f"{section.id}-{_block_name(block)}" for section, block in found)
    return {id(block): name for (_, block), name in zip(found, chosen, strict=True)}


def _block_name(block: ReportFigure | ReportTable) -> str:
    return block.name if isinstance(block, ReportFigure) else block.table.name


def _page_text(report: StudyReport, names: Mapping[int, str], at: str) -> str:
    lines = [f"# {_escape(report.study)}", f"Report by Gnomon {_escape(report.version)}, {report.made} UTC."]
    contents = [f"{n}. [{_escape(section.title)}](#{section.id})" for n, section in enumerate(report.sections, 1)]
    lines.append("\n".join(contents))
    figures = tables = 0
    for number, section in enumerate(report.sections, 1):
        lines.append(f'<a id="{slug(section.id)}"></a>\n\n## {number}. {_escape(section.title)}')
        for block in section.blocks:
            figures += isinstance(block, ReportFigure)
            tables += isinstance(block, ReportTable)
            lines.append(_block_text(block, names.get(id(block), ""), at, figures, tables))
    if terms := report.terms():
        lines.append(f"## {len(report.sections) + 1}. Terms")
        lines += [f"**{_escape(term.name)}**: {term.definition}" for term in terms]
    return "\n\n".join(lines) + "\n"


def _block_text(block: Block, name: str, at: str, figure: int, table: int) -> str:
    if isinstance(block, str):
        return _escape(block)
    if isinstance(block, Subheading):
        return f"### {_escape(block.title)}"
    if isinstance(block, ReportNotice):
        return f"> **{block.level.capitalize()}:** {_escape(block.text)}"
    if isinstance(block, Snippet):
        return f"```\n{block.text.rstrip()}\n```"
    if isinstance(block, ReportFigure):
        return f"![{_escape(block.words)}]({at}figures/{name}.svg)\n\n*Figure {figure}*"
    links = f"[CSV]({at}tables/{name}.csv), [LaTeX]({at}tables/{name}.tex)"
    return f"**Table {table}. {_escape(block.title)}** ({links})\n\n{markdown_text(page_table(block.table)).rstrip()}"


def _escape(text: str) -> str:
    """Text as Markdown shows it verbatim, in one line."""
    flat = _MARKS.sub(r"\\\1", " ".join(text.split()))
    return _LINE_MARK.sub(r"\\\1", flat)
