"""What we depend on is listed with its licence, and no licence would reach us."""

from __future__ import annotations

import re
import tomllib

import dependencies

from gnomon.data.errors import DISTRIBUTION


def test_the_list_of_licences_is_current():
    assert dependencies.LISTED.read_text(encoding="utf-8") == dependencies.document(), (
        "docs/licences.md is old: python tests/support/dependencies.py licences"
    )


def test_no_copyleft_reaches_us():
    told = dependencies.licences()
    assert [name for name, licence in told.items() if not licence] == []
    assert [name for name, licence in told.items() if dependencies.STRONG.search(licence)] == []
    lesser = {name for name, licence in told.items() if "LGPL" in licence or "Lesser" in licence}
    assert lesser <= set(dependencies.WEAK)


def test_an_audit_that_nobody_answers_says_that_it_did_not_run(monkeypatch, capsys):
    monkeypatch.setattr(dependencies, "_asked", lambda lines: [{"name": "sqlalchemy", "skip_reason": "not found"}])
    assert dependencies.audit() == 0
    assert "THE AUDIT DID NOT RUN" in capsys.readouterr().out


def test_a_known_weakness_fails_the_audit(monkeypatch, capsys):
    found = [{"name": "sqlalchemy", "version": "1", "vulns": [{"id": "PYSEC-1"}]}]
    monkeypatch.setattr(dependencies, "_asked", lambda lines: found)
    assert dependencies.audit() == 1
    assert "sqlalchemy 1: PYSEC-1" in capsys.readouterr().out


def test_every_pin_is_locked_to_files_by_their_hashes():
    held = {**dependencies.locked(dependencies.LOCK), **dependencies.locked(dependencies.CUDA_LOCK)}
    assert all(hashes for hashes in held.values())
    named = {normal(pin): pin for pin in held}
    assert [name for name, version in dependencies.pins().items() if normal(f"{name}=={version}") not in named] == []
    pinned = {normal(f"{name}=={version}") for name, version in dependencies.pins().items()}
    unpinned = {pin.partition("==")[0] for pin in set(named) - pinned}
    assert {name for name in unpinned if not dependencies.is_cuda(name)} <= {
        "appnope",
        "colorama",
        "httpx2-jsfetch",
        "setuptools",
    }
    assert all(dependencies.is_cuda(pin) for pin in dependencies.locked(dependencies.CUDA_LOCK))


def test_the_tools_of_the_documentation_are_locked_apart():
    held = dependencies.locked(dependencies.DOCS_LOCK)
    assert all(hashes for hashes in held.values())
    project = tomllib.loads((dependencies.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = {re.split(r"[<>=]", one)[0] for one in project["dependency-groups"]["docs"]}
    names = {pin.partition("==")[0] for pin in held}
    assert asked <= names
    assert not asked & {pin.partition("==")[0] for pin in dependencies.locked(dependencies.LOCK)}


def normal(pin):
    return pin.lower().replace("_", "-").replace(".", "-")


def test_the_set_up_installs_nothing_that_has_no_hash():
    lines = (dependencies.ROOT / "Makefile").read_text(encoding="utf-8").splitlines()
    installs = [line for line in lines if "$(INSTALL) " in line or ("pip install" in line and "INSTALL =" not in line)]
    assert len(installs) == 4
    assert all("--require-hashes" in line or "--no-build-isolation --editable ." in line for line in installs)


def test_nothing_that_we_do_not_own_is_advised_or_looked_up():
    """`gnomon` and its variants on the index are others'."""
    assert dependencies.DISTRIBUTION == DISTRIBUTION != "gnomon"
    advice = re.compile(r"pip install [^`\n]*\bgnomon(?:\[|\b(?!-introspection))|[^.]version\(['\"]gnomon['\"]\)")
    folders = ("docs", "gnomon", "data", "generation", "judging", "calibration", "stats", "dashboard", "bench")
    files = [
        path for folder in folders for path in (dependencies.ROOT / folder).rglob("*") if path.suffix in (".py", ".md")
    ]
    found = [path.name for path in [*files, *dependencies.ROOT.glob("*.md")] if advice.search(path.read_text("utf-8"))]
    assert [name for name in found if name != "CHANGELOG.md"] == []


def test_the_bill_of_materials_is_current():
    assert dependencies.BILL.read_text(encoding="utf-8") == dependencies.bill_of_materials(), (
        "docs/sbom.cdx.json is old: python tests/support/dependencies.py licences"
    )
