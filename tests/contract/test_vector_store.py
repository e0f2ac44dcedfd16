"""The contract of a vector store, on real ones: rows come once and bit for bit, whatever fails, and only of one model."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest

from launcher.cli.main import main
from launcher.errors import Problem
from launcher.loading import writer
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.contents import contents_of
from launcher.loading.dataset_rows.rows import rows_of
from launcher.loading.documents import LoadDocument
from launcher.loading.loader import LoadOptions, load, schema_of
from launcher.loading.preview import preview
from launcher.loading.vector_store import FileId, Key, Rows, VectorStore
from launcher.sinks.targets import Target, parse_target
from launcher.vectors.read_dataset import Dataset, DatasetFile, open_dataset
from tasks.protocol.dtypes import Dtype
from tests.support.buckets import Servers
from tests.support.vector_datasets import dataset_of, unit_vectors, write_dataset_of, write_vectors
from tests.support.vector_stores import VectorStores

E2E = pytest.mark.e2e
KINDS = (
    *("pgvector", "lance", "lance in s3"),
    *(
        pytest.param(kind, marks=E2E)
        for kind in (
            *("lance in s3 on moto", "milvus", "qdrant", "redis", "chroma"),
            *("s3vectors", "turbopuffer", "pinecone"),
            *("opensearch", "elasticsearch", "weaviate"),
        )
    ),
)
DTYPES: tuple[Dtype, ...] = ("float32", "float16", "int8", "binary")
OTHER_WEIGHTS = "sha256:" + "2" * 64


@pytest.fixture(params=KINDS)
def target(
    request: pytest.FixtureRequest,
    stores: VectorStores,
    servers: Servers,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Target:
    kind, _, bucket = request.param.partition(" in ")
    if bucket:
        return parse_target(f"{servers.bucket(bucket, monkeypatch)}/docs.lance")
    for name, value in stores.environment(kind).items():
        monkeypatch.setenv(name, value)
    return parse_target(stores.address(kind, tmp_path))


@pytest.fixture
def store(target: Target) -> Iterator[VectorStore]:
    with closing(connect(target)) as found:
        yield found


@pytest.fixture(params=[False, True], ids=["new", "replaced"])
def replaced(request: pytest.FixtureRequest, target: Target, tmp_path: Path) -> bool:
    """Whether another run is there, which is to be replaced."""
    if request.param:
        with closing(connect(target)) as before:
            load(dataset_of(tmp_path / "before", 1, 7), target, before)
    return bool(request.param)


def all_rows(dataset: Dataset, store: VectorStore) -> dict[Key, Any]:
    """All vectors of a dataset in the type of the store."""
    schema = schema_of(dataset, store, ())
    batches = [rows for file in dataset.files for rows in rows_of(dataset, file, schema)]
    return {key: vector for rows in batches for key, vector in zip(rows.keys(), rows.vectors, strict=True)}


def assert_holds(store: VectorStore, dataset: Dataset) -> None:
    """The store has exactly the rows of the dataset, bit for bit."""
    wanted = all_rows(dataset, store)
    found = store.fetch(list(wanted))
    assert store.count() == len(wanted) == dataset.rows
    assert found.keys() == wanted.keys()
    assert all(found[key].tobytes() == vector.tobytes() for key, vector in wanted.items())


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


def test_two_loaders_at_once_load_each_row_once(target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 12, 30)

    def work(_number: int) -> None:
        with closing(connect(target)) as own:
            load(dataset, target, own)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    with closing(connect(target)) as store:
        assert_holds(store, dataset)


def test_loaders_that_share_a_load_write_each_file_once(
    replaced: bool, target: Target, tmp_path: Path
) -> None:
    """As rented loaders do; one that comes late, as after a preemption, has nothing to do."""
    dataset = dataset_of(tmp_path / "now", 12, 30, run="run-2")
    options = LoadOptions(replace=replaced, load=uuid4().hex[:12], parallel=2)

    def work(_number: int) -> LoadDocument:
        with closing(connect(target)) as own:
            return load(dataset, target, own, options)

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(work, range(2)))
    assert sum(one.files_written for one in found) == 12
    assert sum(one.rows_written for one in found) == 360
    assert work(3).action == "nothing"
    with closing(connect(target)) as store:
        assert_holds(store, dataset)


def end_and_replace(target: Target, dataset: Dataset, options: LoadOptions, folder: Path) -> Dataset:
    """What happens while a loader is away: another one ends its load, and a later load replaces that."""
    newest = dataset_of(folder / "newest", 2, 9, run="run-3")
    for wanted, how in ((dataset, options), (newest, LoadOptions(replace=True))):
        with closing(connect(target)) as other:
            load(wanted, target, other, how)
    return newest


def test_loader_that_comes_back_after_a_later_load_changes_nothing(
    replaced: bool, target: Target, tmp_path: Path
) -> None:
    """As a rented machine does that was lost, and starts its loader again."""
    dataset = dataset_of(tmp_path / "now", 3, 30, run="run-2")
    options = LoadOptions(replace=True, load=uuid4().hex[:12])
    newest = end_and_replace(target, dataset, options, tmp_path)
    with (
        closing(connect(target)) as late,
        pytest.raises(Problem, match="run run-3 by a load that began later"),
    ):
        load(dataset, target, late, options)
    with closing(connect(target)) as store:
        assert_holds(store, newest)


def test_loader_that_was_held_up_before_the_end_changes_nothing(
    replaced: bool, target: Target, tmp_path: Path
) -> None:
    """Its lease has run out, another loader has ended the load, and a later load has replaced that."""
    dataset = dataset_of(tmp_path / "now", 3, 30, run="run-2")
    newest: list[Dataset] = []
    with closing(connect(target)) as late, pytest.MonkeyPatch.context() as patch:
        seal = late.seal

        def held_up(contents: Any, receipts: Any) -> str | None:
            newest.append(end_and_replace(target, dataset, LoadOptions(replace=replaced), tmp_path))
            return seal(contents, receipts)

        patch.setattr(late, "seal", held_up)
        with pytest.raises(Problem, match="run run-3 by a load that began later"):
            load(dataset, target, late, LoadOptions(replace=replaced))
    with closing(connect(target)) as store:
        assert_holds(store, newest[0])


class Grown:
    """A run of files a, b, c and a later one: a row of b changed and one is gone, c is gone, d is new."""

    def __init__(self, output: Path) -> None:
        vectors = unit_vectors(60, 32, 1)
        names = {part: [f"{part}{n}" for n in range(20)] for part in "abcd"}
        a = write_vectors(output, "a", names["a"], vectors[:20])
        b = write_vectors(output, "b", names["b"], vectors[20:40])
        c = write_vectors(output, "c", names["c"], vectors[40:])
        changed = np.delete(vectors[20:40], 7, axis=0)
        changed[3] = vectors[0]
        b_later = write_vectors(output, "b-later", [n for n in names["b"] if n != "b7"], changed)
        d = write_vectors(output, "d", names["d"], unit_vectors(20, 32, 2))
        write_dataset_of(output, [a, b, c])
        write_dataset_of(output, [a, b_later, d], run="run-2")
        self.first, self.second = (open_dataset(str(output), run) for run in ("run-1", "run-2"))


def test_difference_of_two_runs_changes_those_keys_alone(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    grown = Grown(tmp_path)
    load(grown.first, target, store)
    with pytest.raises(Problem, match="holds run run-1, and not run-2") as refused:
        load(grown.second, target, store)
    assert "--since run-1" in refused.value.hint
    done = load(grown.second, target, store, LoadOptions(since="run-1"))
    assert (done.files_written, done.rows_written, done.rows_deleted) == (2, 39, 21)
    assert_holds(store, grown.second)
    assert store.fetch([Key("b7", 0), Key("c1", 0)]) == {}
    assert load(grown.second, target, store, LoadOptions(since="run-1")).action == "nothing"


def test_difference_goes_back_and_forth(store: VectorStore, target: Target, tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    load(grown.first, target, store)
    for _ in range(2):
        load(grown.second, target, store, LoadOptions(since="run-1"))
        assert_holds(store, grown.second)
        load(grown.first, target, store, LoadOptions(since="run-2"))
        assert_holds(store, grown.first)


def test_difference_that_failed_goes_on(store: VectorStore, target: Target, tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    load(grown.first, target, store)

    def fail(_keys: object) -> int:
        raise Problem("the line broke", hint="again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "delete", fail)
        with pytest.raises(Problem, match="the line broke"):
            load(grown.second, target, store, LoadOptions(since="run-1"))
    with pytest.raises(Problem, match="between run run-1 and run run-2"):
        load(grown.first, target, store)
    load(grown.second, target, store, LoadOptions(since="run-1"))
    assert_holds(store, grown.second)


@pytest.mark.parametrize(
    "other",
    [
        {"model_fingerprint": OTHER_WEIGHTS},
        {"model_fingerprint": None},
        {"prompt": "passage: "},
        {"precision": "fp8"},
    ],
    ids=["weights", "unknown", "prompt", "precision"],
)
def test_vectors_of_another_model_do_not_come_in(
    other: dict[str, Any], store: VectorStore, target: Target, tmp_path: Path
) -> None:
    load(dataset_of(tmp_path / "one", 1, 10), target, store)
    second = dataset_of(tmp_path / "two", 1, 10, run="run-2", **other)
    for options in (LoadOptions(), LoadOptions(since="run-2")):
        with pytest.raises(Problem, match=r"holds (another model|vectors of another)"):
            load(second, target, store, options)
    assert store.count() == 10


def test_replacement_takes_the_place_when_it_is_whole(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    first = dataset_of(tmp_path / "one", 2, 10)
    second = dataset_of(tmp_path / "two", 3, 12, run="run-2", model_fingerprint=OTHER_WEIGHTS)
    load(first, target, store)

    def fail(*_: object) -> None:
        raise Problem("the line broke", hint="again")

    with closing(connect(target)) as own, pytest.MonkeyPatch.context() as patch:
        patch.setattr(own, "seal", fail)
        with pytest.raises(Problem, match="the line broke"):
            load(second, target, own, LoadOptions(replace=True))
    with closing(connect(target)) as reader:
        assert_holds(reader, first)
    with closing(connect(target)) as own:
        done = load(second, target, own, LoadOptions(replace=True))
        assert (done.action, done.files_written) == ("replace", 0)
    with closing(connect(target)) as reader:
        assert_holds(reader, second)


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


def test_check_of_a_good_store_finds_nothing(store: VectorStore, target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 3, 300)
    load(dataset, target, store)
    found = check_store(dataset, target, store)
    assert (found.faults, found.rows, found.fetched, found.searched) == ((), 900, 256, 64)
    assert found.recall_at_10 is not None
    assert found.recall_at_10 >= 0.95
    assert found.exact_recall_at_10 == (1.0 if store.exact_search else None)


@pytest.mark.parametrize("harm", ["missing", "altered", "extra"])
def test_check_names_what_is_wrong(harm: str, store: VectorStore, target: Target, tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, 1, 60)
    load(dataset, target, store)
    vectors = unit_vectors(1, 32, 99)
    name = FileId("run-1", uuid4().hex[:12], "0" * 64, "by hand", 1)
    match harm:
        case "missing":
            assert store.delete([Key("0-7", 0)]) == 1
        case "altered":
            store.write(name, [Rows(["0-7"], [0], vectors, {})], merge=True)
        case _:
            store.write(name, [Rows(["other"], [0], vectors, {})], merge=True)
    found = check_store(dataset, target, store)
    said = {
        "missing": "counts 59 rows",
        "altered": "1 sampled rows .* numbers: 0-7:0",
        "extra": "counts 61 rows",
    }
    assert re.search(said[harm], " ".join(found.faults))


def test_collection_that_is_not_complete_is_not_checked(
    store: VectorStore, target: Target, tmp_path: Path
) -> None:
    dataset = dataset_of(tmp_path, 1, 5)
    with pytest.raises(Problem, match="is not there"):
        check_store(dataset, target, store)
    contents = contents_of(dataset.header, dataset.dimensions, "a" * 12)
    store.prepare(contents, schema_of(dataset, store, ()), LoadOptions().index, replace=False)
    with pytest.raises(Problem, match="is not loaded to its end"):
        check_store(replace(dataset), target, store)
