"""Waiting times in a real browser: the first page, every page of a million trials, filters, the next item to label.

    python -m bench.performance.pages [--only first pages filters labelling] [--middle URL] [--large URL] [--items N]

Each time is from the key press, click or start of the navigation to the end of its effect, as the browser sees it: the
next answer on the screen, or the script at rest. Beside it stand the CPU seconds of the server's process, which do not
depend on what else runs on the machine; the sessions of server and browser have priority over others where the
system allows it. First page and labelling: 24,600 simulated trials, three judges, two stored fits. Pages and filters:
1,000,000 trials, 3,000,000 verdicts and the same fits. `--middle` and `--large` name databases that hold them already.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.performance import scale
from bench.support.browser import ARGUMENTS, READY, executable, serving
from bench.support.machine import machine
from bench.support.process_share import cpu_seconds, prefer_session, process_with
from bench.support.raters import crowd
from gnomon.data.storage.engines import sqlite_url
from gnomon.data.storage.store import Store
from gnomon.stats.fit import fit_corrected, fit_judged
from gnomon.stats.inference.sampler import QUICK_SETTINGS

MIDDLE, LARGE = 24_600, 1_000_000
SECONDS_AN_ITEM = 1.2
PAGES = ("Study", "Scaling", "Battery", "Refusal", "Judges", "Calibration card", "Label", "Transcripts", "Diagnostics")
MEASUREMENTS = ("first", "pages", "filters", "labelling")
WATCH = """
  window.acted = 0; window.rested = null;
  const act = () => { window.acted = performance.now(); window.rested = null; };
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, act, true);
  const look = () => {
    const app = document.querySelector('[data-testid="stApp"]');
    if (!app) return;
    const state = app.dataset.testScriptState;
    if (state === "running") window.rested = null;
    if (state === "notRunning" && document.querySelector("h1") && window.rested === null)
      window.rested = performance.now();
  };
  new MutationObserver(look).observe(document, { attributes: true, childList: true, subtree: true });
