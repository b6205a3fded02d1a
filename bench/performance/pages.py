"""Waiting times in a real browser: the next item when labelling, Scaling, Transcripts of a million trials.

    python -m bench.performance.pages [--items N] [--large URL]

Each time is from the key press or click to the end of its effect, as the browser sees it: the next answer on the
screen, or the script at rest. Scaling and labelling: 24,600 simulated trials, three judges, two cached fits.
Transcripts: 1,000,000 trials and 3,000,000 verdicts; `--large` names a database that holds them already.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.performance import scale
from bench.support.browser import ARGUMENTS, READY, executable, serving
from bench.support.machine import machine
from bench.support.raters import crowd
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.fit import fit_corrected, fit_judged
from gnomon.stats.inference.sampler import QUICK_SETTINGS

MIDDLE, LARGE = 24_600, 1_000_000
REPEATS = 5
SECONDS_AN_ITEM = 1.2
WATCH = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const act = () => { window.acted = performance.now(); window.rested = null; };
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, act, true);
  new MutationObserver(() => {
    if (app.dataset.testScriptState === "notRunning") window.rested = performance.now();
  }).observe(app, { attributes: true, attributeFilter: ["data-test-script-state"] });
}"""
RESTED = "() => window.rested !== null && performance.now() - window.rested > 500"


def main() -> None:
    """Measure and print one JSON document."""
    options = argparse.ArgumentParser(prog="python -m bench.performance.pages", description=__doc__)
    options.add_argument("--items", type=int, default=100, help="items to label")
    options.add_argument("--large", help="URL of a database of a million trials")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-pages-") as scratch:
        folder = Path(scratch)
        middle = _filled(folder, MIDDLE)
        store = Store.open(middle)
        scale.label(middle)
        fit_judged(store, settings=QUICK_SETTINGS)
        fit_corrected(store, settings=QUICK_SETTINGS)
        store.close()
        large = chosen.large or _filled(folder, LARGE)
        with serving({"middle": middle, "large": large}, folder / "log.txt") as address:
            found = {
                "machine": machine(),
                "press_to_next_ms": _labelling(address, chosen.items),
                "scaling_seconds": _opening(address, "middle", "Scaling"),
                "transcripts_seconds": _filters(address),
            }
    print(json.dumps(found, indent=2))


def _filled(folder: Path, trials: int) -> str:
    url = sqlite_url(folder / f"{trials}.db")
    scale.bring(str(scale.simulated(folder, trials)), url)
    return url


def _labelling(address: str, items: int) -> dict[str, float]:
    session = asyncio.run(crowd(address, "middle", ["ann"], items * SECONDS_AN_ITEM))[0]
    lags = sorted(session.lags)
    return {
        "items": len(lags),
        "median": round(statistics.median(lags)),
        "p95": round(lags[int(0.95 * (len(lags) - 1))]),
        "most": round(lags[-1]),
    }


def _opening(address: str, study: str, name: str) -> list[float]:
    """Seconds from the click on a page's link until the page is at rest, repeatedly."""
    with _page(f"{address}/refusal?study={study}") as page:
        times = []
        for _ in range(REPEATS):
            times.append(_timed(page, lambda: page.get_by_role("link", name=name, exact=True).click()))
            page.get_by_role("link", name="Refusal", exact=True).click()
            page.get_by_role("heading", name="Refusal", level=1).wait_for()
            page.wait_for_timeout(500)
        return times


def _filters(address: str) -> dict[str, list[float]]:
    """Seconds of the first page of Transcripts and of each of its filters, each set once on a fresh page."""
    times = {"first page": _opening(address, "large", "Transcripts")}
    for name, act in _acts().items():
        with _page(f"{address}/transcripts?study=large") as page:
            times[name] = [_timed(page, lambda act=act, page=page: act(page))]  # type: ignore[misc]
    return times


def _acts() -> dict[str, Callable[[Any], None]]:
    chosen = ("Arm", "Concept", "Strength", "Subject", "Outcome", "Split")
    acts: dict[str, Callable[[Any], None]] = {name: lambda page, name=name: _choose(page, name) for name in chosen}  # type: ignore[misc]
    acts["Judges disagree"] = lambda page: page.get_by_text("Judges disagree").click()
    acts["Labelled"] = lambda page: page.get_by_text("Labelled", exact=True).click()
    acts["Not labelled"] = lambda page: page.get_by_text("Not labelled").click()
    acts["Text, common"] = lambda page: _write(page, "cannot")
    acts["Text, rare"] = lambda page: _write(page, "777777")
    acts["Next rows"] = lambda page: page.get_by_role("button", name="Next rows").click()
    acts["Next transcript"] = lambda page: page.keyboard.press("ArrowRight")
    return acts


def _choose(page: Any, name: str) -> None:
    box = page.get_by_test_id("stSidebar").get_by_role("combobox", name=re.compile(name))
    box.focus()
    box.press("ArrowDown")
    page.get_by_role("option").first.wait_for()
    box.press("Enter")


def _write(page: Any, text: str) -> None:
    box = page.get_by_label("Text contains")
    box.fill(text)
    box.press("Enter")


@contextmanager
def _page(url: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(url)
        page.wait_for_selector(READY)
        page.wait_for_timeout(1500)  # a page that opens runs twice, once more when its theme is known
        page.wait_for_selector(READY)
        page.evaluate(WATCH)
        yield page
        browser.close()


def _timed(page: Any, act: Callable[[], object]) -> float:
    """Seconds from the last press or click of `act` until the script is at rest."""
    act()
    page.wait_for_function(RESTED, polling=50)
    return round(float(page.evaluate("(window.rested - window.acted) / 1000")), 2)


if __name__ == "__main__":
    main()
