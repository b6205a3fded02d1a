"""The documentation site: every page is in its navigation, every link leads somewhere, notebooks become pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench.support.documentation_site import (
    BrokenLinkError,
    decision_index,
    notebook_page,
    page_sources,
    page_text,
    rewrite_links,
    site_path,
)

ROOT = Path(__file__).resolve().parents[1]
NAVIGATION = re.findall(r":? ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_navigation_has_every_page_once():
    pages = {page for page in page_sources() if not re.match(r"decisions/0\d+", page)}
    assert sorted(NAVIGATION) == sorted(pages | {"decisions/index.md"})


@pytest.mark.parametrize("page", sorted(page_sources()))
def test_every_link_of_a_page_leads_to_the_site(page):
    source = page_sources()[page]
    text, copied = rewrite_links(page_text(source), source, page)
    assert all((ROOT / path).is_file() for path in copied)
    assert "](../bench/" not in text


def test_links_lead_from_the_repository_to_the_site():
    given = "[a](../bench/RESULTS.md#x) [b](estimands.md) [c](../stats/fit.py) [d](decisions/) "
    given += "![e](images/audit.png) [f](#here)"
    text, copied = rewrite_links(given, "docs/battery.md", "battery.md")
    assert text == (
        "[a](measurements.md#x) [b](estimands.md) [c](source/stats/fit.py) [d](decisions/index.md) "
        "![e](images/audit.png) [f](#here)"
    )
    assert copied == {"stats/fit.py"}
    assert rewrite_links("[a](docs/json.md)", "README.md", "index.md")[0] == "[a](json.md)"
    assert rewrite_links("[a](../../README.md)", "docs/how-to/x.md", "how-to/x.md")[0] == "[a](../index.md)"


def test_a_link_to_nothing_is_an_error_and_code_is_left_alone():
    with pytest.raises(BrokenLinkError, match=r"docs/x.md: the link to 'none.md' leads to no file"):
        rewrite_links("[a](none.md)", "docs/x.md", "x.md")
    code = "```python\n[a](none.md)\n```"
    assert rewrite_links(code, "docs/x.md", "x.md")[0] == code
    assert site_path("docs/none.md") is None


def test_decisions_are_listed_by_their_titles():
    index = decision_index()
    files = list((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert len(re.findall(r"^- \[\d+\. .+\]\(\d{4}-[a-z0-9-]+\.md\)$", index, re.MULTILINE)) == len(files)


def test_a_notebook_becomes_a_page_with_its_outputs(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {
            "cell_type": "code",
            "source": ["1 + 1"],
            "outputs": [{"data": {"text/plain": ["2"]}}, {"data": {"image/png": "AAAA", "text/plain": ["x"]}}],
        },
        {"cell_type": "code", "source": [], "outputs": []},
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    assert notebook_page(path) == (
        "# Title\n\n```python\n1 + 1\n```\n\n```text\n2\n```\n\n"
        "![Output of the cell above](data:image/png;base64,AAAA)\n"
    )
