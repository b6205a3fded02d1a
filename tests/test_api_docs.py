"""docs/api.md: every public name is described, and every example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gnomon as gn

DOCS = Path(__file__).resolve().parents[1] / "docs" / "api.md"
TEXT = DOCS.read_text(encoding="utf-8")
SECTIONS = {text.split("\n", 1)[0]: text for text in TEXT.split("\n## ")[1:]}


def blocks(text: str) -> str:
    """All Python of a part of the page, as one program."""
    return "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))


@pytest.mark.parametrize("name", gn.__all__)
def test_every_public_name_is_described(name: str) -> None:
    assert re.search(rf"^\|[^|]*`{name}`", TEXT, flags=re.MULTILINE)


def run_section(title: str) -> dict[str, object]:
    """Run the examples of a section, after the import at the top of the page."""
    space: dict[str, object] = {"__name__": "examples"}
    start = "import numpy as np\n" + blocks(TEXT.split("\n## ")[0])
    exec(compile(f"{start}\n{blocks(SECTIONS[title])}", str(DOCS), "exec"), space)
    return space


def test_the_page_has_five_examples() -> None:
    assert [title.split(".")[0] for title in SECTIONS] == ["1", "2", "3", "4", "5"]
    assert all(blocks(text) for text in SECTIONS.values())


def test_the_audit_example_runs() -> None:
    audit = run_section("1. Audit a judge from a table")["audit"]
    assert audit.correctable == ["gpt-x"]


def test_the_estimator_examples_run() -> None:
    run_section("2. Estimators on arrays")


@pytest.mark.model
def test_the_study_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    space = run_section("3. A study")
    assert space["fit"].status == "passed"
    assert (tmp_path / "report.html").is_file()


@pytest.mark.model
@pytest.mark.slow
def test_the_steering_example_runs() -> None:
    run_section("4. Steer a model by hand")


def test_the_judge_example_is_registered_and_judges() -> None:
    from gnomon.data.records import Arm, Condition, Span, Trial
    from gnomon.judging.config import JudgeConfig
    from gnomon.judging.kinds import JUDGE_KINDS
    from gnomon.judging.registry import build_judge

    try:
        run_section("5. Extend")
        judge = build_judge(JudgeConfig(name="waves", kind="keyword"), ["ocean"])
        condition = Condition("s", "r", Arm.CONTROL, None, None, 0.0, Span.GENERATION, "p", None, 1)
        (verdict,) = judge.judge_trials([Trial("t", condition, 0, 1, "I notice the sea.", "stop", 4)])
        assert verdict.facts is not None
        assert verdict.facts.claims
    finally:
        JUDGE_KINDS.unregister("keyword")
