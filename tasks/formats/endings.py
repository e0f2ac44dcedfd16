"""What the end of a file's name says: the format of the file, and how it is compressed. Pure."""

from collections.abc import Mapping
from pathlib import PurePosixPath

from tasks.protocol.shard import Kind

KIND_OF_ENDING: Mapping[str, Kind] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".jsonlines": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".arrows": "arrow",
    ".tar": "webdataset",
    ".txt": "text",
    ".md": "document",
    ".markdown": "document",
    ".rst": "document",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
}
COMPRESSED_ENDINGS = (".gz", ".zst", ".bz2", ".xz")
SHORT_ENDINGS = {".tgz": ".tar.gz"}  # that say two things at once


def compression_of(name: str) -> str | None:
    """How a file is compressed, as one of COMPRESSED_ENDINGS; None: it is not. Capitals are as good as others."""
    ending = PurePosixPath(_spelt_out(name)).suffix
    return ending if ending in COMPRESSED_ENDINGS else None


def kind_of(name: str) -> Kind | None:
    """The format of a file; None: its name does not say, or it is Parquet inside a compressed file."""
    path = PurePosixPath(_spelt_out(name))
    if path.suffix not in COMPRESSED_ENDINGS:
        return KIND_OF_ENDING.get(path.suffix)
    return None if is_packed_parquet(name) else KIND_OF_ENDING.get(path.with_suffix("").suffix)


def is_packed_parquet(name: str) -> bool:
    """Whether a name says that a file is Parquet inside a compressed one."""
    path = PurePosixPath(_spelt_out(name))
    return path.suffix in COMPRESSED_ENDINGS and KIND_OF_ENDING.get(path.with_suffix("").suffix) == "parquet"


def _spelt_out(name: str) -> str:
    """The last part of a path in small letters."""
    lower = name.rpartition("/")[2].lower()
    for short, long in SHORT_ENDINGS.items():
        if lower.endswith(short):
            return lower.removesuffix(short) + long
    return lower
