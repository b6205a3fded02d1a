"""Pictures of every page of every kind of study, for docs/images/gallery, and the page that shows them."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dashboard_browser import calm, go_to_page, press_until, started
from page_geometry import DRAWN
from PIL import Image
from playwright.sync_api import Error
from study_kinds import KINDS

from bench.support.browser import ANSWER

PAGES = ["Study", "Scaling", "Battery", "Refusal", "Judges", "Calibration card", "Label", "Transcripts", "Diagnostics"]
WIDTHS = (1440, 1024)
SCHEMES = ("light", "dark")
TALLEST = 2500
"""Height in pixels at which a picture is cut."""
LEAST = 900
"""Height in pixels of the picture of a page that is shorter."""
COLOURS = 96
"""Colours of a picture: text, lines and fills of a page need no more, and its file is a third as large."""

GREY = 10
"""Difference of channels for which a colour's pixels count twice: a mark has few and matters more than greys do."""

DOCS = Path(__file__).resolve().parents[2] / "docs"
GALLERY = DOCS / "images" / "gallery"
INDEX = DOCS / "gallery.md"

RATER = "reader"
"""Name under which the first trial to label is opened: a machine need not know its user's, so none is suggested."""

END = "() => Math.ceil(document.querySelector('[data-testid=stMainBlockContainer]').getBoundingClientRect().bottom)"
"""Script that measures where a page ends in a window that is higher than it."""

SAID = {
    "one-model": "One model, judged, labelled and asked the battery. Its trials are made up, its two fits are real.",
    "eight-models": "Eight models with two judges and labels; trials and fits are made up, apart from each other.",
    "counts": "The published counts of eight models, without transcripts, and the fit that `gnomon demo DIR "
    "--published-only` makes of them.",
    "no-labels": "One model, judged and fitted, without labels.",
    "generic": "Imported judgements of responses, without an injection.",
    "large": "One model with twelve times as many trials.",
}
"""What each kind of study is, as the gallery tells it."""


@dataclass(frozen=True)
class PageView:
    """A page of a kind of study at a width in a colour scheme."""

    kind: str
    page: str
    width: int
    scheme: str

    @property
    def path(self) -> Path:
        """Its picture."""
        return GALLERY / self.kind / f"{self.page.lower().replace(' ', '-')}-{self.width}-{self.scheme}.webp"


OPENINGS = {
    DOCS / "images" / "scaling.png": (PageView("counts", "Scaling", 1440, "light"), 1250),
    DOCS / "images" / "audit.png": (PageView("eight-models", "Judges", 1440, "light"), 1450),
    DOCS / "images" / "labelling.png": (PageView("one-model", "Label", 1440, "light"), 900),
}
"""The README's pictures: tops of views of the gallery, with their heights in pixels."""


def all_views() -> Iterator[PageView]:
    """Every view of the gallery, by kind, page, width and scheme."""
    for kind in KINDS:
        for page in PAGES:
            for width in WIDTHS:
                yield from (PageView(kind.name, page, width, scheme) for scheme in SCHEMES)


def draw_pictures(page: Any, kind: str, scheme: str) -> None:
    """Take the pictures of all pages of a kind of study in the scheme in which `page` shows it."""
    for name in PAGES:
        page.set_viewport_size({"width": WIDTHS[0], "height": TALLEST})
        calm(page)
        go_to_page(page, name, kind if name == "Study" else name)
        calm(page)
        _bring_on_stage(page, name)
        with contextlib.suppress(Error):  # what takes long on a busy machine is shown as a reader would find it
            page.get_by_text("being computed").first.wait_for(state="hidden")
        for width in WIDTHS:
            view = PageView(kind, name, width, scheme)
            save_picture(full_picture(page, width), view.path)
            for path, (shown, height) in OPENINGS.items():
                if view == shown:
                    save_picture(full_picture(page, width, height), path)


def _bring_on_stage(page: Any, name: str) -> None:
    """Open the first trial of a page that shows trials one at a time, where the study has any."""
    if name == "Label" and page.get_by_role("button", name="Start").count():
        with contextlib.suppress(AssertionError):  # a busy machine may take longer than its patience
            started(page, RATER)
        page.locator(ANSWER).first.wait_for()
    if name == "Transcripts" and page.get_by_test_id("trials").count():
        with contextlib.suppress(AssertionError):
            press_until(page, "ArrowRight", lambda: page.get_by_text("Transcript 1 of").count() == 1)
        page.get_by_text("Transcript 1 of").first.wait_for()


def full_picture(page: Any, width: int, tallest: int = TALLEST) -> bytes:
    """A picture of the whole page at a width, in PNG, cut at a height in pixels."""
    page.set_viewport_size({"width": width, "height": TALLEST})
    calm(page)
    page.wait_for_function(DRAWN, polling=100)
    page.evaluate("() => document.fonts.ready")
    page.mouse.move(0, 0)
    end = page.evaluate(END)
    shown = {"x": 0, "y": 0, "width": width, "height": min(max(end, LEAST), tallest)}
    picture: bytes = page.screenshot(animations="disabled", caret="hide", clip=shown)
    return picture


def save_picture(picture: bytes, path: Path) -> None:
    """Write a picture with few colours, as PNG, or as WebP without loss, which is smaller."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(picture)) as full:
        few = Image.fromarray(few_colours(np.asarray(full.convert("RGB"))))
    if path.suffix == ".webp":
        few.save(path, lossless=True, quality=80)
    else:
        few.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)  # fewer colours than that: each is kept


def few_colours(pixels: np.ndarray) -> np.ndarray:
    """A picture in its most frequent colours: surfaces, lines and marks keep theirs, only what blends them is rounded.

    A median cut or an octree would change the colours of a few marks, or of pale surfaces.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
    """
    packed = pixels.astype(np.int64) @ np.array([65536, 256, 1])
    colours, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
    shades = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=1)
    vivid = shades.max(axis=1) - shades.min(axis=1)
    palette = shades[np.argsort(counts * (1 + vivid / GREY))[::-1][:COLOURS]]
    nearest = np.concatenate(
        [((part[:, None] - palette) ** 2).sum(axis=2).argmin(axis=1) for part in np.array_split(shades, 16)]
    )
    return palette[nearest][places.reshape(packed.shape)].astype(np.uint8)


def gallery_text() -> str:
    """The page that shows the pictures, a table for each kind of study."""
    parts = [
        "# Every page of the dashboard",
        "The pages of six kinds of study, at two widths of the window, light and dark; a page higher than "
        f"{TALLEST:,} pixels is cut there. The numbers of all kinds but `counts` are made up for tests "
        "(`tests/support/study_kinds.py`). The pictures and this page are made by",
        "```\nGNOMON_SCREENSHOTS=1 python -m pytest tests/gallery/test_pictures.py\n```",
    ]
    for kind in KINDS:
        parts += [f"## {kind.name}", SAID[kind.name], "\n".join(_picture_table(kind.name))]
    return "\n\n".join(parts) + "\n"


def _picture_table(kind: str) -> Iterator[str]:
    columns = [(width, scheme) for width in WIDTHS for scheme in SCHEMES]
    yield "| page | " + " | ".join(f"{width:,} px, {scheme}" for width, scheme in columns) + " |"
    yield "|---" * (len(columns) + 1) + "|"
    for page in PAGES:
        paths = [PageView(kind, page, *column).path.relative_to(DOCS) for column in columns]
        cells = [f'<a href="{path}"><img src="{path}" width="220" alt="{kind}: {page}"></a>' for path in paths]
        yield f"| {page} | " + " | ".join(cells) + " |"
