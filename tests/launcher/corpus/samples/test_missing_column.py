"""A column that is not there: the key of the job file that names it, and the nearest name, in every format."""
# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false

import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.samples.missing_column import missing_column
from launcher.corpus.samples.sampling import sample_corpus
from launcher.errors import Problem
from tasks.formats.rows import Columns
from tasks.models.tokenizing.pieces import ChunkSpec
from tasks.models.tokenizing.tokenizer import HashTokenizer
from tests.support.runs import write_jsonl

ROWS = [{"review_id": "a", "Text": "one"}, {"review_id": "b", "Text": "two"}]
OR_LEAVE_OUT = ", or leave it out: ids are then file and position"


def corpus(folder: Path, ending: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"a.{ending}"
    if ending == "jsonl":
        write_jsonl(path, ROWS)
    elif ending == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as stream:
            table = csv.DictWriter(stream, list(ROWS[0]))
            table.writeheader()
            table.writerows(ROWS)


@pytest.mark.parametrize("ending", ["jsonl", "parquet", "csv"])
@pytest.mark.parametrize(
    ("columns", "hint"),
    [
        (Columns("Text", "reviewid"), f"set corpus.id to 'review_id'{OR_LEAVE_OUT}"),
        (
            Columns("Text", "key"),
            f"set corpus.id to a column or key with a text or a number in every row{OR_LEAVE_OUT}",
        ),
        (Columns("text", "review_id"), "set corpus.text to 'Text'"),
        (
            Columns("body", "review_id"),
            "set corpus.text to the column or key that holds the text, as a string",
        ),
    ],
)
def test_the_hint_names_the_wrong_key_and_the_nearest_column(
    tmp_path: Path, ending: str, columns: Columns, hint: str
) -> None:
    corpus(tmp_path, ending)
    with pytest.raises(Problem) as caught:
        sample_corpus(find_files(str(tmp_path), tmp_path), columns, HashTokenizer(), ChunkSpec(512))
    assert caught.value.hint == hint
    assert "has 'review_id', 'Text'" in str(caught.value)


def test_a_column_to_keep_is_named() -> None:
    found = missing_column("a.csv", "titel", ["id", "title"], Columns("text", "id", keep=("titel",)))
    assert found.hint == "set output.keep to 'title'"


def test_of_many_columns_the_first_are_shown() -> None:
    found = missing_column("a.csv", "text", [f"c{n}" for n in range(30)], Columns("text", None))
    assert str(found).endswith("'c19' and 10 more")
