"""The pictures of docs/gallery.md: drawn where GNOMON_SCREENSHOTS is 1; every page of every kind has them."""

from __future__ import annotations

import os

import pytest
from page_pictures import GALLERY, INDEX, OPENINGS, SCHEMES, WIDTHS, all_views, draw_pictures, gallery_text
from PIL import Image
from study_kinds import KINDS

ALL = 15_000_000
"""Bytes that the pictures may have together: every clone of the repository carries them."""

drawn = pytest.mark.skipif(
    not GALLERY.exists(), reason="docs/images/gallery is not drawn: GNOMON_SCREENSHOTS=1 draws it"
)
draws = pytest.mark.skipif(os.environ.get("GNOMON_SCREENSHOTS") != "1", reason="GNOMON_SCREENSHOTS=1 draws pictures")


@draws
@pytest.mark.browser
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("kind", [kind.name for kind in KINDS])
def test_pictures_are_drawn(open_kind, kind, scheme):
    draw_pictures(open_kind(kind, dark=scheme == "dark"), kind, scheme)
    INDEX.write_text(gallery_text(), encoding="utf-8")


@drawn
def test_the_gallery_shows_every_page_of_every_kind_at_each_width_in_both_schemes():
    assert INDEX.read_text(encoding="utf-8") == gallery_text()
    views = list(all_views())
    assert {path for path in GALLERY.rglob("*") if path.is_file()} == {view.path for view in views}
    for view in views:
        with Image.open(view.path) as picture:
            assert picture.width == view.width in WIDTHS
        assert str(view.path.relative_to(INDEX.parent)) in gallery_text()


@drawn
def test_the_pictures_are_small():
    paths = [*(view.path for view in all_views()), *OPENINGS]
    assert sum(path.stat().st_size for path in paths) < ALL
