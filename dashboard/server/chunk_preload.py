"""Tells the browser, with the page itself, which scripts every page of the dashboard will need (an ASGI layer).

Streamlit's page loads the code of a kind of element when the first of that kind arrives: charts and tables then wait
for half a megabyte each to be fetched and compiled. Named in a `Link` header, they are loaded while the server still
runs the page. Chunks are found by what Streamlit names them: one that a later version has no longer is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import streamlit
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SCRIPTS = Path(streamlit.__file__).parent / "static" / "static" / "js"
ELEMENTS = ("StreamlitMarkdown", "BidiComponent", "Metric", "ArrowVegaLiteChart", "DataFrame")
"""Kinds of elements on the page that opens first."""
_IMPORT = re.compile(r"""(?:from|import)\s*["']\./([\w.-]+\.js)["']""")


class ChunkPreload:
    """Adds a `Link` header to every HTML document.

    Parameters
    ----------
    app : ASGIApp
        The server's application.
    chunks : iterable of str
        Names of scripts in Streamlit's folder.
    """

    def __init__(self, app: ASGIApp, chunks: Iterable[str]) -> None:
        self.app = app
        links = ", ".join(f"<./static/js/{name}>; rel=modulepreload" for name in chunks)
        self.header = (b"link", links.encode("latin-1")) if links else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection (ASGI)."""
        header = self.header
        if scope["type"] != "http" or header is None:
            await self.app(scope, receive, send)
            return

        async def send_linked(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message.get("headers", []))
                kinds = [value for name, value in given if name.lower() == b"content-type"]
                if any(kind.startswith(b"text/html") for kind in kinds):
                    message = {**message, "headers": [*given, header]}
            await send(message)

        await self.app(scope, receive, send_linked)


def chunks_of(elements: Iterable[str] = ELEMENTS, scripts: Path = SCRIPTS) -> list[str]:
    """Scripts of some kinds of elements and what they import, less those that Streamlit's page names itself.

    Parameters
    ----------
    elements : iterable of str
        Names of Streamlit's chunks, without hash and ending.
    scripts : Path
        Folder of the scripts.
    """
    roots = [path.name for element in elements for path in sorted(scripts.glob(f"{element}.*.js"))]
    page = scripts.parents[1] / "index.html"
    named = set(re.findall(r"[\w.-]+\.js", page.read_text(encoding="utf-8"))) if page.is_file() else set()
    return [name for name in dict.fromkeys(_with_imports(roots, scripts)) if name not in named]


def _with_imports(names: Iterable[str], scripts: Path) -> Iterator[str]:
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop(0)
        if name in seen or not (scripts / name).is_file():
            continue
        seen.add(name)
        yield name
        waiting += _IMPORT.findall((scripts / name).read_text(encoding="utf-8"))
