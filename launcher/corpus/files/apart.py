"""Check that the output of a job is not among the texts of its corpus: the next plan would embed the vectors.

By paths alone: what the corpus would list once the output is there, whether or not it is there yet.
"""

import os
from collections.abc import Sequence
from glob import has_magic
from itertools import takewhile
from pathlib import Path, PurePosixPath

from launcher.corpus.files.globs import Pattern
from launcher.errors import Usage
from tasks.protocol.keys import VECTORS_PREFIX

VECTORS_FOLDER = VECTORS_PREFIX.rstrip("/")
VECTOR_NAMES = ("x.parquet", "0123456789abcdef.parquet")  # names as a run gives its files, about


def check_output_apart(corpus: str, output: str, base: Path) -> None:
    """Check that no file of the output is a text of the corpus, and no text lies where the output's files go.

    Raises:
        Usage: the output would be read as input, or the corpus is inside the folder of the vectors.
    """
    corpus_path, output_path = _local(corpus), _local(output)
    if corpus_path is None and output_path is None:
        ends = _parts(corpus), _parts(output)
        below = [ends]
        exists = False
    elif corpus_path is None or output_path is None:
        return
    else:
        places = base / corpus_path, base / output_path
        exists = places[0].exists()
        plain = [Path(os.path.normpath(place)).parts for place in places]
        real = [Path(os.path.realpath(place)).parts for place in places]  # links to folders, too
        below = [(plain[0], plain[1]), (real[0], real[1])]
        if exists and not places[0].is_dir():
            _check_file(corpus, output, below)
            return
    for pattern, folder in below:
        if _is_below(pattern, (*folder, VECTORS_FOLDER)):
            _refuse_corpus(corpus, output)
        if _would_read(pattern, folder, literal=exists):
            _refuse_output(corpus, output)


def _check_file(corpus: str, output: str, below: Sequence[tuple[Sequence[str], Sequence[str]]]) -> None:
    """Check a corpus that is one file."""
    if any(_is_below(file, (*folder, VECTORS_FOLDER)) for file, folder in below):
        _refuse_corpus(corpus, output)


def _would_read(pattern: Sequence[str], folder: Sequence[str], *, literal: bool) -> bool:
    """Whether a folder, or a glob unless `literal`, would read the vectors of a run in the output folder."""
    is_glob = not literal and any(has_magic(part) for part in pattern)
    fixed = list(pattern)
    if is_glob:  # a folder that has brackets in its name is no wildcard
        upto = (Path(*pattern[: n + 1]) for n in range(len(pattern)))
        known = list(takewhile(lambda path: not has_magic(path.name) or path.exists(), upto))
        fixed = fixed[: len(known)]
    if not _is_below(folder, fixed):
        return False
    inside = [*folder[len(fixed) :], VECTORS_FOLDER]
    if any(part[0] in "._" for part in inside):  # names that no corpus reads
        return False
    return not is_glob or any(
        Pattern(pattern[len(fixed) :]).matches([*inside, name]) for name in VECTOR_NAMES
    )


def _is_below(path: Sequence[str], folder: Sequence[str]) -> bool:
    return list(path[: len(folder)]) == list(folder)


def _local(path: str) -> Path | None:
    """The path on this machine; None: it is in a bucket."""
    scheme, separator, rest = path.partition("://")
    if separator and scheme != "file":
        return None
    return Path(rest if separator else path)


def _parts(url: str) -> tuple[str, ...]:
    """The scheme and the bucket of a URL as one part, and the parts of its key."""
    scheme, _, rest = url.partition("://")
    bucket, *key = PurePosixPath(rest).parts or ("",)
    return (f"{scheme}://{bucket}", *key)


def _refuse_output(corpus: str, output: str) -> None:
    raise Usage(
        f"the output {output} is inside the corpus {corpus}, and would be read as input",
        hint="set output.path to a place that corpus.path does not read, or whose name begins with _",
    )


def _refuse_corpus(corpus: str, output: str) -> None:
    raise Usage(
        f"the corpus {corpus} is inside the output {output}, among its vectors",
        hint=f"set output.path to another place: vectors are written below its folder {VECTORS_FOLDER}",
    )
