"""Read and search the vectors of a run: exactly the rows of one dataset, each once."""

# pandas, polars and duckdb are optional
# pyright: reportMissingTypeStubs=false, reportMissingImports=false, reportUnknownVariableType=false
# pyright: reportUnknownParameterType=false, reportUnknownMemberType=false
from collections.abc import Sequence
from os import fspath
from typing import TYPE_CHECKING, Any, Literal, overload

from embedfleet.commands import Path
from embedfleet.tables import data_frame
from launcher.vectors.load import load_as
from launcher.vectors.read_dataset import Form, open_dataset
from launcher.vectors.search import search as search_dataset

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow as pa


@overload
def load(
    output: Path,
    run: str | None = None,
    as_: Literal["arrow"] = "arrow",
    *,
    vectors: Form = "float32",
    columns: Sequence[str] | None = None,
) -> "pa.RecordBatchReader": ...


@overload
def load(
    output: Path,
    run: str | None = None,
    *,
    as_: Literal["polars"],
    vectors: Form = "float32",
    columns: Sequence[str] | None = None,
) -> "pl.LazyFrame": ...


@overload
def load(
    output: Path,
    run: str | None = None,
    *,
    as_: Literal["pandas"],
    vectors: Form = "float32",
    columns: Sequence[str] | None = None,
) -> "pd.DataFrame": ...


@overload
def load(
    output: Path,
    run: str | None = None,
    *,
    as_: Literal["duckdb"],
    vectors: Form = "float32",
    columns: Sequence[str] | None = None,
) -> "duckdb.DuckDBPyRelation": ...


def load(
    output: Path,
    run: str | None = None,
    as_: Literal["arrow", "polars", "pandas", "duckdb"] = "arrow",
    *,
    vectors: Form = "float32",
    columns: Sequence[str] | None = None,
) -> Any:
    """The rows of one dataset: `id`, `chunk`, `vector` and the columns that the job keeps.

    Args:
        output: the output path of the job: a folder, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX.
        run: its name or the beginning of it; None: the newest, where all runs there were made by the same settings.
        as_: `arrow` is a pyarrow.RecordBatchReader, `polars` a LazyFrame: both read a batch at a time. `pandas` is a
            DataFrame and `duckdb` a relation: both hold all rows.
        vectors: `float32`, ready for use whatever the output's dtype, or the numbers as they are `stored`.
        columns: only these.

    Raises:
        Problem: there is no such dataset, or a file is not what its manifest says. `.hint` says what to try.
    """
    return load_as(open_dataset(fspath(output), run), as_, vectors, columns)


def search(
    output: Path,
    text: str,
    k: int = 10,
    *,
    run: str | None = None,
    prompt: str | None = None,
    texts: bool = True,
) -> "pd.DataFrame":
    """The vectors nearest to a text, the best first: `rank`, `score` (cosine), `id`, `chunk`, `text`, kept columns.

    The text is embedded as the run embedded its texts, by the same model, pooling and dimensions, and compared with every
    vector. `text` is what the model read for the vector, read again from the corpus; None where that cannot be had for
    certain. A column that the run keeps under this name takes its place.

    `.attrs` has the `run`, the `model`, the `prompt` put before the text, where that came from (`prompt_from`: the run's
    `manifest`, the `argument`; of a run without a recorded prompt the `model` or the `run`), and `texts_missing`: why a
    text is None, by rank.

    Args:
        output: the output path of the job.
        text: what to search for.
        k: how many vectors.
        run: as for `load`.
        prompt: put before the text, instead of the model's prompt for queries.
        texts: read the texts; else there is no column `text`.

    Raises:
        Problem: there is no such dataset, or the model cannot be loaded here.
    """
    found = search_dataset(open_dataset(fspath(output), run), text, k, prompt, texts=texts)
    columns = ["rank", "score", "id", "chunk", *(["text"] if texts else [])]
    rows = [{name: getattr(hit, name) for name in columns} | dict(hit.kept) for hit in found.hits]
    frame = data_frame(rows, columns)
    frame.attrs |= {
        "run": found.run,
        "model": found.model,
        "prompt": found.prompt,
        "prompt_from": found.prompt_from,
        "texts_missing": {hit.rank: hit.text_missing for hit in found.hits if hit.text_missing},
    }
    return frame
