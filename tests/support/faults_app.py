"""Kills the app with SIGKILL while a person labels in a real browser: what the page has moved on from is stored."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dashboard_demo
import psutil
from dashboard_browser import answer_on_screen, chosen
from faults_killing import Tally
from faults_studies import ENVIRONMENT, ROOT, database
from playwright.sync_api import Error

from bench.support.browser import ANSWER, READY
from bench.support.raters import DENIES
from gnomon.data.maintenance.integrity import examine_database
from gnomon.data.storage import tables
from gnomon.data.storage.store import Store

FACTS = {"claims": False, "concept": "none", "coherent": True, "refused": False}
SESSION = 5
FRESH = 100
PRESSES = 40
RATER = "ann"


class Killed(Exception):
    """The app is gone: nobody can label."""


def kill_app(browser: Any, kills: int, seed: int, scratch: Path) -> Tally:
    """Kill the app so many times at random instants, from its start to the end of a session of five labels."""
    chance, tally = random.Random(f"app {seed}"), Tally("app")
    folder = _study(scratch, tally)
    begun = time.monotonic()
    reported = list(_session(browser, folder, None, SESSION))
    tally.seconds = time.monotonic() - begun
    while tally.kills < kills:
        instant = chance.uniform(0, tally.seconds)
        reported += _session(browser, folder, instant, 10 * SESSION)
        tally.killed(instant)
        stored = _check(folder, reported, tally)
        tally.between += bool(stored)
        if stored > FRESH:
            folder, reported = _study(scratch, tally), []
    reported += _session(browser, folder, None, SESSION)
    _check(folder, reported, tally)
    return tally


def _study(scratch: Path, tally: Tally) -> Path:
    folder = scratch / f"app-{tally.studies}"
    tally.studies += 1
    (folder / "study").mkdir(parents=True)
    (folder / "study" / "study.toml").write_text('name = "labelled"\nimported = true\n')
    store = Store.open(database(folder))
    dashboard_demo.fill(store, labels=False, fits=False)
    store.close()
    return folder


def _session(browser: Any, folder: Path, instant: float | None, labels: int) -> Iterator[str]:
    """Label in a new session until the app is killed or enough is labelled; gives each answer that was left behind."""
    with _app(folder, instant) as (address, alive):
        page = browser.new_page(viewport={"width": 1440, "height": 1000})
        try:
            alive()
            page.goto(f"{address}/label")
            _until(lambda: page.get_by_label("Your name").is_visible(), alive)
            page.get_by_label("Your name").fill(RATER)
            page.get_by_label("Your name").press("Enter")
            _until(lambda: page.locator(ANSWER).count() > 0, alive)
            for _ in range(labels):
                yield _labelled(page, alive)
        except (Killed, Error):
            if instant is None:
                raise
        finally:
            page.close()


def _labelled(page: Any, alive: Callable[[], None]) -> str:
    _at_rest(page, alive)
    before = str(answer_on_screen(page))
    for key, name in DENIES.items():
        _press(page, key, lambda name=name: chosen(page, name), alive)
    _press(page, "Enter", lambda: answer_on_screen(page) != before, alive)
    return before


def _press(page: Any, key: str, happened: Callable[[], bool], alive: Callable[[], None]) -> None:
    """Press a key, again if need be: presses in the first moment of a transcript are dropped by design."""
    _at_rest(page, alive)
    for _ in range(PRESSES):
        page.keyboard.press(key)
        for _ in range(20):
            alive()
            if happened():
                return
            page.wait_for_timeout(40)
    raise AssertionError(f"pressing {key} changed nothing")


def _at_rest(page: Any, alive: Callable[[], None]) -> None:
    """Wait until the script has run: till then buttons of the transcript before may stand there."""
    _until(lambda: page.locator(READY).count() > 0, alive)


def _until(happened: Callable[[], bool], alive: Callable[[], None]) -> None:
    while not happened():
        alive()
        time.sleep(0.05)


@contextmanager
def _app(folder: Path, instant: float | None) -> Iterator[tuple[str, Callable[[], None]]]:
    """`gnomon dashboard` as a person starts it, killed with its server after `instant` seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    line = [sys.executable, "-m", "gnomon", "dashboard", str(folder / "study"), "--port", str(port)]
    with subprocess.Popen(line, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as app:
        dead = threading.Event()

        def kill() -> None:
            dead.set()
            parent = psutil.Process(app.pid)
            parent.suspend()  # it starts no server any more that would outlive it
            for process in [*parent.children(recursive=True), parent]:
                process.kill()

        def alive() -> None:
            if dead.is_set():
                raise Killed

        timer = threading.Timer(instant, kill) if instant is not None else None
        if timer:
            timer.start()
        assert app.stdout is not None
        for heard in app.stdout:
            if b"dashboard: http" in heard:
                break
        reader = threading.Thread(target=app.stdout.read, daemon=True)
        reader.start()
        try:
            yield f"http://127.0.0.1:{port}", alive
        finally:
            if timer:
                timer.join()
            else:
                app.terminate()
            app.wait(30)
            reader.join()


def _check(folder: Path, reported: list[str], tally: Tally) -> int:
    """Hold the stored labels against those that the page reported; returns how many there are."""
    for damage in examine_database(database(folder)).damage:
        tally.damaged += 1
        tally.problems.append(damage.what)
    store = Store.open(database(folder))
    try:
        answers = {trial.id: trial.answer for trial in store.load_trials()}
        labels = store.read_frame(tables.labels)
    finally:
        store.close()
    stored = Counter(answers[trial] for trial in labels["trial"])
    lost = sum((Counter(reported) - stored).values())
    doubled = sum(number - 1 for number in stored.values())
    wrong = int((labels[list(FACTS)] != list(FACTS.values())).any(axis=1).sum())
    tally.lost += lost
    tally.doubled += doubled
    if lost or doubled or wrong:
        tally.problems.append(f"{lost} labels lost, {doubled} doubled, {wrong} with other facts than were pressed")
    return len(labels)
