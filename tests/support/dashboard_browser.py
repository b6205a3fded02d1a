"""What the browser tests do again and again: wait, find a button, act until it has worked."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable

from playwright.sync_api import Error

from bench.support.browser import ANSWER, READY
from bench.support.raters import PATIENCE, answer_button

CALM = """() => {
  const app = document.querySelector('[data-testid="stApp"]');
  const drawn = window.gnomonWindow?.isDrawn() ?? true;  // a window of another width or theme draws its page anew
  const fresh = document.querySelector('[data-stale="true"]') === null;
  const idle = drawn && fresh && app !== null && app.dataset.testScriptState === "notRunning";
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


def switch_theme(page, scheme: str) -> None:
    """Have the page in the light or the dark theme, with charts that are drawn in it."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(
        f"() => getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme === '{scheme}'"
    )
    calm(page)


def go_to_page(page, name: str, heading: str) -> None:
    """Follow a link of the menu, again if the click was lost, until the page's heading is there."""
    link = page.get_by_role("link", name=name, exact=True)
    opened = page.get_by_role("heading", name=heading, level=1)
    until(page, link.click, opened.is_visible, f"link '{name}'")


def drawn(page) -> None:
    """Wait until the first chart is drawn, after which the page no longer moves."""
    page.locator("[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg").first.wait_for()
    calm(page)


def until(page, act: Callable[[], object], happened: Callable[[], bool], what: str) -> None:
    """Act, again if need be, until something has happened.

    What a page misses: a press in the first moment of a transcript, a click on a chart that does not listen yet, a list
    that is open while the page is drawn anew because its theme became known, an element that is replaced while it is
    clicked. The wait grows with every try: an act interrupts the page's run, so that a fixed pace could keep a busy
    server from ever finishing one.
    """
    for patience in PATIENCE:
        with contextlib.suppress(Error):
            act()
        end = time.monotonic() + patience
        while time.monotonic() < end:
            with contextlib.suppress(Error):  # what is looked at may be replaced, or gone for good
                if happened():
                    settle(page)
                    return
            page.wait_for_timeout(40)
    raise AssertionError(f"{what} changed nothing in {sum(PATIENCE):.0f} seconds")


def opened(page, closed, inside) -> None:
    """Open what is closed."""
    until(page, lambda: closed.click(timeout=4000), lambda: _lasts(page, inside), "a click on a list")


def _lasts(page, inside) -> bool:
    if inside.is_visible():
        calm(page)
    return inside.is_visible()


def picked(page, unfold: Callable[[], None], option) -> str:
    """Pick from a list. What the option said."""
    words: list[str] = []

    def pick() -> None:
        if not option.is_visible():
            unfold()
        said = option.text_content(timeout=4000)
        option.click(timeout=4000)
        words.append(said)

    until(page, pick, lambda: bool(words), "picking from a list")
    return words[0]


def clicked(page, chart, position: dict[str, int], appears) -> None:
    """Click a mark of a chart."""

    def click() -> None:
        chart.scroll_into_view_if_needed()
        calm(page)
        chart.click(position=position)

    until(page, click, appears.is_visible, "a click on a chart")


def answer_on_screen(page) -> str:
    """The transcript that is to be labelled, once there is one."""
    return page.locator(ANSWER).first.text_content()


def answers_on_screen(page) -> list[str]:
    """Transcripts that stand there now: none where all are labelled, two while one takes the place of another."""
    return page.locator(ANSWER).all_text_contents()


def button(page, name: str):
    """A button by its text, or by fact and value (`claims=False`): several questions are answered yes or no."""
    if "=" in name:
        return page.locator(answer_button(name))
    return page.get_by_role("button", name=re.compile(rf"^{name}\b"))


def chosen(page, name: str) -> bool:
    """Whether an answer is chosen; not while the buttons of two transcripts stand on the page, one about to go."""
    return button(page, name).evaluate_all("all => all.length === 1 && all[0].getAttribute('kind') === 'primary'")


def started(page, rater: str) -> None:
    """Give a name, again if it was written while the page was drawn anew; the queue may turn out to be empty."""
    field = page.get_by_label("Your name")

    def give_name() -> None:
        field.fill(rater, timeout=4000)
        field.press("Enter", timeout=4000)

    until(page, give_name, lambda: not field.is_visible(), "a name")
    calm(page)


def start_as_suggested(page) -> None:
    """Start labelling under the name that the page suggests."""
    start = page.get_by_role("button", name="Start")
    until(page, lambda: start.click(timeout=4000), page.locator(ANSWER).first.is_visible, "Start")


def press_until(page, key: str, happened: Callable[[], bool]) -> None:
    """Press a key until something has happened."""
    until(page, lambda: page.keyboard.press(key), happened, f"pressing {key}")
