"""A distribution that is only installed brings judges, formats, engines and estimands: the house knows none of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from plugin_distribution import write_distribution

ROOT = Path(__file__).resolve().parents[1]
PLUGIN = """
from gnomon.data.exporters import Exporter
from gnomon.data.importers import Importer
from gnomon.generation.engine.base import EngineKind
from gnomon.judging.kinds import JudgeKind
from gnomon.stats.estimand_registry import Estimand, register_estimand

JUDGE = JudgeKind("shout", lambda config, materials: None)
IMPORTER = Importer("shouts", lambda paths, options, report: iter(()))
EXPORTER = Exporter("shout-list", lambda store, folder: None)
ENGINE = EngineKind("loud", lambda subject, rows: None)


def estimands():
    register_estimand(Estimand("loudness", "loudness", "How loud.", lambda shares: shares["event"], ("injection",)))
"""
CODE = """
import json
from gnomon.commands.doctor import _describe_plugins
from gnomon.data.exporters import EXPORTERS
from gnomon.data.importers import IMPORTERS
from gnomon.generation.engine.base import ENGINES
from gnomon.judging.config import JudgeConfig
from gnomon.stats.estimand_registry import ESTIMANDS, further_estimands, headline_estimands
print(json.dumps({
    "kind": JudgeConfig(name="s", kind="shout").kind,
    "formats": [*IMPORTERS, *EXPORTERS], "engines": [*ENGINES], "further": further_estimands(),
    "first": next(iter(ESTIMANDS)), "headline": headline_estimands(), "doctor": _describe_plugins(),
}))
"""


def test_what_a_distribution_names_is_there_after_the_house_own(tmp_path: Path) -> None:
    write_distribution(tmp_path, "gnomon_shout", PLUGIN, "gnomon.judges", "shout = gnomon_shout:JUDGE")
    groups = {
        "importers": ("shouts", "IMPORTER"),
        "exporters": ("shout-list", "EXPORTER"),
        "engines": ("loud", "ENGINE"),
    }
    lines = [f"\n[gnomon.{group}]\n{name} = gnomon_shout:{value}\n" for group, (name, value) in groups.items()]
    with (tmp_path / "gnomon_shout-1.0.dist-info" / "entry_points.txt").open("a", encoding="utf-8") as file:
        file.writelines([*lines, "\n[gnomon.estimands]\nloudness = gnomon_shout:estimands\n"])
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["kind"] == "shout"
    assert {"shouts", "shout-list", "gnomon", "csv", "table"} <= set(found["formats"])
    assert found["engines"] == ["torch", "fast", "eager", "vllm", "loud"]
    assert found["further"] == ["loudness"]
    assert found["first"] == "detection"
    assert "loudness" not in found["headline"]
    assert "judge kind shout of gnomon_shout; " in found["doctor"]
    assert found["doctor"].count("gnomon_shout") == 5
