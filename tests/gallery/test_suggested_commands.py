"""Every command that a page suggests succeeds in a study of that kind, and gives the page what it lacks."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from page_texts import read_page
from study_kinds import BAD_INPUTS, KINDS, StudyKind, make_study

from gnomon.__main__ import run
from gnomon.chain.session import opened
from gnomon.chain.trial_generation import requested_sweeps
from gnomon.dashboard.study_picker import STARTED_IN

VIEWS = ("study", "scaling", "battery", "refusal", "judges", "calibration_card", "label", "transcripts", "diagnostics")
LONG = ("generate", "battery", "strengths")
"""Commands that steer a model: of these only what they need is checked."""
UNSEEN = ("plan", "--attack")
"""Commands that only tell, and attacks: those are on the judge of the study file, the card on a made-up version."""
QUICK = ("generic",)
"""Kinds that every run tries."""


def suggestions(url: str) -> dict[str, list[str]]:
    """Pages by the command that they suggest."""
    found: dict[str, list[str]] = {}
    for view in VIEWS:
        for line in read_page(url, view).commands:
            found.setdefault(line, []).append(view)
    return found


def quoted_commands(url: str) -> set[str]:
    """Commands that a page only names in a sentence, in quotes."""
    return {line for view in VIEWS for line in re.findall(r"'(gnomon [^']+)'", read_page(url, view).text)}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=kind.name, marks=() if kind.name in QUICK else pytest.mark.simulation)
        for kind in (*KINDS, *BAD_INPUTS)
    ],
)
def test_a_suggested_command_does_what_the_page_lacks(
    kind: StudyKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / kind.name
    folder.mkdir()
    url = make_study(kind, folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(STARTED_IN, str(tmp_path))
    tried: set[str] = set()
    while left := {line: views for line, views in suggestions(url).items() if line not in tried}:
        line, views = next(iter(left.items()))
        tried.add(line)
        words = shlex.split(line)
        if words[1] in LONG:
            with opened(folder) as study:
                requested_sweeps(study, [], [])
            continue
        before = {view: read_page(url, view) for view in views}
        status = run(words[1:])
        assert status == 0, f"{line}: {capsys.readouterr().err}"
        for view in views if not set(words) & set(UNSEEN) else ():
            after = read_page(url, view)
            assert line not in after.commands, f"{view} suggests '{line}' as before"
            assert after.text != before[view].text
    for line in quoted_commands(url):
        assert run([shlex.split(line)[1], "--help"]) == 0
    capsys.readouterr()
