"""Simulated raters who label by keyboard, each in its own browser, concurrently; records answers, saves and delays."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.support.browser import ANSWER, ARGUMENTS, READY, executable

DENIES = {"n": "claims=False", "0": "concept=none", "s": "coherent=True", "e": "refused=False"}
"""Keys that label a denial, each with the fact and the value of the button that it presses."""
PATIENCE = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds to wait for what a press should do, by try. They grow: a press interrupts the page's run, so that presses at
a fixed pace, faster than a busy server draws, would keep the page from ever being drawn."""
LOOK = 0.05
WATCH = """() => {
  const inside = (node) => node.querySelector('[data-testid="transcript"]')
    ?? [...node.querySelectorAll("*")].map((each) => each.shadowRoot && inside(each.shadowRoot)).find(Boolean);
  const shown = () => {
    const box = document.querySelector(".st-key-answer");
    return box && inside(box)?.textContent;
  };
  window.lags = [];
  addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    const pressed = performance.now(), before = shown();
    const look = () => {
      const now = shown();
      if (now && now !== before) window.lags.push(performance.now() - pressed);
      else if (performance.now() - pressed < 5000) requestAnimationFrame(look);
    };
    look();
  }, true);
}"""


@dataclass
class Session:
    """One rater's session: answers shown and saved, in order, and milliseconds from each saving key press to the
    next answer.
    """

    rater: str
    shown: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    errors: int = 0


async def crowd(address: str, study: str, raters: Sequence[str], seconds: float) -> list[Session]:
    """Let raters label a served study concurrently, each in its own browser context.

    Parameters
    ----------
    address : str
        Address of the server.
    study : str
        Name of the study.
    raters : sequence of str
        Names of the raters.
    seconds : float
        Duration.
    """
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable(), args=list(ARGUMENTS))
        pages = [await _opened(browser, f"{address}/label?study={study}&rater={rater}") for rater in raters]
        end = time.monotonic() + seconds
        sessions = await asyncio.gather(*(_rate(page, rater, end) for page, rater in zip(pages, raters, strict=True)))
        await browser.close()
    return list(sessions)


async def _opened(browser: Any, url: str) -> Any:
    page = await (await browser.new_context(viewport={"width": 1280, "height": 900})).new_page()
    page.set_default_timeout(60_000)
    await page.goto(url)
    start = page.get_by_role("button", name="Start")  # the name in the URL is only suggested
    await _until(page, partial(start.click, timeout=4000), page.locator(ANSWER).first.is_visible, "Start")
    await page.evaluate(WATCH)
    return page


async def _rate(page: Any, rater: str, end: float) -> Session:
    session = Session(rater)
    session.shown.append(await _answer(page))
    while time.monotonic() < end:
        for key, name in DENIES.items():
            await _press_until(page, key, lambda name=name: _chosen(page, name))  # type: ignore[misc]
        before = session.shown[-1]
        await _press_until(page, "Enter", lambda before=before: _changed(page, before))  # type: ignore[misc]
        session.saved.append(before)
        session.shown.append(await _answer(page))
    session.lags = list(await page.evaluate("window.lags"))
    session.errors = await page.get_by_test_id("stException").count() + await page.get_by_test_id("stAlert").count()
    return session


async def _answer(page: Any) -> str:
    return str(await page.locator(ANSWER).first.text_content())


async def _changed(page: Any, before: str) -> bool:
    found = page.locator(ANSWER)
    return await found.count() == 1 and await found.text_content() not in (before, "")


def answer_button(name: str) -> str:
    """CSS selector of the button that gives a fact a value, such as `claims=False`."""
    return f'[class*="st-key-{name.replace("=", "-")}-"] button'


async def _chosen(page: Any, name: str) -> bool:
    """Whether an answer is chosen; not while the buttons of two transcripts stand on the page, one about to go."""
    alone = "all => all.length === 1 && all[0].getAttribute('kind') === 'primary'"
    return bool(await page.locator(answer_button(name)).evaluate_all(alone))


async def _press_until(page: Any, key: str, happened: Callable[[], Awaitable[bool]]) -> None:
    """Press a key until something has happened: presses in the first moment of a transcript are ignored by design."""
    await _until(page, partial(page.keyboard.press, key), happened, f"pressing {key}")


async def _until(
    page: Any, act: Callable[[], Awaitable[None]], happened: Callable[[], Awaitable[bool]], what: str
) -> None:
    """Act, again if need be, until something has happened; what fails while the page is drawn anew is done again."""
    from playwright.async_api import Error

    for patience in PATIENCE:
        with suppress(Error):
            await act()
        end = time.monotonic() + patience
        while time.monotonic() < end:
            await asyncio.sleep(LOOK)
            if await happened():
                await page.wait_for_selector(READY)  # until then buttons of the previous transcript may still be shown
                return
    raise RuntimeError(f"{what} changed nothing in {sum(PATIENCE):.0f} seconds")
