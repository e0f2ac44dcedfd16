"""The documents name what is there: files, modules, links, make targets. And no source cites what is not there."""

import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCUMENTS = sorted(
    path.relative_to(ROOT)
    for path in (
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md")),
    )
)
LINKED = [*DOCUMENTS, Path("README.md"), Path("CHANGELOG.md")]

FOLDERS = ("launcher", "tasks", "pricing", "tests", "docs", "scripts", "demo", "benchmarks")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
# Working papers of this project that are not in the repository; a source that cites one cites nothing.
ABSENT = re.compile(r"\b(DESIGN|STYLE|LAYOUT|LAB|SINKS|AUTOPILOT)\b")
SOURCE_PATH = re.compile(r"(?<![\w/.{}-])((?:launcher|tasks|pricing|tests|benchmarks|demo)/[\w/]+\.py)\b")


def text_of(document: Path) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def placeholder(word: str) -> bool:
    """Whether a path is an example or a pattern."""
    return any(mark in word for mark in "<>*…{}$")


# --- files and modules


def files_named(document: Path) -> list[str]:
    words = [word for quoted in QUOTED.findall(FENCE.sub("", text_of(document))) for word in quoted.split()]
    return [word for word in words if word.split("/")[0] in FOLDERS and "/" in word and not placeholder(word)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    assert [name for name in files_named(document) if not (ROOT / name.partition("::")[0]).exists()] == []


def modules_named(document: Path) -> list[str]:
    words = [word for quoted in QUOTED.findall(FENCE.sub("", text_of(document))) for word in quoted.split()]
    found = [re.match(r"(?:launcher|tasks|pricing|scripts)(?:\.\w+)+", word) for word in words]
    return [match[0] for match in found if match]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_module_that_a_document_names_exists(document: Path) -> None:
    def exists(name: str) -> bool:
        first, second = (ROOT / Path(*name.split(".")[:2])), ROOT / Path(*name.split("."))
        return any(path.is_dir() or path.with_suffix(".py").is_file() for path in (first, second))

    assert [name for name in modules_named(document) if not exists(name)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_name_that_a_document_puts_in_a_file_is_there(document: Path) -> None:
    """A document writes "`NAME` in `path/file.py`" or "`NAME` of `path/file.py`"."""
    found = re.findall(r"`(\w+)`\s+(?:in|of)\s+`([\w/]+\.py)`", text_of(document))
    assert [(name, file) for name, file in found if not re.search(rf"\b{name}\b", text_of(Path(file)))] == []


def test_every_name_in_the_steps_of_contributing_is_in_the_sources() -> None:
    """CONTRIBUTING.md leads through files by the names that are to be changed in them."""
    steps = text_of(Path("CONTRIBUTING.md")).partition("## How to add")[2]
    named = {name for name in QUOTED.findall(steps) if re.fullmatch(r"[A-Za-z_]{4,}(\.\w+)?", name)}
    folders = ("embedfleet", "launcher", "tasks", "pricing", "tests")
    sources = [
        path.read_text(encoding="utf-8") for folder in folders for path in (ROOT / folder).rglob("*.py")
    ]
    words = {word for source in sources for word in re.findall(r"\w+", source)}
    assert [name for name in named if not set(name.split(".")) <= words] == []


# --- links


@cache
def anchors(document: Path) -> frozenset[str]:
    """The fragments by which its headings are linked, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", text_of(document)), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return frozenset(heading.replace(" ", "-") for heading in plain)


@pytest.mark.parametrize("document", LINKED, ids=str)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    broken: list[str] = []
    for target in LINK.findall(FENCE.sub("", text_of(document))):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, fragment = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        inside = path.resolve().is_relative_to(ROOT) and path.exists()
        if not inside or (fragment and fragment not in anchors(path.resolve().relative_to(ROOT))):
            broken.append(target)
    assert broken == []


def test_every_page_of_docs_is_linked_from_another_document() -> None:
    linked = {
        ((ROOT / document).parent / target.partition("#")[0]).resolve()
        for document in LINKED
        for target in LINK.findall(text_of(document))
        if "://" not in target and target.partition("#")[0]
    }
    pages = [page for page in DOCUMENTS if page.parts[0] == "docs" and page.parts[1] != "images"]
    assert [str(page) for page in pages if ROOT / page not in linked] == []


# --- make


def targets_named(document: Path) -> set[str]:
    text = text_of(document)
    commands = [quoted for quoted in QUOTED.findall(FENCE.sub("", text)) if quoted.startswith("make ")]
    commands += re.findall(r"^make .*", "\n".join(FENCE.findall(text)), re.MULTILINE)
    words = (word for command in commands for word in command.partition("#")[0].split()[1:])
    return {word for word in words if re.fullmatch(r"[a-z][a-z0-9-]*", word)}


@pytest.mark.parametrize("document", LINKED, ids=str)
def test_every_make_target_that_a_document_names_exists(document: Path) -> None:
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert targets_named(document) - set(targets) == set()


# --- what sources cite


def tracked() -> list[Path]:
    """Text files of the repository, this one left out: it holds the words."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    names = listed.splitlines() or [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")]
    kinds = (".py", ".toml", ".md", ".yaml", ".sql", ".css", ".mjs")
    here = Path(__file__).resolve()
    return [
        ROOT / name
        for name in names
        if (name.endswith(kinds) or Path(name).name == "Makefile" or name.startswith(".ci/"))
        and (ROOT / name).is_file()
        and (ROOT / name).resolve() != here
        and not name.startswith((".venv", "demo/out/"))
    ]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of what a person reads in a file: comments and strings of Python, all of any other file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.COMMENT, tokenize.STRING):
            yield token.start[0], token.string


def test_no_source_cites_a_document_that_is_not_in_the_repository() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {match[0]}"
        for path in tracked()
        for line, text in prose(path)
        for match in ABSENT.finditer(text)
    ]
    assert found == []


def test_every_source_file_that_a_comment_or_string_names_exists() -> None:
    packages = ("embedfleet", "launcher", "tasks", "pricing", "tests", "benchmarks", "demo", "scripts")
    found = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] in packages
        for line, text in prose(path)
        for name in SOURCE_PATH.findall(text)
        if not (ROOT / name).exists()
    ]
    assert found == []
