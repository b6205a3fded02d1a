"""The page names the scripts that its elements will need, and none that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from own_loop import run_async

from gnomon.dashboard.server.chunk_preload import ELEMENTS, SCRIPTS, ChunkPreload, chunks_of


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Streamlit's folder in small: a page that names one script, a chart that imports it and two more."""
    folder = tmp_path / "static" / "js"
    folder.mkdir(parents=True)
    (tmp_path / "index.html").write_text('<script src="./static/js/index.aa.js"></script>')
    (folder / "index.aa.js").write_text("")
    (folder / "Chart.bb.js").write_text('import{a}from"./index.aa.js";import"./shared.cc.js";import"./gone.dd.js"')
    (folder / "shared.cc.js").write_text('export{b}from"./Chart.bb.js";import c from "./deep.ee.js"')
    (folder / "deep.ee.js").write_text("")
    return folder


def test_a_chunk_comes_with_what_it_imports_less_what_the_page_names(scripts: Path) -> None:
    assert chunks_of(["Chart", "Lost"], scripts) == ["Chart.bb.js", "shared.cc.js", "deep.ee.js"]


def test_every_kind_of_element_is_a_script_of_the_installed_streamlit() -> None:
    assert {name: len(list(SCRIPTS.glob(f"{name}.*.js"))) for name in ELEMENTS} == dict.fromkeys(ELEMENTS, 1)
    chunks = chunks_of()
    assert any(name.startswith("embed.") for name in chunks), "the code that draws charts"
    assert all((SCRIPTS / name).is_file() for name in chunks)
    assert len(", ".join(chunks)) < 4000, "a header that every server and proxy takes"


@pytest.mark.parametrize(("kind", "is_linked"), [(b"text/html; charset=utf-8", True), (b"text/javascript", False)])
def test_documents_alone_name_chunks(kind: bytes, is_linked: bool) -> None:
    async def inner(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        await send({"type": "http.response.body", "body": b""})

    sent: list[dict] = []

    async def send(message) -> None:
        sent.append(message)

    run_async(ChunkPreload(inner, ["a.1.js", "b.2.js"])({"type": "http"}, None, send))
    links = [value.decode() for name, value in sent[0]["headers"] if name == b"link"]
    assert [re.findall(r"<\./static/js/([\w.]+)>; rel=modulepreload", value) for value in links] == (
        [["a.1.js", "b.2.js"]] if is_linked else []
    )
