"""Prints an HTML page as PDF with an installed browser, so that the report needs no PDF library."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from gnomon.data.errors import GnomonError, InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge", "brave")
VARIABLE = "GNOMON_BROWSER"
PATIENCE = 120.0


def find_browser() -> str:
    """A browser that can print: the one named by `GNOMON_BROWSER`, or one on the PATH.

    Raises
    ------
    InputError
        If there is none.
    """
    named = os.environ.get(VARIABLE)
    found = shutil.which(named) if named else next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        looked = f"{VARIABLE} names '{named}', which is not there" if named else "no Chromium or Chrome was found"
        raise InputError(f"PDF: {looked}: name one in {VARIABLE}, or write .html and print that")
    return found


def html_to_pdf(page: str) -> bytes:
    """An HTML page as PDF; nothing that the page refers to is fetched, and its scripts do not run.

    Raises
    ------
    GnomonError
        If the browser does not print, or not in time.
    """
    line = [find_browser(), "--headless", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"]
    line += ["--disable-javascript", "--host-resolver-rules=MAP * ~NOTFOUND"]
    line += ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with TemporaryDirectory() as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8")
        line += [f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}", source.as_uri()]
        try:
            done = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise GnomonError(f"PDF: {line[0]} did not print within {PATIENCE:.0f} s: write .html instead") from None
        if not target.is_file():
            said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
            raise GnomonError(f"PDF: {line[0]} did not print ({said}): write .html instead, and print that")
        return target.read_bytes()
