"""Hooks of MkDocs: files outside of `docs` that pages link to, an index of decisions, and notebooks become pages.

Links in the Markdown files lead to files of the repository, so that they work where the repository is read. The site
has the same links: a Markdown file outside of `docs` is a page of the site, any other file is copied under `source/`.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {
    "README.md": "index.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "SECURITY.md": "report-a-vulnerability.md",
    "bench/RESULTS.md": "measurements.md",
    "data/calibration/README.md": "calibration-set.md",
    "data/published/README.md": "published-counts.md",
}
"""Pages of the site that are Markdown files outside of `docs`."""
DECISIONS = "docs/decisions"
INDEX = "decisions/index.md"
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s#]*)(#[^)\s]*)?\)")
FENCE = re.compile(r"(^```.*?^```[^\n]*$)", re.MULTILINE | re.DOTALL)
IMAGES = {"image/png": "png", "image/svg+xml": "svg"}


class BrokenLinkError(Exception):
    """A link of a page leads to no file of the repository."""


def page_sources(root: Path = ROOT) -> dict[str, str]:
    """Path in the repository of each page's source, by its path in the site."""
    sources = {site: path for path, site in OUTSIDE.items() if (root / path).is_file()}
    inside = (path.relative_to(root) for path in (root / "docs").rglob("*.md"))
    sources |= {str(PurePosixPath(*path.parts[1:])): path.as_posix() for path in inside}
    notebooks = sorted((root / "docs").rglob("*.ipynb"))
    return sources | {
        str(path.relative_to(root / "docs").with_suffix(".md")): path.relative_to(root).as_posix() for path in notebooks
    }


def decision_index(root: Path = ROOT) -> str:
    """The page that lists all decisions by their titles."""
    files = sorted((root / DECISIONS).glob("[0-9]*.md"))
    titles = [(path.name, path.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix("# ")) for path in files]
    rows = "\n".join(f"- [{title}]({name})" for name, title in titles)
    return f"# Decisions\n\nWhat was decided, what else was tried, and what it costs.\n\n{rows}\n"


def notebook_page(path: Path) -> str:
    """A notebook as Markdown: its text, its code, and the outputs that are stored in it.

    Parameters
    ----------
    path : Path
        An `.ipynb` file.
    """
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    parts = [part for cell in cells for part in _cell_parts(cell)]
    return "\n\n".join(parts) + "\n"


def _cell_parts(cell: Any) -> Iterator[str]:
    source = "".join(cell["source"]).strip()
    if not source:
        return
    if cell["cell_type"] != "code":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        picture = next((kind for kind in IMAGES if kind in data), None)
        text = output.get("text") or data.get("text/plain")
        if picture == "image/png":
            yield f"![Output of the cell above](data:image/png;base64,{''.join(data[picture]).strip()})"
        elif picture:
            encoded = base64.b64encode("".join(data[picture]).encode()).decode()
            yield f"![Output of the cell above](data:{picture};base64,{encoded})"
        elif text:
            yield f"```text\n{''.join(text).rstrip()}\n```"


def site_path(target: str, root: Path = ROOT) -> str | None:
    """Where a file of the repository lies in the site; None where there is no such file.

    Parameters
    ----------
    target : str
        Path in the repository.
    root : Path
        Folder of the repository.
    """
    if target == DECISIONS:
        return INDEX
    if target in OUTSIDE:
        return OUTSIDE[target]
    path = root / target
    if not path.is_file():
        return None
    if target.startswith("docs/"):
        inside = target.removeprefix("docs/")
        return str(PurePosixPath(inside).with_suffix(".md")) if inside.endswith(".ipynb") else inside
    return f"source/{target}"


def rewrite_links(markdown: str, source: str, page: str, root: Path = ROOT) -> tuple[str, set[str]]:
    """Markdown whose links lead to files of the site, and the files that have to be copied for them.

    Parameters
    ----------
    markdown : str
        Text of the page.
    source : str
        Path of its file in the repository.
    page : str
        Path of the page in the site.
    root : Path
        Folder of the repository.

    Raises
    ------
    BrokenLinkError
        If a link leads to no file of the repository.
    """
    copied: set[str] = set()

    def replace_link(found: re.Match[str]) -> str:
        given = found[2]
        if not given or given.startswith(("http:", "https:", "mailto:", "data:", "/")):
            return found[0]
        target = os.path.normpath(PurePosixPath(source).parent / given)
        place = site_path(target, root)
        if place is None:
            raise BrokenLinkError(f"{source}: the link to '{given}' leads to no file of the repository: correct it")
        if place.startswith("source/"):
            copied.add(target)
        relative = os.path.relpath(place, PurePosixPath(page).parent)
        return f"{found[1]}{relative}{found[3] or ''})"

    parts = FENCE.split(markdown)
    text = "".join(part if number % 2 else LINK.sub(replace_link, part) for number, part in enumerate(parts))
    return text, copied


def page_text(source: str, root: Path = ROOT) -> str:
    """Text of a page's source, a notebook as Markdown.

    Parameters
    ----------
    source : str
        Path in the repository.
    root : Path
        Folder of the repository.
    """
    path = root / source
    return notebook_page(path) if path.suffix == ".ipynb" else path.read_text(encoding="utf-8")


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add what lies outside of `docs`, the index of decisions, notebooks, and the source files that pages link to.

    Parameters
    ----------
    files : mkdocs.structure.files.Files
        Files of the site.
    config : mkdocs.config.defaults.MkDocsConfig
        Configuration of the site.
    """
    from mkdocs.structure.files import File

    copied: set[str] = set()
    for page, source in page_sources().items():
        text, linked = rewrite_links(page_text(source), source, page)
        copied |= linked
        if not source.startswith("docs/") or source.endswith(".ipynb"):
            files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, INDEX, content=decision_index()))
    for target in sorted(copied):
        files.append(File.generated(config, f"source/{target}", abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page's text with the links of the site.

    Parameters
    ----------
    markdown : str
        Text of the page.
    page : mkdocs.structure.pages.Page
        The page.
    """
    path = page.file.src_uri
    source = page_sources().get(path)
    if source is None or not source.startswith("docs/") or source.endswith(".ipynb"):
        return markdown
    return rewrite_links(markdown, source, path)[0]
