"""What we depend on is listed with its licence, and no licence would reach us."""

from __future__ import annotations

import dependencies


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
