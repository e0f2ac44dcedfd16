"""The libraries that read the text of documents, and their versions: another version may give another text.

Plain text and DOCX are read by code of this package. Knows the libraries by name, and loads none of them.
"""

import json
import re
from collections.abc import Collection
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from tasks.errors import Problem
from tasks.protocol.shard import Kind

LIBRARIES: dict[Kind, str] = {"pdf": "pypdfium2", "html": "selectolax"}  # that of PDF comes with an extra
PDFIUM, PDFIUM_PACKAGE = "pdfium", "pypdfium2_raw"  # the program inside pypdfium2, and where it lies
LOCKS = Path(__file__).parents[2] / "requirements"  # of rented machines
LOCK = LOCKS / "hash.txt"  # every lock pins the same readers


class NoReader(Problem):
    """A format cannot be read on this machine, because a library is not installed."""


def check_readable(kinds: Collection[Kind]) -> None:
    """Check that the libraries are there that files of these formats need.

    Raises:
        NoReader: one is missing.
    """
    for kind, library in LIBRARIES.items():
        if kind in kinds and not _is_installed(library):
            raise NoReader(
                f"this corpus has .{kind} files, and {library}, which reads them, is not installed here",
                hint="pip install 'embedfleet[documents]', or leave these files out of corpus.path",
            )


@cache
def _is_installed(library: str) -> bool:
    """Whether a library is there; asked for every file."""
    return find_spec(library) is not None


def libraries_of(kinds: Collection[Kind]) -> tuple[str, ...]:
    """The libraries that files of these formats are read by."""
    return tuple(library for kind, library in LIBRARIES.items() if kind in kinds)


def installed_versions(libraries: Collection[str]) -> dict[str, str]:
    """The versions of these libraries on this machine, and of PDFium beside pypdfium2; without those that are absent."""
    found: dict[str, str] = {}
    for library in libraries:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            continue
        if library == LIBRARIES["pdf"] and (build := _pdfium_build()):
            found[PDFIUM] = build
    return found


def locked_versions(libraries: Collection[str]) -> dict[str, str]:
    """The versions of these libraries on rented machines."""
    if not LOCK.exists():
        return {}
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    return {library: pins[library] for library in libraries if library in pins}


def _pdfium_build() -> str | None:
    """The build of PDFium inside pypdfium2: packages of one version may hold several. None: it is not told."""
    package = find_spec(PDFIUM_PACKAGE)
    if package is None or package.origin is None:
        return None
    try:
        body = json.loads((Path(package.origin).parent / "version.json").read_text(encoding="utf-8"))
        return str(body["build"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
