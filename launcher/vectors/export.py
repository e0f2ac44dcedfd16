"""Write a dataset to one file or folder of another form, whole or not at all.

Everything is written under a temporary name beside the target, a batch in memory at a time, and renamed when it is whole.
What is there already is never overwritten.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from launcher.errors import Problem, Usage
from launcher.vectors.export_formats import FORMATS, Format
from launcher.vectors.read_dataset import Dataset, Form
from tasks.disk_errors import with_cause

SUFFIXES: dict[str, Format] = {".parquet": "parquet", ".npy": "npy", ".lance": "lance", "": "huggingface"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportDocument:
    """What `export` wrote."""

    schema: str = "embedfleet/export/1"
    run: str
    output: str  # where the dataset lies
    to: str
    format: str  # parquet, npy, lance, huggingface or milvus
    files: tuple[str, ...]  # that were written; a folder counts as one
    rows: int
    dimensions: int
    dtype: str  # of the written numbers
    bytes: int


def format_of(target: Path) -> Format:
    """The form that a target's name asks for.

    Raises:
        Usage: its ending means no form.
    """
    found = SUFFIXES.get(target.suffix.lower())
    if found is None:
        endings = ", ".join(suffix for suffix in SUFFIXES if suffix)
        raise Usage(
            f"cannot tell the format by the name {target.name}",
            hint=f"end it in one of {endings}, or in none for a folder of Hugging Face datasets; or give --format",
        )
    return found


def export(
    dataset: Dataset, target: Path, form: Form | None = None, how: Format | None = None
) -> ExportDocument:
    """Write all rows of a dataset to `target`.

    Args:
        dataset: what is written.
        target: a file, or a folder for `lance` and `huggingface`.
        form: `float32`, or the numbers as they are `stored`; None: float16 stays float16, but not for Milvus, all else
            becomes float32.
        how: the form of the target; None: by its name.

    Raises:
        Usage: the format is not known, or its library is not installed.
        Problem: the target exists, cannot be written, or the dataset cannot be read.
    """
    chosen = how or format_of(target)
    as_it_is = dataset.header.dtype == "float16" and chosen != "milvus"
    kind: Form = form or ("stored" if as_it_is else "float32")
    writer = FORMATS[chosen]
    places = {name: target.with_name(name) for name in writer.names(target)}
    for path in places.values():
        _check_free(path)
    mark = f".{uuid4().hex[:8]}.partial"
    temporary = {name: path.with_name(f".{name}{mark}") for name, path in places.items()}
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        writer.write(dataset, kind, list(temporary.values()))
        for path in temporary.values():
            _sync(path)
        for name, path in places.items():
            _check_free(path)
            temporary[name].rename(path)
    except OSError as error:
        hint = with_cause(error, "name another place")
        # pyarrow's errors have a long text that names our temporary file
        said = os.strerror(error.errno) if error.errno else error
        raise Problem(f"cannot write {target}: {said}", hint=hint) from error
    finally:
        for path in temporary.values():
            _remove(path)
    return ExportDocument(
        run=dataset.run,
        output=dataset.output,
        to=str(target),
        format=chosen,
        files=tuple(str(path) for path in places.values()),
        rows=dataset.rows,
        dimensions=dataset.dimensions,
        dtype="float32" if kind == "float32" else dataset.header.dtype,
        bytes=sum(_size(path) for path in places.values()),
    )


def _check_free(path: Path) -> None:
    if os.path.lexists(path):
        raise Problem(
            f"{path} exists already", hint="name another place, or remove it: nothing is overwritten"
        )


def _files(path: Path) -> list[Path]:
    return [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]


def _size(path: Path) -> int:
    return sum(one.stat().st_size for one in _files(path))


def _sync(path: Path) -> None:
    """Make the bytes durable before the name says that they are whole."""
    for one in _files(path):
        with one.open("rb") as file:
            os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
