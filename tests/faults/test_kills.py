"""Killed with SIGKILL at random instants, no command loses or doubles a row; `make faults` does this 36 times each."""

from __future__ import annotations

import pytest
from faults_app import kill_app
from faults_killing import kill_often
from faults_studies import BACKUP, EXPORT, FIT, GENERATE, IMPORT, JUDGE, MIGRATE, MOVE

KILLS = 2
SEED = 20
CASES = [
    pytest.param(IMPORT, marks=pytest.mark.slow),
    pytest.param(JUDGE, marks=pytest.mark.slow),
    *(pytest.param(case, marks=pytest.mark.simulation) for case in (GENERATE, FIT, BACKUP, EXPORT, MOVE, MIGRATE)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_killed_command_goes_on_to_the_same_rows(case, tmp_path):
    tally = kill_often(case, KILLS, SEED, tmp_path)
    assert tally.problems == []
    assert (tally.kills, tally.lost, tally.doubled, tally.damaged) == (KILLS, 0, 0, 0)


@pytest.mark.simulation
@pytest.mark.browser
def test_a_killed_app_has_stored_every_label_that_it_moved_on_from(tmp_path, chromium):
    tally = kill_app(chromium, 1, SEED, tmp_path)
    assert tally.problems == []
    assert (tally.kills, tally.lost, tally.doubled, tally.damaged) == (1, 0, 0, 0)
