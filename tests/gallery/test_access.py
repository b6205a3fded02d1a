"""axe-core finds nothing on any page of any kind of study, light and dark."""

from __future__ import annotations

from typing import Any

import pytest
from dashboard_browser import go_to_page, switch_theme
from page_access import access_faults
from page_geometry import DRAWN
from page_pictures import PAGES, SCHEMES
from study_kinds import KINDS

pytestmark = pytest.mark.browser

QUICK = ("one-model",)
"""The kind that every run looks at; `make test-all` looks at the others: CI is near its limit."""
FADING = 1000
"""Milliseconds in which colours have gone from one scheme to the other, and what was drawn anew has its own."""


CORNER = """() => document.querySelector("[data-testid=stVegaLiteChart] canvas")
  .getContext("2d").getImageData(0, 0, 1, 1).data[0]"""
"""Script that reads how red the corner of the first chart is: its background."""


def lasting_faults(page: Any) -> list[str]:
    """Violations that are still there once nothing fades."""
    if not (found := access_faults(page)):
        return found
    page.wait_for_timeout(FADING)
    return access_faults(page)


def faults_by_page(page: Any, kind: str) -> dict[str, list[str]]:
    """Violations of each page in each scheme."""
    found = {}
    for name in PAGES:
        go_to_page(page, name, kind if name == "Study" else name)
        for scheme in SCHEMES:
            switch_theme(page, scheme)
            found[f"{name}, {scheme}"] = lasting_faults(page)
    return {where: faults for where, faults in found.items() if faults}


@pytest.mark.parametrize(
    "kind",
    [kind.name if kind.name in QUICK else pytest.param(kind.name, marks=pytest.mark.simulation) for kind in KINDS],
)
def test_no_page_has_a_fault_of_access(open_kind, kind):
    found = faults_by_page(open_kind(kind), kind)
    assert not found, "\n".join(f"{where}: {line}" for where, lines in found.items() for line in lines)


def test_a_fault_of_access_is_found(profile):
    page = profile.new_page()
    page.set_content(
        '<main><h1>A page</h1><h3>A part</h3><button></button><p style="color: #aaa; background: #bbb">Pale</p></main>'
    )
    found = " ".join(access_faults(page))
    page.close()
    assert "button-name" in found
    assert "color-contrast" in found
    assert "heading-order" in found


def test_charts_and_chosen_segments_follow_a_theme_that_changes_while_a_page_is_open(open_kind):
    page = open_kind("one-model", "scaling")
    chosen = page.locator("button[data-variant=segmented_control][data-selected=true] p").first
    seen = {}
    for scheme in (*SCHEMES, SCHEMES[0]):
        switch_theme(page, scheme)
        page.wait_for_function(DRAWN)
        told = (page.evaluate(CORNER), chosen.evaluate("node => getComputedStyle(node).color"))
        assert seen.setdefault(scheme, told) == told
    (light, light_text), (dark, dark_text) = seen["light"], seen["dark"]
    assert light > 240
    assert dark < 30
    assert light_text != dark_text
