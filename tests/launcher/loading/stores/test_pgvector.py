"""PostgreSQL with pgvector, for real: tables, types, indexes, refusals, and changes that write only what changed."""

import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from launcher.errors import Problem
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.loading.stores.postgresql.copy_binary import buffers
from launcher.loading.stores.postgresql.postgres import Connections, problems
from launcher.loading.vector_store import Rows, Schema
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target, parse_target
from launcher.vectors.read_dataset import open_dataset
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import dataset_of, unit_vectors, write_dataset_of, write_vectors


@pytest.fixture
def target(stores: VectorStores, tmp_path: Path) -> Target:
    return parse_target(stores.address("pgvector", tmp_path))


@pytest.fixture
def server(target: Target) -> Iterator[psycopg.Connection[Any]]:
    place: dict[str, Any] = {
        "host": target.host,
        "port": target.port,
        "user": target.user,
        "dbname": target.database,
    }
    with psycopg.connect(make_conninfo(**place, client_encoding="UTF8"), autocommit=True) as found:
        yield found


def rows(server: psycopg.Connection[Any], query: str) -> list[Any]:
    return server.execute(query.encode()).fetchall()


def indexes(server: psycopg.Connection[Any], target: Target) -> str:
    found = rows(server, f"SELECT indexdef FROM pg_indexes WHERE tablename = '{target.collection}'")
    return "\n".join(definition for (definition,) in found)


def loaded(target: Target, folder: Path, *, index: IndexSpec | None = None, **of: Any) -> None:
    counts: dict[str, Any] = {"files": 1, "rows": 4}
    dataset = dataset_of(folder, **(counts | of))
    with closing(connect(target)) as store:
        load(dataset, target, store, LoadOptions(index=index or IndexSpec()))


@pytest.mark.parametrize(
    ("dtype", "dimensions", "kind", "index"),
    [
        ("float32", 384, "vector(384)", "USING hnsw (embedding vector_cosine_ops)"),
        ("float16", 384, "halfvec(384)", "USING hnsw (embedding halfvec_cosine_ops)"),
        ("int8", 384, "halfvec(384)", "USING hnsw (embedding halfvec_cosine_ops)"),
        ("binary", 384, "bit(384)", "USING hnsw (embedding bit_hamming_ops)"),
        ("float32", 2048, "vector(2048)", "USING hnsw (((embedding)::halfvec(2048)) halfvec_cosine_ops)"),
        ("float32", 4096, "vector(4096)", None),
    ],
)
def test_column_and_index_are_those_of_the_type(
    dtype: Any, dimensions: int, kind: str, index: str | None, target: Target, server: Any, tmp_path: Path
) -> None:
    loaded(target, tmp_path, dimensions=dimensions, dtype=dtype)
    found = rows(
        server,
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = '{target.collection}'::regclass AND attname = 'embedding'",
    )
    assert found == [(kind,)]
    said = indexes(server, target)
    assert "USING btree (id, chunk)" in said
    assert index in said if index else "hnsw" not in said
    with closing(connect(target)) as store:
        assert check_store(open_dataset(str(tmp_path)), target, store).faults == ()


def test_index_has_the_asked_options_or_is_none(target: Target, server: Any, tmp_path: Path) -> None:
    loaded(target, tmp_path, index=IndexSpec("hnsw", 8, 40))
    assert "(m='8', ef_construction='40')" in indexes(server, target)
    with closing(connect(target)) as store:
        options = LoadOptions(index=IndexSpec("none"), replace=True)
        done = load(open_dataset(str(tmp_path)), target, store, options)
    assert (done.index, done.kept_as) == ("none", f"{target.collection}__previous")
    assert "hnsw" not in indexes(server, target)


def test_kept_columns_come_with_the_vectors(target: Target, server: Any, tmp_path: Path) -> None:
    loaded(target, tmp_path, keep=("title", 'a "quoted" name'))
    query = f"""SELECT id, chunk, title, "a ""quoted"" name" FROM {target.collection} ORDER BY id LIMIT 1"""
    assert rows(server, query) == [("0-0", 0, "title of 0-0", 'a "quoted" name of 0-0')]


def test_sql_finds_the_nearest_rows_and_uses_the_index(target: Target, server: Any, tmp_path: Path) -> None:
    loaded(target, tmp_path, rows=2_000)
    first = f"(SELECT embedding FROM {target.collection} WHERE id = '0-7')"
    query = f"SELECT id FROM {target.collection} ORDER BY embedding <=> {first} LIMIT 3"
    assert rows(server, query)[0] == ("0-7",)
    assert "Index Scan using embedfleet_" in str(rows(server, f"EXPLAIN {query}"))


def test_table_of_others_is_left_alone(target: Target, server: Any, tmp_path: Path) -> None:
    server.execute(f"CREATE TABLE {target.collection} (id text)".encode())
    with pytest.raises(Problem, match="embedfleet did not make it"):
        loaded(target, tmp_path)
    assert rows(server, f"SELECT count(*) FROM {target.collection}") == [(0,)]


