"""Hooks of the documentation site (`hooks` in mkdocs.yml): pages that live at the root of the repository join it.

GitHub and packages want README.md, CHANGELOG.md, CONTRIBUTING.md and SECURITY.md at the root, and documents link to them
there. On the site they are pages beside the others, so links are led from one place to the other while pages are read.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
ROOT_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the repository's root."""
    for name in ROOT_PAGES:
        text = (ROOT / name).read_text(encoding="utf-8")
        files.append(File.generated(config, name, content=_site_links(text, from_root=True)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links that leave docs/ to the pages of the site."""
    del config, files
    return markdown if page.file.src_uri in ROOT_PAGES else _site_links(markdown, from_root=False)


def _site_links(text: str, *, from_root: bool) -> str:
    return LINK.sub(lambda match: f"]({_target(match['target'], from_root=from_root)})", text)


def _target(target: str, *, from_root: bool) -> str:
    """Where a link of a page leads on the site."""
    path, mark, fragment = target.partition("#")
    if from_root:
        path = path.removeprefix("docs/")
    elif path.startswith("../") and path.removeprefix("../") in (*ROOT_PAGES, "README.md"):
        path = path.removeprefix("../")
    if path == "README.md":
        return "index.md"
    return path + mark + fragment
