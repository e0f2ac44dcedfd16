"""A corpus of real text from what every machine has: the documentation of its own Python.

python -m demo.corpus FOLDER [--documents N]

Docstrings, the topics of `help()`, README files and the like, of the standard library and of the installed
packages; nothing is imported. The same environment gives the same bytes. Knows nothing of models.
"""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false

import argparse
import ast
import gzip
import json
import os
import re
import sys
import sysconfig
import warnings
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from email import message_from_string
from hashlib import blake2b
from itertools import pairwise
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RECIPE = 1  # raise it when other documents or other files come out
STAMP = ".corpus.json"  # written last, and no file of the corpus: those are `docs-*`
PARQUET = ("docs-0.parquet", "docs-1.parquet")
LINES = tuple(f"docs-{number}.jsonl.gz" for number in range(2, 8))
FEWEST = 16  # documents, for one in every file
ROW_GROUPS = 4  # in each Parquet file
SCHEMA = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("id", "title", "text")])

# Many short and some very long, as in mixed real corpora: about 150 tokens a text when cut at 256.
LENGTHS = (64, 256, 1024, 4096)  # characters that part the five kinds of length
SHARES = (0.10, 0.20, 0.28, 0.37, 0.05)
SHORTEST = 12  # characters
READ = 32 * 2**20  # bytes parsed; what a kind of length lacks then is made up from the others
LARGEST = 2**20  # bytes; larger files are made by machines

BESIDE = {"dist-packages", "include", "node_modules", "site-packages"}  # folders of other things
SKIPPED = BESIDE | {"__pycache__", "data", "idle_test", "licenses", "test", "testing", "tests"}
OURS = {"demo", "embedfleet", "launcher", "pricing", "tasks"}  # the corpus stays when our code changes
VERSION = re.compile(r"^([^/]+?)-[^/]*\.dist-info(?=/)")
TOPICS = "pydoc_data/topics.py"  # the language reference, as `help("with")` shows it
DOCUMENT = re.compile(
    r"METADATA|(?!.*(?:AUTHORS|COPYING|LICEN[CS]E|NOTICE)).*\.(?:md|rst|txt)", re.IGNORECASE
)
HEADING = re.compile(r"^(?:#{2,6} +\S.*|\S.*\n([=~^\"*-])\1{3,}[ \t]*)$", re.MULTILINE)
UNREADABLE = re.compile("[\0\ufffd\ud800-\udfff]")
LETTERS = 0.7  # of a text for people, spaces included; tables of numbers have fewer
SPACES = 0.05  # of a text for people; lists of words have fewer


@dataclass(frozen=True, slots=True)
class Document:
    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A file with documents in it. `name` is its path below the folder of packages, without a version."""

    name: str
    path: Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.corpus", description="Write a corpus of real text.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, default=6000)
    chosen = parser.parse_args()
    if chosen.documents < FEWEST:
        parser.error(f"a corpus of {len(PARQUET) + len(LINES)} files has {FEWEST} documents or more")
    build(chosen.folder, chosen.documents)


def build(folder: Path, documents: int = 6000, seed: int = 0) -> int:
    """Write the corpus unless it is there. How many documents it has: fewer only where Python has no more."""
    asked: dict[str, Any] = {"recipe": RECIPE, "asked": documents, "seed": seed}
    stamp = complete(folder, asked)
    if stamp is None:
        stamp = asked | write(folder, choose(in_turn(sources(), seed), documents, seed))
        whole(folder, STAMP, lambda path: path.write_text(json.dumps(stamp, indent=2) + "\n"))
    shortest, middle, longest = stamp["characters"]
    print(
        f"{stamp['documents']:,} documents of {shortest:,} to {longest:,} characters, median {middle:,}",
        *(f"{size:>10,} bytes  {name}" for name, size in stamp["files"].items()),
        sep="\n",
        file=sys.stderr,
    )
    return stamp["documents"]


# --- which files, and in which order


def sources() -> list[Source]:
    """The Python files and documents of the standard library and of this environment's packages."""
    roots = dict.fromkeys(Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib"))
    return [
        Source(VERSION.sub(r"\1", path.relative_to(root).as_posix()), path)
        for root in roots
        for path in walk(root)
    ]


def walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED and not name.startswith(".")]
        if Path(folder) == root:
            folders[:] = [name for name in folders if name.split("-")[0] not in OURS]
        for name in files:
            path = Path(folder, name)
            if (name.endswith(".py") or DOCUMENT.fullmatch(name)) and path.stat().st_size <= LARGEST:
                yield path


def in_turn(found: Iterable[Source], seed: int) -> list[Source]:
    """One file of every module and package, then a second of each, and on: none crowds out the others."""
    owned: dict[str, list[Source]] = defaultdict(list)
    for source in sorted(found, key=lambda source: (digest(f"{seed}/{source.name}"), str(source.path))):
        owned[source.name.split("/")[0]].append(source)
    turns = [(turn, source) for files in owned.values() for turn, source in enumerate(files)]
    return [source for _, source in sorted(turns, key=lambda pair: pair[0])]


# --- the documents in a file


def documents(name: str, text: str) -> Iterator[Document]:
    if name.endswith(".py"):
        yield from docstrings(name, text)
    elif name.endswith("/METADATA"):
        message: Any = message_from_string(text)
        yield from sections(name, message["Description"] or message.get_payload())
    else:
        yield from sections(name, text)


