"""Every code block of README, tutorial, how-to and explanation pages runs, in the order of the navigation.

A block that cannot run has the line *Not run by the tests: REASON.* above it. Of `make` the target must exist.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from page_code import ROOT, BlockError, CodeBlock, blocks_of, run_blocks
from study_kinds import KINDS, make_study

import gnomon

NAVIGATION = re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
FOLDERS = ("tutorial", "how-to", "explanation")
PAGES = [ROOT / "docs" / page for page in NAVIGATION if page.split("/")[0] in FOLDERS]
TUTORIAL = ROOT / "docs/tutorial/first-study.md"
README = ROOT / "README.md"
NOT_RUN = {
    "docs/tutorial/first-study.md": 1,
    "docs/how-to/label-with-two-raters.md": 1,
    "docs/how-to/import-inspect-logs.md": 1,
    "docs/how-to/several-gpus.md": 4,
}
"""Blocks of each page that are not run."""


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_every_page_of_the_folders_is_run():
    held = {path for folder in FOLDERS for path in (ROOT / "docs" / folder).rglob("*.md")}
    assert held == set(PAGES)


def test_every_block_says_its_language_and_those_that_are_not_run_are_counted():
    blocks = {named(page): blocks_of(page) for page in [README, *PAGES]}
    for page in [README, *PAGES]:
        assert len(blocks[named(page)]) * 2 == len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE))
    assert {block.language for each in blocks.values() for block in each} <= {"bash", "python", "toml", "text"}
    counted = {page: sum(block.reason is not None for block in each) for page, each in blocks.items()}
    assert {page: count for page, count in counted.items() if count} == NOT_RUN


@pytest.mark.slow
def test_the_audit_from_a_csv_and_the_explanations_run(tmp_path):
    pages = [page for page in PAGES if page.name == "audit-a-judge.md" or "explanation" in page.parts]
    assert len(pages) >= 2
    run_blocks([block for page in pages for block in blocks_of(page)], tmp_path)


@pytest.mark.slow
def test_all_how_to_pages_run_one_after_the_other(tmp_path):
    start = blocks_of(TUTORIAL)[:1]
    pages = [page for page in PAGES if "how-to" in page.parts]
    run_blocks([*start, *(block for page in pages for block in blocks_of(page))], tmp_path)


@pytest.mark.model
@pytest.mark.slow
def test_the_tutorial_runs(tmp_path):
    run_blocks(blocks_of(TUTORIAL), tmp_path)
    assert (tmp_path / "first/report.html").is_file()


def test_the_first_blocks_of_the_readme_run(tmp_path):
    audit = next(block for block in blocks_of(ROOT / "docs/api.md") if "gn.audit" in block.code)
    made = run_blocks([CodeBlock("start", "python", "import gnomon as gn", None), audit], tmp_path)
    frames = {name: made[name] for name in ("trials", "verdicts", "labels")}
    *first, _ = blocks_of(README)
    assert [block.language for block in first] == ["bash", "python", "python", "text"]
    assert run_blocks(first[:2], tmp_path, frames)["audit"].correctable == ["gpt-x"]


@pytest.mark.slow
def test_the_study_of_the_readme_is_fitted(tmp_path):
    (kind,) = (kind for kind in KINDS if kind.name == "one-model")
    (tmp_path / "my-study").mkdir()
    make_study(kind, tmp_path / "my-study")
    space = run_blocks(blocks_of(README)[2:3], tmp_path, {"gn": gnomon})
    assert space["fit"].status == "passed"


def test_a_block_that_fails_is_named_with_its_line(tmp_path):
    bash = CodeBlock("docs/x.md:3", "bash", "gnomon init study\ngnomon frobnicate", None)
    with pytest.raises(BlockError, match=r"^docs/x.md:3: BlockError: status 2: [\s\S]*frobnicate"):
        run_blocks([bash], tmp_path)
    assert (tmp_path / "study/study.toml").is_file()
    with pytest.raises(BlockError, match=r"^docs/x.md:9: NameError"):
        run_blocks([CodeBlock("docs/x.md:9", "python", "nothing", None)], tmp_path)
    with pytest.raises(BlockError, match="make has no target"):
        run_blocks([CodeBlock("docs/x.md:1", "bash", "make coffee", None)], tmp_path)
