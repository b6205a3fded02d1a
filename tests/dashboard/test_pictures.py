"""Pictures of the pages for the documentation, collected where GNOMON_SCREENSHOTS is 1 (conftest: of which study)."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard_browser import calm, drawn, press_until, start_as_suggested

IMAGES = Path(__file__).resolve().parents[2] / "docs" / "images"

pytestmark = pytest.mark.browser


def picture(page, name: str, height: int = 1000) -> None:
    page.set_viewport_size({"width": 1440, "height": height})
    page.wait_for_load_state("networkidle")
    calm(page)
    page.screenshot(path=IMAGES / f"{name}.png")


@pytest.mark.parametrize("dark", [False, True])
def test_pictures(visit, dark):
    end = "-dark" if dark else ""
    page = visit("published study", "scaling", dark=dark)
    drawn(page)
    picture(page, f"scaling{end}", 1250)
    picture(visit("SmolLM2-135M", dark=dark), f"study{end}")
    page = visit("published study", "refusal", dark=dark)
    drawn(page)
    picture(page, f"refusal{end}", 1100)
    page = visit("published study", "diagnostics", dark=dark)
    drawn(page)
    picture(page, f"diagnostics{end}", 1300)
    page = visit("SmolLM2-135M", "judges", dark=dark)
    drawn(page)
    picture(page, f"judges{end}", 1400)
    page = visit("SmolLM2-135M", "transcripts", dark=dark)
    press_until(page, "ArrowRight", lambda: page.get_by_text("Transcript 1 of").count() == 1)
    picture(page, f"transcripts{end}")
    page = visit("SmolLM2-135M", "label", "&rater=ann", dark=dark)
    start_as_suggested(page)
    page.keyboard.press("s")
    picture(page, f"label{end}", 800)
    assert (IMAGES / f"label{end}.png").stat().st_size > 10_000
