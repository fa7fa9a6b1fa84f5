"""Hooks of mkdocs: pages and pictures that live outside docs/, and are linked from it, become part of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "findings/README.md": "findings.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Path in the repository -> path in the site."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pages above and the pictures of the benchmarks to those of docs/."""
    for path, name in PAGES.items():
        files.append(File.generated(config, name, content=_relinked((ROOT / path).read_text(), Path(path).parent)))
    for picture in (ROOT / "benchmarks").glob("*.png"):
        files.append(File.generated(config, f"benchmarks/{picture.name}", abs_src_path=str(picture)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links from a page of docs/ find what is outside it in the repository."""
    return markdown if page.file.generated_by else _relinked(markdown, Path("docs"))


def _relinked(markdown: str, folder: Path) -> str:
    """The text with its links, which are relative to `folder` in the repository, relative to the site."""

    def link(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        path = (ROOT / folder / target).resolve().relative_to(ROOT).as_posix()
        return f"]({PAGES.get(path) or path.removeprefix('docs/')}{anchor})"

    return re.sub(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)", link, markdown)
