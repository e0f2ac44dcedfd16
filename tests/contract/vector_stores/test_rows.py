"""Rows come once and bit for bit, whatever fails; two rows of one key do not come."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from launcher.cli.main import main
from launcher.errors import Problem
from launcher.loading import writer
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.loader import LoadOptions, load
from launcher.loading.preview import preview
from launcher.loading.vector_store import Key, Rows, VectorStore
from launcher.reports.terminal.load import load_text
from launcher.sinks.targets import SERVICES, Target
from launcher.vectors.read_dataset import Dataset, DatasetFile, open_dataset
from tasks.protocol.dtypes import Dtype
from tests.support.stores.loaded_rows import assert_holds
from tests.support.vector_datasets import dataset_of, unit_vectors, write_dataset_of, write_vectors

DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_type_of_vector_comes_back_bit_for_bit(
    dtype: Dtype, store: VectorStore, target: Target, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 3, 40, dtype=dtype)
    done = load(dataset, target, store)
    assert (done.files_written, done.rows_written, done.action) == (3, 120, "create")
    assert_holds(store, dataset)
    with closing(connect(target)) as other:
        assert_holds(other, dataset)


def test_second_load_writes_nothing(store: VectorStore, target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 2, 10)
    load(dataset, target, store)
    again = load(dataset, target, store)
    assert (again.action, again.files_written, again.rows_written, again.rows) == ("nothing", 0, 0, 20)
    planned = preview(dataset, target, store, LoadOptions())
    assert (planned.action, planned.files, planned.rows, planned.upload_bytes) == ("nothing", 0, 0, 0)
    assert_holds(store, dataset)


def test_collection_that_lost_a_row_is_no_success(store: VectorStore, target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 2, 10)
    load(dataset, target, store)
    assert store.delete([Key("0-3", 0)]) == 1
    with closing(connect(target)) as other:
        if (
            target.kind in SERVICES
        ):  # a count costs a listing of all rows there: the record is said, and named so
            assert "by its record" in load_text(load(dataset, target, other)).plain
            return
        for act in (load, preview):
            with pytest.raises(Problem, match="counts 19 rows, and run run-1 has 20"):
                act(dataset, target, other, LoadOptions())
        load(dataset, target, other, LoadOptions(replace=True))
        assert load(dataset, target, other).action == "nothing"


def test_command_previews_loads_verifies_and_replaces(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset_of(tmp_path / "first", 2, 30, keep=("title",))
    dataset_of(tmp_path / "second", 2, 20, run="run-2", keep=("title",))

    def command(folder: str, *words: str) -> dict[str, Any]:
        assert main(["load", str(tmp_path / folder), "--to", target.shown, "--json", *words]) == 0
        return json.loads(capsys.readouterr().out)

    planned = command("first", "--dry-run")
    assert (planned["action"], planned["files"], planned["rows"]) == ("create", 2, 60)
    done = command("first", "--verify")
    assert (done["action"], done["rows_written"], done["check"]["faults"]) == ("create", 60, [])
    assert command("first")["action"] == "nothing"
    planned = command("second", "--dry-run", "--replace")
    assert (planned["action"], planned["rows"]) == ("replace", 40)
    done = command("second", "--replace", "--verify")
    assert (done["action"], done["run"], done["rows_written"]) == ("replace", "run-2", 40)
    assert (done["check"]["rows"], done["check"]["faults"]) == (40, [])
    assert done["kept_as"] is not None


def test_load_that_failed_goes_on_where_it_was(store: VectorStore, target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 4, 10)
    broken = dataset.files[2].key

    def failing(dataset: Dataset, file: DatasetFile, schema: Any) -> Iterator[Rows]:
        for rows in rows_of(dataset, file, schema):
            yield rows  # the store has them when the reader fails
            if file.key == broken:
                raise Problem("the disk failed", hint="again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer, "rows_of", failing)
        with pytest.raises(Problem, match="the disk failed"):
            load(dataset, target, store, LoadOptions(parallel=1))
    done = load(dataset, target, store)
    assert done.files_written in (
        1,
        2,
    )  # the last file may be written before the failure of its neighbour is seen
    assert_holds(store, dataset)


def test_two_rows_of_one_key_are_refused_with_their_places(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    file = write_vectors(tmp_path, "a", ["x", "y", "x"], unit_vectors(3, 32, 1))
    write_dataset_of(tmp_path, [file])
    with pytest.raises(Problem, match=r"rows 0 and 2 of data/a\.parquet have one key: id 'x', chunk 0"):
        load(open_dataset(str(tmp_path)), target, store)


def test_one_key_in_two_files_is_no_success(store: VectorStore, target: Target, tmp_path: Path) -> None:
    files = [
        write_vectors(tmp_path, name, [name, "both"], unit_vectors(2, 32, n)) for n, name in enumerate("ab")
    ]
    write_dataset_of(tmp_path, files)
    with pytest.raises(Problem, match=r"one key|counts 3 rows"):
        load(open_dataset(str(tmp_path)), target, store)


# Of ids as corpora have them: what a query language, a key or a path would read in another way.
IDS = (
    "it's",
    'say "x"',
    "back\\slash",
    "x:0'] or key in ['plain:0",
    "a:1",
    ":",
    "%s {x} $1",
    "../up",
    "line\nbreak",
    "tab\t",
    " space ",
    "\u65e5\u672c",
    "e\u0301",
    "\u00e9",
    "\u202eright",
    "ABC",
    "abc",
    "01",
    "1",
    "https://host/path?a=b&c=d#e",
    "x" * 600,
    "x" * 599 + "y",
    "plain",
)


def test_ids_of_any_text_are_told_apart_and_deleted_alone(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", IDS, unit_vectors(len(IDS), 32, 1))])
    dataset = open_dataset(str(tmp_path))
    load(dataset, target, store)
    assert_holds(store, dataset)
    assert check_store(dataset, target, store).faults == ()
    for gone in range(len(IDS)):
        if gone % 3 == 0:
            assert store.delete([Key(IDS[gone], 0)]) == 1
    left = [Key(name, 0) for place, name in enumerate(IDS) if place % 3]
    assert store.fetch([Key(name, 0) for name in IDS]).keys() == set(left)
    assert store.count() == len(left)
