"""axe-core finds nothing serious on any page, by day and by night."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from dashboard_browser import settle

pytestmark = pytest.mark.browser

PAGES = ["Study", "Scaling", "Refusal", "Judges", "Calibration card", "Label", "Transcripts", "Diagnostics"]
GRAVE = ("serious", "critical")


def grave(page: Any) -> list[str]:
    """Serious violations of a page: rule, what it says, and the first places."""
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in found
        if each["impact"] in GRAVE
    ]


@pytest.mark.parametrize("dark", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("study", ["fitted", "published"])
def test_no_page_has_a_serious_fault_of_access(visit, study, dark):
    page = visit(study, dark=dark)
    faults = {}
    for name in PAGES:
        page.get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", level=1).wait_for()
        settle(page)
        faults[name] = grave(page)
    assert not any(faults.values()), "\n".join(f"{name}: {each}" for name, each in faults.items() if each)