"""
RESTED = "() => window.rested !== null && performance.now() - window.rested > 500 && window.rested - window.acted"
"""Milliseconds from the act to the rest, once that has lasted half a second: asked for later, it may be over."""
WAITS = "You can use the other pages meanwhile."


@dataclass(frozen=True, slots=True)
class Served:
    """A dashboard that is being served: its address and the id of its process."""

    address: str
    pid: int


def main() -> None:
    """Measure and print one JSON document."""
    options = argparse.ArgumentParser(prog="python -m bench.performance.pages", description=__doc__)
    options.add_argument("--only", nargs="+", choices=MEASUREMENTS, default=list(MEASUREMENTS))
    options.add_argument("--items", type=int, default=100, help="items to label")
    options.add_argument("--repeats", type=int, default=5, help="how often each page and filter is opened")
    options.add_argument("--middle", help=f"URL of a database of {MIDDLE:,} trials with two fits")
    options.add_argument("--large", help=f"URL of a database of {LARGE:,} trials with two fits")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="gnomon-pages-") as scratch:
        folder = Path(scratch)
        asked = set(chosen.only)
        middle = chosen.middle or ""
        if not middle and asked & {"first", "labelling"}:
            middle = _labelled_and_fitted(_filled(folder, MIDDLE))
        large = chosen.large or ""
        if not large and asked & {"pages", "filters"}:
            large = _labelled_and_fitted(_filled(folder, LARGE))
        measure: dict[str, Callable[[], object]] = {
            "first": lambda: _first_page(folder, middle, chosen.repeats),
            "pages": lambda: _on_server(folder, large, lambda served: _every_page(served, chosen.repeats)),
            "filters": lambda: _on_server(folder, large, lambda served: _filters(served, chosen.repeats)),
            "labelling": lambda: _on_server(folder, middle, lambda served: _labelling(served, chosen.items)),
        }
        print(json.dumps({"machine": machine(), **{name: measure[name]() for name in chosen.only}}, indent=2))


def _filled(folder: Path, trials: int) -> str:
    url = sqlite_url(folder / f"{trials}.db")
    scale.bring(str(scale.simulated(folder, trials)), url)
    return url


def _labelled_and_fitted(url: str) -> str:
    scale.label(url)
    store = Store.open(url)
    fit_judged(store, settings=QUICK_SETTINGS)
    fit_corrected(store, settings=QUICK_SETTINGS)
    store.close()
    return url


@contextmanager
def _server(folder: Path, url: str) -> Iterator[Served]:
    with serving({"study": url}, folder / "log.txt") as address:
        served = Served(address, process_with("gnomon.dashboard.server.child_process", str(urlsplit(address).port)))
        prefer_session(served.pid)
        yield served


def _on_server(folder: Path, url: str, measure: Callable[[Served], object]) -> object:
    with _server(folder, url) as served:
        return measure(served)


def _first_page(folder: Path, url: str, repeats: int) -> dict[str, object]:
    """Seconds from the navigation to the landing page at rest: of a server just started, and of the same one again."""
    cold, warm = [], []
    for _ in range(repeats):
        with _server(folder, url) as served, _browser() as browser:
            cold.append(_timed(served, page := browser.new_page(), lambda page=page: page.goto(served.address)))  # type: ignore[misc]
            warm.append(_timed(served, page := browser.new_page(), lambda page=page: page.goto(served.address)))  # type: ignore[misc]
    return {"cold": _table(cold), "warm": _table(warm)}


def _every_page(served: Served, repeats: int) -> dict[str, object]:
    """Each page by its link, in turn, repeatedly; what is measured beside the page the first time is waited for."""
    found: dict[str, list[tuple[float, float]]] = {}
    beside = {}
    with _page(f"{served.address}/refusal") as page:
        for name in PAGES * repeats:
            link = page.get_by_role("link", name=name, exact=True)
            found.setdefault(name, []).append(_timed(served, page, link.click))
            began = time.monotonic()
            while page.get_by_text(WAITS).count():
                page.wait_for_timeout(100)
                beside[name] = round(time.monotonic() - began, 1)
    return {**{name: _table(times) for name, times in found.items()}, "seconds until it was measured": beside}


def _labelling(served: Served, items: int) -> dict[str, float]:
    session = asyncio.run(crowd(served.address, "study", ["ann"], items * SECONDS_AN_ITEM))[0]
    lags = sorted(session.lags)
    return {
        "items": len(lags),
        "median_ms": round(statistics.median(lags)),
        "p95_ms": round(lags[int(0.95 * (len(lags) - 1))]),
        "most_ms": round(lags[-1]),
    }


def _filters(served: Served, repeats: int) -> dict[str, object]:
    """Each filter and order of Transcripts, set on a fresh page each time."""
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(repeats):
        for name, act in _acts().items():
            with _page(f"{served.address}/transcripts") as page:
                found.setdefault(name, []).append(_timed(served, page, lambda act=act, page=page: act(page)))  # type: ignore[misc]
    return {name: _table(times) for name, times in found.items()}


def _acts() -> dict[str, Callable[[Any], None]]:
    chosen = ("Arm", "Concept", "Strength", "Model", "Outcome", "Split")
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
def _browser() -> Iterator[Any]:
    """A context of a Chromium whose pages record when they were acted on and when they came to rest."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        mine = f"--gnomon-pages={os.getpid()}"  # no flag of Chromium's: the process is found by it
        browser = playwright.chromium.launch(executable_path=executable(), args=[*ARGUMENTS, mine])
        prefer_session(process_with(mine))
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        context.set_default_timeout(120_000)
        context.add_init_script(WATCH)
        yield context
        browser.close()


@contextmanager
def _page(url: str) -> Iterator[Any]:
    with _browser() as browser:
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector(READY)
        page.wait_for_timeout(1500)  # a page that opens runs twice, once more when its theme is known
        page.wait_for_selector(READY)
        yield page


def _timed(served: Served, page: Any, act: Callable[[], object]) -> tuple[float, float]:
    """Seconds from the press, click or navigation of `act` until the script rests, and the server's CPU seconds."""
    before = cpu_seconds(served.pid)
    act()
    waited = page.wait_for_function(RESTED, polling=50).json_value() / 1000
    return float(waited), cpu_seconds(served.pid) - before


def _table(times: list[tuple[float, float]]) -> dict[str, object]:
    waited, used = zip(*times, strict=True)
    return {
        "seconds": round(statistics.median(waited), 2),
        "cpu": round(statistics.median(used), 2),
        "first": round(waited[0], 2),
        "first_cpu": round(used[0], 2),
        "each": [round(one, 2) for one in waited],
    }


if __name__ == "__main__":
    main()
