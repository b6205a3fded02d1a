"""A plug-in that fails at import is one clear line that names it, its distribution and the cause; nothing half-done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_distribution import write_distribution

from gnomon.chain.session import opened
from gnomon.data.errors import GnomonError, PluginError
from gnomon.data.facts import FACTS
from gnomon.data.records import Arm, CountRow, Subject
from gnomon.data.registry import Registry
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.estimand_registry import ESTIMANDS
from gnomon.stats.fit import fit_published

GROUP = "gnomon.test_failures"
ROOT = Path(__file__).resolve().parents[1]
STUDY = """name = "t"
imported = true
concepts = ["ocean"]

[[judges]]
name = "lexicon"
kind = "lexicon"

[[judges]]
name = "magic"
kind = "magic"
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of distributions that is on the import path."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        sys.modules.pop(name)


def gnomon(plugins: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gnomon", *map(str, arguments)]
    paths = os.pathsep.join([str(plugins), str(ROOT)])
    return subprocess.run(
        line,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths},
    )


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("import gnomon_no_such_module\n", "ModuleNotFoundError: No module named 'gnomon_no_such_module'"),
        ("raise RuntimeError('two\\nlines')\n", "RuntimeError: two lines"),
        ("raise SystemExit('bye')\n", "SystemExit: bye"),
        ("x = (\n", "SyntaxError: '(' was never closed"),
        ("", "AttributeError: module 'gnomon_failing' has no attribute 'THING'"),
    ],
)
def test_the_line_names_plugin_distribution_and_cause(path: Path, code: str, cause: str) -> None:
    write_distribution(path, "gnomon_failing", code, GROUP, "magic = gnomon_failing:THING")
    things: Registry[int] = Registry("thing", GROUP)
    things.register("one", 1)
    with pytest.raises(PluginError) as raised:
        things.find("magic")
    said = str(raised.value)
    assert said.startswith(f"plug-in 'magic' of gnomon_failing failed ({cause}")
    assert said.endswith("update or uninstall gnomon_failing")
    assert "\n" not in said
    assert isinstance(raised.value, GnomonError)
    assert dict(things) == {"one": 1}, "the others stay"
    with pytest.raises(PluginError, match="plug-in 'magic' of gnomon_failing"):
        things.check_plugins()


def test_what_it_registered_before_it_failed_is_taken_back(path: Path) -> None:
    code = "REGISTRY = None\ndef bring():\n    REGISTRY.register('half', 1)\n    raise ValueError('then this')\n"
    write_distribution(path, "gnomon_half", code, GROUP, "all = gnomon_half:bring")
    things: Registry[int] = Registry("thing", GROUP)
    import gnomon_half

    gnomon_half.REGISTRY = things
    assert dict(things) == {}
    assert "ValueError: then this" in things.failures[0]


def test_no_fit_is_made_without_an_estimand_that_was_installed(
    path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_distribution(path, "gnomon_failing", "import nowhere_at_all\n", "gnomon.estimands", "e = gnomon_failing:E")
    monkeypatch.setattr(ESTIMANDS, "_loaded", False)
    monkeypatch.setattr(ESTIMANDS, "_failed", {})
    store.add_subjects([Subject("small", 5e8, "toy", "instruct")])
    store.add_counts([CountRow("paper", "small", arm, 10, 1, 1) for arm in (Arm.INJECTION, Arm.CONTROL)])
    with pytest.raises(PluginError, match="plug-in 'e' of gnomon_failing failed"):
        fit_published(store)


def test_no_study_is_opened_without_a_fact_that_was_installed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_distribution(path, "gnomon_failing", "import nowhere_at_all\n", "gnomon.facts", "hedged = gnomon_failing:F")
    monkeypatch.setattr(FACTS, "_loaded", False)
    monkeypatch.setattr(FACTS, "_failed", {})
    (path / "study.toml").write_text(STUDY, encoding="utf-8")
    with pytest.raises(PluginError, match="plug-in 'hedged' of gnomon_failing failed"), opened(path):
        pass
    assert not (path / "gnomon.db").exists()


def test_the_other_judges_go_on_and_the_line_is_printed(tmp_path: Path) -> None:
    plugins, study = tmp_path / "site", tmp_path / "study"
    plugins.mkdir()
    study.mkdir()
    write_distribution(plugins, "gnomon_magic", "import licence_server\n", "gnomon.judges", "magic = gnomon_magic:KIND")
    (study / "study.toml").write_text(STUDY, encoding="utf-8")
    Store.open(sqlite_url(study / "gnomon.db")).close()
    done = gnomon(plugins, "judge", study)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert (
        "plug-in 'magic' of gnomon_magic failed (ModuleNotFoundError: No module named 'licence_server')" in done.stderr
    )
    assert "judge lexicon" in done.stderr


def test_an_importer_that_fails_leaves_no_study_behind(tmp_path: Path) -> None:
    write_distribution(tmp_path, "gnomon_bars", "1 / 0\n", "gnomon.importers", "bars = gnomon_bars:IMPORTER")
    done = gnomon(tmp_path, "import", "bars", tmp_path / "gnomon_bars.py", "--study", tmp_path / "study")
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "plug-in 'bars' of gnomon_bars failed (ZeroDivisionError: division by zero)" in line
    assert not (tmp_path / "study").exists()
