"""What the browser tests do again and again: wait, find a button, press a key until it has worked."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import TimeoutError

from bench.support.browser import ANSWER, READY
from bench.support.raters import answer_button

CALM = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const idle = app !== null && app.dataset.testScriptState === "notRunning";
  window.calmSince = idle ? (window.calmSince ?? performance.now()) : null;
  return idle && performance.now() - window.calmSince > 400;
}"""


def settle(page) -> None:
    """Wait until the script has run to its end."""
    page.wait_for_selector(READY)


def calm(page) -> None:
    """Wait until no script has run for a while: a page that opens runs twice, once more when its theme is known."""
    page.evaluate("window.calmSince = null")
    page.wait_for_function(CALM, polling=50)


def drawn(page) -> None:
    """Wait until the first chart is drawn, after which the page no longer moves."""
    page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first.wait_for()
    calm(page)


def opened(page, closed, inside) -> None:
    """Open what is closed, again if need be: a page that is drawn anew once its theme is known closes it."""
    for _ in range(5):
        closed.click()
        calm(page)
        if inside.is_visible():
            return
    raise AssertionError("a click opened nothing")


def picked(page, unfold: Callable[[], None], option) -> str:
    """Pick from a list, unfolded again if need be: a page that is drawn anew closes it. What the option said."""
    for _ in range(5):
        if not option.is_visible():
            unfold()
        try:
            words = option.text_content(timeout=4000)
            option.click(timeout=4000)
            return words
        except TimeoutError:
            calm(page)
    raise AssertionError("a list unfolded nothing that can be picked")


def clicked(page, chart, position: dict[str, int], appears) -> None:
    """Click a mark of a chart, again if need be: a click before the chart listens, or while it moves, is lost."""
    for _ in range(4):
        chart.scroll_into_view_if_needed()
        calm(page)
        chart.click(position=position)
        try:
            appears.wait_for(timeout=25_000)
            return
        except TimeoutError:
            calm(page)
    raise AssertionError("a click on a chart did nothing")


def answer_on_screen(page) -> str:
    return page.locator(ANSWER).first.text_content()


def button(page, name: str):
    """A button by its text, or by fact and value (`claims=False`): several questions are answered yes or no."""
    if "=" in name:
        return page.locator(answer_button(name))
    return page.get_by_role("button", name=re.compile(rf"^{name}\b"))


def chosen(page, name: str) -> bool:
    """Whether an answer is chosen; not while the buttons of two transcripts stand on the page, one about to go."""
    return button(page, name).evaluate_all("all => all.length === 1 && all[0].getAttribute('kind') === 'primary'")


def press_until(page, key: str, happened: Callable[[], bool]) -> None:
    """Press a key, again if need be: presses in the first moment of a transcript are dropped by design."""
    for _ in range(10):
        page.keyboard.press(key)
        for _ in range(20):
            if happened():
                settle(page)
                return
            page.wait_for_timeout(40)
    raise AssertionError(f"pressing {key} changed nothing")