def longest(name: str, text: str) -> int:
    """About how long the longest document is: looking for quotes is faster than parsing."""
    return max(map(len, text.split('"""')[1::2]), default=0) if name.endswith(".py") else len(text)


def docstrings(name: str, text: str) -> Iterator[Document]:
    """What the module, its classes and its functions say of themselves, in the order of the file."""
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return  # a template, or for another Python
    if name == TOPICS:
        yield from topics(module, tree)
    waiting: list[tuple[str, ast.AST]] = [(module, tree)]
    for path, node in waiting:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            said = ast.get_docstring(node)
            if said:
                kind = type(node).__name__.removeprefix("Async").removesuffix("Def").lower()
                yield Document(path, f"{kind} {path}", said.strip())
        waiting += [
            (f"{path}.{child.name}", child)
            for child in ast.iter_child_nodes(node)
            if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        ]


def topics(module: str, tree: ast.Module) -> Iterator[Document]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            texts: Any = ast.literal_eval(node.value)
            for topic, text in texts.items():
                yield Document(f"{module}#{topic}", f"help on {topic}", text.strip())


def sections(name: str, text: str) -> Iterator[Document]:
    """The parts of a document, one to a heading."""
    starts = sorted({0, *(found.start() for found in HEADING.finditer(text))})
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(text)], strict=True), 1):
        part = text[start:end].strip()
        heading = part.split("\n")[0].strip("# ")
        yield Document(f"{name}#{number}", f"{name}: {heading[:80]}", part)


# --- which documents, and where to


def choose(found: Iterable[Source], wanted: int, seed: int) -> list[Document]:
    """The first documents of every kind of length, each text once, in an order without meaning."""
    room = [round(share * wanted) for share in SHARES[:-1]]
    room.append(wanted - sum(room))
    taken: list[Document] = []
    spare: list[Document] = []
    texts: set[bytes] = set()
    ids: set[str] = set()
    read = 0
    for source in found:
        if read > READ or not any(room):
            break
        text = source.path.read_text("utf-8-sig", "replace")
        lacking = next(kind for kind, places in enumerate(room) if places)  # the shortest such kind
        if lacking and longest(source.name, text) < LENGTHS[lacking - 1]:
            continue
        read += len(text)
        for document in documents(source.name, text):
            if not readable(document.text) or digest(document.text) in texts:
                continue
            texts.add(digest(document.text))
            named = replace(document, id=unused(document.id, ids))
            ids.add(named.id)
            kind = bisect_right(LENGTHS, len(named.text))
            (taken if room[kind] else spare).append(named)
            room[kind] = max(0, room[kind] - 1)
    taken += sorted(spare, key=lambda document: -len(document.text))[: sum(room)]
    return sorted(taken, key=lambda document: digest(f"{seed}/{document.id}"))


def readable(text: str) -> bool:
    if len(text) < SHORTEST or UNREADABLE.search(text):
        return False
    letters = sum(sign.isalpha() or sign.isspace() for sign in text)
    return letters >= LETTERS * len(text) and text.count(" ") >= SPACES * len(text)


def unused(name: str, used: set[str]) -> str:
    """The name, or with a number where a getter and its setter, or two versions of a function, share it."""
    free = name
    number = 1
    while free in used:
        number += 1
        free = f"{name}~{number}"
    return free


def digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def write(folder: Path, chosen: Sequence[Document]) -> dict[str, Any]:
    """Half into Parquet, half into compressed JSON Lines; what was written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STAMP).unlink(missing_ok=True)
    half = len(chosen) // 2
    for name, rows in zip(PARQUET, parts(chosen[:half], len(PARQUET)), strict=True):
        whole(folder, name, lambda path, rows=rows: parquet(path, rows))
    for name, rows in zip(LINES, parts(chosen[half:], len(LINES)), strict=True):
        whole(folder, name, lambda path, rows=rows: lines(path, rows))
    lengths = [len(document.text) for document in chosen]
    return {
        "documents": len(chosen),
        "characters": [min(lengths), round(median(lengths)), max(lengths)],
        "files": {name: (folder / name).stat().st_size for name in (*PARQUET, *LINES)},
    }


def complete(folder: Path, asked: dict[str, int]) -> dict[str, Any] | None:
    """The stamp of the corpus in the folder, if it is the one that is asked for and all of it is there."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        sizes = {name: (folder / name).stat().st_size for name in stamp["files"]}
    except FileNotFoundError:
        return None
    return stamp if asked.items() <= stamp.items() and sizes == stamp["files"] else None


def whole(folder: Path, name: str, fill: Callable[[Path], object]) -> None:
    """A file that appears under its name only when it is finished."""
    part = folder / f".{name.removeprefix('.')}.part"
    fill(part)
    part.replace(folder / name)


def parts(rows: Sequence[Document], number: int) -> list[Sequence[Document]]:
    edges = [len(rows) * part // number for part in range(number + 1)]
    return [rows[start:end] for start, end in pairwise(edges)]


def parquet(path: Path, rows: Sequence[Document]) -> None:
    table = pa.Table.from_pylist([asdict(row) for row in rows], SCHEMA)
    pq.write_table(table, path, row_group_size=ceil(len(rows) / ROW_GROUPS), compression="zstd")


def lines(path: Path, rows: Sequence[Document]) -> None:
    with path.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as stream:
        for row in rows:
            stream.write(json.dumps(asdict(row), ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    main()
