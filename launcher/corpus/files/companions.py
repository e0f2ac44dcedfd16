"""Leave out files that are likely to describe the others, or to repeat them: documents beside tables, and caches. Pure.

A table has columns; a document is one text. Where a job names the column of the text, it means tables, and documents
beside them (README.md, LICENSE.txt) have no such column. What is left out is counted, and the path can name it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from launcher.corpus.files.corpus_file import CorpusFile
from launcher.corpus.files.left_out import Likeliness, Tally, ending_of
from launcher.jobs.job import Unit
from tasks.protocol.shard import WHOLE_FILES, Kind

# Formats whose files often describe others: they are read where the path names them, or nothing else is there. A file
# of a later one is left out beside one of an earlier.
DESCRIBING: tuple[Kind, ...] = ("webdataset", "json")
ENDINGS_OF_DESCRIBING: Mapping[Kind, Sequence[str]] = {"webdataset": (".tar", ".tgz"), "json": (".json",)}
WITHOUT_COLUMNS: tuple[Kind, ...] = (*WHOLE_FILES, "text")  # formats of documents
# Names, up to the first dot, of documents that describe a folder and are none of its texts.
ABOUT_FOLDERS = frozenset(
    {
        "readme",
        "license",
        "licence",
        "copying",
        "notice",
        "changelog",
        "contributing",
        "code_of_conduct",
        "authors",
        "contributors",
        "citation",
        "dataset_card",
        "datacard",
        "requirements",
    }
)
SPELT_OUT = frozenset(
    {"readme", "license", "licence"}
)  # those that often go on: LICENSE-MIT.txt, README_de.md
BESIDE_TABLES = "beside tables"  # ends the kind of those that the named column leaves out
CACHE = re.compile(r"cache-[0-9a-z_]+\.arrow")  # as datasets names them


def without_companions(
    files: Sequence[CorpusFile], path: str, tally: Tally, *, text_named: bool, unit: Unit | None
) -> list[CorpusFile]:
    """The files without those that are likely to describe or to repeat the others.

    `path` is that of the corpus. `text_named`: the job names the column of the text. `unit`: what the job says a
    document of text files is; where it does, documents are meant, and read beside tables.
    """
    last = path.rstrip("/").rpartition("/")[2].lower()
    left = _without_caches(files, last, tally)
    if unit is None:
        left = _without_documents(left, last, tally, text_named=text_named)
    return _without_describing(left, last, tally)


def _without_documents(
    files: Sequence[CorpusFile], last: str, tally: Tally, *, text_named: bool
) -> list[CorpusFile]:
    """The files without documents beside tables; where no column is named, without those that are about the folder."""
    documents = [file for file in files if file.kind in WITHOUT_COLUMNS and not _is_named(file, last)]
    if not any(file.bytes and file.kind not in WITHOUT_COLUMNS for file in files):
        return list(files)
    if not text_named and not all(is_about_folder(file.path) for file in documents):
        return list(files)
    for file in documents:
        if is_about_folder(file.path):
            tally.add(file.path, f"{ending_of(file.path)} about the others", Likeliness.COMPANION)
        else:
            tally.add(file.path, f"{ending_of(file.path)} {BESIDE_TABLES}")
    gone = {file.path for file in documents}
    return [file for file in files if file.path not in gone]


def is_about_folder(path: str) -> bool:
    """Whether a name is that of a document about a folder, such as README.md or LICENSE-MIT.txt."""
    stem = PurePosixPath(path).name.lower().partition(".")[0]
    return stem in ABOUT_FOLDERS or re.split(r"[-_ ]", stem)[0] in SPELT_OUT


def _is_named(file: CorpusFile, last: str) -> bool:
    """Whether the last part of the path of the corpus names a document by its ending, or one about a folder by name."""
    stem = PurePosixPath(file.path).name.lower().partition(".")[0]
    return ending_of(file.path) in last or (is_about_folder(file.path) and stem in last)


def _without_describing(files: Sequence[CorpusFile], last: str, tally: Tally) -> list[CorpusFile]:
    """The files without those of formats that often describe others."""
    left = list(files)
    for kind in reversed(DESCRIBING):
        before = {file.kind for file in left} - set(DESCRIBING[DESCRIBING.index(kind) :])
        if before and not any(ending in last for ending in ENDINGS_OF_DESCRIBING[kind]):
            for file in left:
                if file.kind == kind:
                    tally.add(file.path, f"{ending_of(file.path)} beside other formats")
            left = [file for file in left if file.kind != kind]
    return left


def _without_caches(files: Sequence[CorpusFile], last: str, tally: Tally) -> list[CorpusFile]:
    """The files without what datasets writes beside a dataset on disk: results of `map`, which repeat its rows."""
    if "cache-" in last:
        return list(files)
    data = {_folder(file) for file in files if not CACHE.fullmatch(_name(file))}
    left: list[CorpusFile] = []
    for file in files:
        if CACHE.fullmatch(_name(file)) and _folder(file) in data:
            tally.add(file.path, "cache of datasets beside its data")
        else:
            left.append(file)
    return left


def _name(file: CorpusFile) -> str:
    return PurePosixPath(file.path).name


def _folder(file: CorpusFile) -> str:
    return str(PurePosixPath(file.path).parent)
