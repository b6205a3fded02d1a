"""A registry: names in order, doubled names refused, plug-ins of installed distributions, and those that fail."""

from __future__ import annotations

import sys

import pytest

from gnomon.data.errors import InputError, PluginError, UnknownNameError
from gnomon.data.registry import Registry

GROUP = "gnomon.test_things"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution of one module, with its entry points, on the import path."""

    def write(name: str, code: str, *points: str) -> None:
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *points]) + "\n", encoding="utf-8")

    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield write
    for name in set(sys.modules) - before:
        sys.modules.pop(name)


def test_values_are_found_by_name_in_the_order_of_registration():
    things: Registry[int] = Registry("thing")
    things.register("second", 2)
    things.register("first", 1)
    assert list(things) == ["second", "first"]
    assert things.find("first") == 1


def test_a_doubled_name_is_refused_and_the_first_value_stays():
    things: Registry[int] = Registry("thing")
    things.register("one", 1)
    with pytest.raises(InputError, match="thing 'one' is registered already: choose another name"):
        things.register("one", 2)
    assert things["one"] == 1


def test_an_unknown_name_is_one_line_with_the_names_there_are():
    things: Registry[int] = Registry("thing")
    things.register("one", 1)
    with pytest.raises(UnknownNameError, match=r"^thing 'two' is not known: choose from one$"):
        things.find("two")


def test_an_installed_value_is_registered_under_its_entry_points_name(install):
    install("gnomon_value_plugin", "THING = 7\n", "seven = gnomon_value_plugin:THING")
    assert Registry[int]("thing", GROUP).find("seven") == 7


def test_an_installed_function_registers_what_it_brings(install):
    things: Registry[int] = Registry("thing", GROUP)
    code = "REGISTRY = None\ndef register_all():\n    REGISTRY.register('eight', 8)\n    REGISTRY.register('nine', 9)\n"
    install("gnomon_function_plugin", code, "all = gnomon_function_plugin:register_all")
    import gnomon_function_plugin

    gnomon_function_plugin.REGISTRY = things
    assert dict(things) == {"eight": 8, "nine": 9}


def test_plugins_are_not_imported_before_a_value_is_asked_for(install):
    install("gnomon_lazy_plugin", "THING = 7\n", "seven = gnomon_lazy_plugin:THING")
    things: Registry[int] = Registry("thing", GROUP)
    things.register("one", 1)
    assert "gnomon_lazy_plugin" not in sys.modules
    assert "seven" in things
    assert "gnomon_lazy_plugin" in sys.modules


def test_a_plugin_that_fails_names_its_distribution_and_leaves_the_others_usable(install):
    install("gnomon_broken_plugin", "raise RuntimeError('no licence')\n", "bad = gnomon_broken_plugin:THING")
    things: Registry[int] = Registry("thing", GROUP)
    things.register("one", 1)
    assert things.find("one") == 1
    with pytest.raises(PluginError) as raised:
        things.find("bad")
    assert "plug-in 'bad' of gnomon_broken_plugin failed (RuntimeError: no licence)" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_plugin_cannot_take_a_name_that_is_built_in(install):
    install("gnomon_doubling_plugin", "THING = 7\n", "one = gnomon_doubling_plugin:THING")
    things: Registry[int] = Registry("thing", GROUP)
    things.register("one", 1)
    assert things["one"] == 1
    assert "'one' is registered already" in things.failures[0]
