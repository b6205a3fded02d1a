"""What `import gnomon as gn` offers is locked, loads when it is used, and costs nothing before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import gnomon as gn

ROOT = Path(__file__).resolve().parents[1]
NAMES = {
    "ArmCounts",
    "GnomonError",
    "Priors",
    "Study",
    "__version__",
    "agreement",
    "audit",
    "bounds",
    "concept_vector",
    "correction",
    "create_study",
    "load_model",
    "open_study",
    "register_arm",
    "register_estimand",
    "register_exporter",
    "register_fact",
    "register_importer",
    "register_judge",
    "steer",
}
HEAVY = {"numpy", "pandas", "torch", "scipy", "pydantic", "sqlalchemy", "transformers", "altair", "numba", "arviz"}


def test_the_public_names_are_these():
    assert set(gn.__all__) == NAMES
    assert list(gn.__all__) == sorted(gn.__all__)
    assert dir(gn) == sorted(NAMES)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_public_name_loads_and_is_described(name):
    value = getattr(gn, name)
    assert isinstance(value, str) or (value.__doc__ or "").strip()


@pytest.mark.parametrize("name", ["agreement", "bounds", "correction"])
def test_every_estimator_is_there_and_described(name):
    module = getattr(gn, name)
    assert module.__all__
    for estimator in module.__all__:
        assert (getattr(module, estimator).__doc__ or "").strip(), estimator


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'gnomon' has no attribute 'frobnicate'"):
        _ = gn.frobnicate


def test_importing_costs_under_a_tenth_of_a_second_and_loads_nothing_heavy():
    code = (
        "import sys, time; start = time.process_time(); import gnomon; spent = time.process_time() - start\n"
        "print(spent, *sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    spent, *loaded = done.stdout.split()
    assert float(spent) < 0.1
    assert not set(loaded) & HEAVY


def test_errors_are_of_one_tree():
    with pytest.raises(gn.GnomonError):
        gn.ArmCounts(engaged=5, n=10, events=9)


def test_lee_bounds_of_the_published_32b():
    injection, control = gn.ArmCounts(engaged=1961, n=2560, events=407), gn.ArmCounts(engaged=912, n=2560, events=7)
    narrow = gn.bounds.lee(injection=injection, control=control)
    assert (round(narrow.low, 4), round(narrow.high, 4)) == (-0.0077, 0.4386)
    assert narrow.interval_low < narrow.low < narrow.high < narrow.interval_high
    assert gn.bounds.worst_case(injection, control).high == 1.0


def test_commands_that_draw_and_test_nothing_do_not_load_what_does():
    """A second of each command, and minutes of the tests, went to charts and tests that it never used."""
    code = (
        "import sys\n"
        "from gnomon.commands.study import calibrate, judge, recount\n"
        "print(*sorted(sys.modules.keys() & {'altair', 'statsmodels', 'scipy.stats', 'torch', 'numba', 'arviz'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_the_first_page_of_the_dashboard_loads_no_tests_and_no_optimiser():
    """More than half a second of a first visit, and of every command that counts, went to them."""
    code = (
        "import logging, sys\n"
        "logging.disable(logging.WARNING)\n"
        "import gnomon.dashboard.views.study\n"
        "print(*sorted(sys.modules.keys() & {'scipy.stats', 'scipy.optimize', 'sklearn', 'torch', 'arviz', 'pymc'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == ""