def test_change_writes_only_rows_that_differ(target: Target, server: Any, tmp_path: Path) -> None:
    vectors = unit_vectors(10, 32, 1)
    ids = [f"a{n}" for n in range(10)]
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "a", ids, vectors)])
    changed = vectors.copy()
    changed[3] = unit_vectors(1, 32, 9)[0]
    write_dataset_of(tmp_path, [write_vectors(tmp_path, "b", ids, changed)], run="run-2")
    query = f"SELECT id, xmin::text FROM {target.collection}"
    with closing(connect(target)) as store:
        load(open_dataset(str(tmp_path), "run-1"), target, store)
        before = dict(rows(server, query))
        load(open_dataset(str(tmp_path), "run-2"), target, store, LoadOptions(since="run-1"))
    after = dict(rows(server, query))
    assert [name for name in ids if before[name] != after[name]] == ["a3"]


def test_null_in_a_kept_column_is_null_and_a_nul_is_refused() -> None:
    vectors = np.zeros((1, 8), np.float32)
    good = Rows(["a"], [0], vectors, {"title": [None]})
    assert b"".join(buffers(good, "float32")).endswith(b"\xff\xff\xff\xff")
    with pytest.raises(Problem, match="the column title of id 'a' holds a NUL character") as refused:
        list(buffers(Rows(["a"], [0], vectors, {"title": ["x\0y"]}), "float32"))
    assert "--keep" in refused.value.hint


def test_kept_column_with_the_name_of_ours_is_refused(target: Target, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="kept column 'embedding'"):
        loaded(target, tmp_path, keep=("embedding",))


def test_replacement_that_was_given_up_is_made_anew(target: Target, server: Any, tmp_path: Path) -> None:
    loaded(target, tmp_path / "one")
    other = dataset_of(tmp_path / "two", 1, 5, run="run-2")
    with closing(connect(target)) as store:
        contents = store.contents()
        assert contents is not None
        store.prepare(contents, Schema(32, "float32", ("old",), 4), IndexSpec(), replace=True)
        done = load(other, target, store, LoadOptions(replace=True))
    assert done.rows_written == 5
    assert rows(server, f"SELECT count(*) FROM {target.collection}") == [(5,)]


def test_server_that_is_not_there_is_a_problem_of_two_lines() -> None:
    with pytest.raises(Problem, match="PostgreSQL cannot be reached") as failed:
        connect(parse_target("postgresql://127.0.0.1:1/d?table=t"))
    assert "see that the server runs" in failed.value.hint


def test_password_is_in_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "s3cret-value")
    with pytest.raises(Problem) as failed:
        connect(parse_target("postgresql://ann@127.0.0.1:1/d?table=t"), "$MY_SECRET")
    assert "s3cret" not in failed.value.two_lines()


def test_timeout_of_the_server_ends_no_load_and_one_of_this_client_does(
    target: Target, server: psycopg.Connection[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.execute("CREATE ROLE hurried LOGIN SUPERUSER")
    server.execute("ALTER ROLE hurried SET statement_timeout = '200ms'")
    try:
        loaded(replace(target, user="hurried"), tmp_path / "first", rows=6_000, dimensions=96)
        assert rows(server, f"SELECT count(*) FROM {target.collection}") == [(6_000,)]
        monkeypatch.setenv("PGOPTIONS", "-c statement_timeout=200ms")
        other = replace(target, collection=f"{target.collection}_b")
        with pytest.raises(Problem, match="PostgreSQL ended a statement"):
            loaded(other, tmp_path / "second", rows=6_000, dimensions=96)
    finally:
        server.execute("DROP OWNED BY hurried")
        server.execute("DROP ROLE hurried")


def test_server_that_takes_no_writes_is_named(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    with pytest.raises(Problem, match="takes no writes here") as failed:
        loaded(target, tmp_path)
    assert "name the primary server" in failed.value.hint
    word = target.shown + "&target_session_attrs=read-write"
    with pytest.raises(Problem, match=r"takes no writes here: .*session is read-only"):
        loaded(parse_target(word), tmp_path)


def test_of_several_hosts_one_that_takes_writes_is_loaded(target: Target, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        away = gone.getsockname()[1]
    place = f"@127.0.0.1:{away},127.0.0.1:{target.port}/"
    word = target.shown.replace(f"@127.0.0.1:{target.port}/", place) + "&target_session_attrs=read-write"
    loaded(parse_target(word), tmp_path)


def test_session_that_a_pooler_gives_to_others_is_left_as_it_was(
    target: Target, server: psycopg.Connection[Any]
) -> None:
    server.execute("CREATE ROLE pooled LOGIN SUPERUSER")
    server.execute("ALTER ROLE pooled SET statement_timeout = '7s'")
    connections = Connections(replace(target, user="pooled"), None)
    try:
        with connections.transaction(), connections.transaction():
            assert connections.run(sql.SQL("SHOW statement_timeout")) == [("0",)]
        for _ in range(20):
            connections.run(sql.SQL("SELECT %s"), [1])
        assert connections.run(sql.SQL("SHOW statement_timeout")) == [("7s",)]
        assert connections.run(sql.SQL("SELECT count(*) FROM pg_prepared_statements")) == [(0,)]
    finally:
        connections.close()
        server.execute("DROP ROLE pooled")


def test_schema_that_is_not_there_is_named(target: Target, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no such schema") as failed:
        loaded(parse_target(f"{target.shown.partition('=')[0]}=nowhere.docs"), tmp_path)
    assert "CREATE SCHEMA" in failed.value.hint


def test_server_that_answers_with_an_error_of_its_own_is_reached() -> None:
    with pytest.raises(Problem, match="PostgreSQL refused"), problems():
        raise psycopg.errors.LockNotAvailable("could not obtain lock")
