"""A table of estimates as CSV, Markdown and LaTeX, to be pasted into a paper or a spreadsheet."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gnomon.stats.tables.estimate_table import EstimateTable

FILE_DIGITS = 10
"""Decimals of a value in a CSV file: more is noise of the arithmetic."""
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "−": "$-$",
        "–": "--",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "\u00a0": "~",
    }
)


def csv_text(table: EstimateTable) -> str:
    """Values unrounded, an interval in three columns; an apostrophe before what a spreadsheet would run."""
    return str(table.data_frame().map(_file_value).to_csv(index=False))


def markdown_text(table: EstimateTable) -> str:
    """A table in GitHub's Markdown, with caption and notes around it."""
    heads = [_markdown_cell(column.heading) for column in table.columns]
    ruled = ["---" if column.kind == "text" else "---:" for column in table.columns]
    lines = [heads, ruled, *([_markdown_cell(cell) for cell in row] for row in table.texts())]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return "\n\n".join(part for part in (_one_line(table.caption), body, *map(_one_line, table.notes)) if part) + "\n"


def latex_text(table: EstimateTable) -> str:
    """A `table` environment with rules of the booktabs package, caption above and notes below."""
    align = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    head = " & ".join(escape_latex(column.heading) for column in table.columns)
    body = "\n".join(f"    {' & '.join(map(escape_latex, row))} \\\\" for row in table.texts())
    notes = "".join(f"  \\par\\footnotesize {escape_latex(note)}\n" for note in table.notes)
    return (
        "\\begin{table}\n  \\centering\n"
        f"  \\caption{{{escape_latex(table.caption)}}}\n"
        f"  \\begin{{tabular}}{{{align}}}\n    \\toprule\n    {head} \\\\\n    \\midrule\n{body}\n"
        f"    \\bottomrule\n  \\end{{tabular}}\n{notes}\\end{{table}}\n"
    )


TABLE_FORMATS: Mapping[str, Callable[[EstimateTable], str]] = {
    "CSV": csv_text,
    "Markdown": markdown_text,
    "LaTeX": latex_text,
}
"""By the name that readers see: what turns a table into text."""


def escape_latex(text: str) -> str:
    """The text with what LaTeX would read as a command escaped, in one line."""
    return _one_line(text).translate(_LATEX)


def guard_formula(cell: object) -> object:
    """The cell; a text that a spreadsheet would run as a formula with an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _file_value(cell: object) -> object:
    return round(cell, FILE_DIGITS) if isinstance(cell, float) else guard_formula(cell)


def _markdown_cell(text: str) -> str:
    return re.sub(r"([\\|`*_<>\[\]])", r"\\\1", _one_line(text))


def _one_line(text: str) -> str:
    return " ".join(text.split())
