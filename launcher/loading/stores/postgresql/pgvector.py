"""PostgreSQL with pgvector. The rows of a file and its row in the ledger are one transaction: exactly once.

A new table is written by COPY without any index; the primary key and the HNSW index come behind. A change of a table
in use goes through a temporary table, and writes only rows that differ.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
from psycopg import errors, sql

from launcher.errors import Problem
from launcher.index_sizes.pgvector import index_bytes, table_bytes
from launcher.index_sizes.size import DEFAULT_ID_BYTES as ID_BYTES
from launcher.loading.contents import (
    Contents,
    check_goes_on,
    check_takes_place,
    decode,
    is_rest_of,
    resumed,
)
from launcher.loading.stores.common.fence import Fence
from launcher.loading.stores.postgresql import pgvector_tables as tables
from launcher.loading.stores.postgresql.copy_binary import BIG_ENDIAN, HEADER, TRAILER, buffers
from launcher.loading.stores.postgresql.pgvector_tables import TableName
from launcher.loading.stores.postgresql.postgres import Connections, first_line, problems
from launcher.loading.vector_store import Element, FileId, Guarantee, Key, LoadedFile, Rows, Schema, Vectors
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target
from tasks.protocol.dtypes import Dtype

EF_SEARCH = 100  # candidates of a search by the index; pgvector's default is 40
MOST_EF_SEARCH = 1_000  # pgvector's
LEAST_PGVECTOR = (0, 7)  # the first with halfvec and HNSW over bits
HEADER_BYTES = 4  # of a vector as the server sends it
ELEMENTS: Mapping[Dtype, Element] = {
    "float32": "float32",
    "float16": "float16",
    "int8": "float16",  # PostgreSQL has no vectors of whole numbers
    "binary": "bits",
}


class PgVector:
    """A table of PostgreSQL."""

    guarantee: Guarantee = "transactional"
    exact_search = True

    def __init__(self, target: Target, password: str | None = None) -> None:
        self._server = Connections(target, password)
        schema, _, name = target.collection.rpartition(".")
        self._name = TableName(schema or None, name)
        self._table = self._name  # or the one that will take its place
        self._schema: Schema | None = None
        self._index = IndexSpec()
        self._fence: Fence | None = None
        with problems():
            self._check_server(target.database)

    def element(self, dtype: Dtype, dimensions: int) -> Element:
        """Int8 becomes half precision."""
        del dimensions
        return ELEMENTS[dtype]

    def contents(self) -> Contents | None:
        """The comment of the table.

        Raises:
            Problem: the table has none of ours.
        """
        with problems():
            return self._contents(self._name)

    def prepare(self, contents: Contents, schema: Schema, index: IndexSpec, *, replace: bool) -> Contents:
        """Make the ledger and the table."""
        tables.check_schema(schema)
        self._schema, self._index = schema, index
        self._table = TableName(self._name.schema, f"{self._name.name}__next") if replace else self._name
        with problems(), self._server.transaction():
            self._lock()
            self._server.run(tables.CREATE_LEDGER.format(self._ledger()))
            have = self._contents(self._table)
            if have is not None and replace and not is_rest_of(have, contents):  # one that was given up
                self._server.run(sql.SQL("DROP TABLE {}").format(self._table.quoted))
                have = None
            if have is None:
                now = contents
                self._server.run(tables.create_table(self._table, schema))
            else:
                if not replace:
                    check_goes_on(have, contents, str(self._table))
                now = resumed(have, contents)
                self._check_columns(schema)
            self._server.run(tables.comment(self._table, now))
        table = self._table
        self._fence = Fence(now, lambda: self._contents(table), str(table))
        return now

    def loaded(self, contents: Contents) -> Collection[LoadedFile]:
        """What the ledger beside the table says."""
        with problems():
            found = self._server.run(tables.LOADED.format(self._ledger()), [contents.load])
        return [LoadedFile(*row) for row in found]

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        """Write a file in one transaction, unless the ledger has it: a second loader waits here for the first."""
        claim = tables.CLAIM.format(self._ledger())
        values = [file.load, file.run, file.sha256, file.key, file.rows]
        with problems(), self._server.transaction():
            if not self._is_over() and self._server.run(claim, values):
                written = self._merge(batches) if merge else self._copy(self._table.quoted, batches)
                if written != file.rows:
                    raise Problem(
                        f"{file.key} gave {written:,} rows, and the dataset lists {file.rows:,}",
                        hint=f"embedfleet verify {file.run} names what is wrong",
                    )
        return {}

    def delete(self, keys: Sequence[Key]) -> int:
        """Delete rows in one statement, unless a later load has begun."""
        with problems(), self._server.transaction():
            if self._fence is not None and keys:
                self._lock()  # a later load, which has it too when it begins, may want some of these rows
                self._is_over()
            return self._server.count(tables.DELETE.format(self._table.quoted, tables.KEYS), _columns(keys))

    def seal(self, contents: Contents, receipts: Sequence[Mapping[str, Any]]) -> str | None:
        """Add the primary key, build the index, take the place of the replaced table."""
        del receipts
        key, index = tables.names_of(contents)
        with problems(), self._server.transaction():
            self._lock()
            check_takes_place(self._contents(self._name), contents, str(self._name))
            if not self._has_index(key):
                self._server.run(tables.PRIMARY_KEY.format(self._table.quoted, sql.Identifier(key)))
            build = tables.create_index(self._table, index, self._prepared(), self._index)
            if build is not None and not self._has_index(index):
                self._build(build)
            self._server.run(sql.SQL("ANALYZE {}").format(self._table.quoted))
            self._server.run(tables.comment(self._table, contents))
            return self._take_place()

    def count(self) -> int:
        """Counted, not estimated."""
        with problems(), self._server.transaction():
            return int(self._server.run(sql.SQL("SELECT count(*) FROM {}").format(self._table.quoted))[0][0])

    def fetch(self, keys: Sequence[Key]) -> Mapping[Key, Vectors]:
        """Fetch the vectors of these keys in the server's binary format."""
        with problems(), self._server.transaction():
            element = self._element_of_table()
            query = tables.FETCH.format(tables.SEND[element], tables.KEYS, self._table.quoted)
            found = self._server.run(query, _columns(keys))
        kind = np.dtype(BIG_ENDIAN[element])
        return {
            Key(name, chunk): np.frombuffer(body, kind, offset=HEADER_BYTES).astype(kind.newbyteorder("="))
            for name, chunk, body in found
        }

    def search(self, vector: Vectors, k: int, *, exact: bool) -> list[Key]:
        """Ordered by the cosine distance, or by the Hamming distance of bits."""
        with problems(), self._server.transaction():
            query = tables.nearest(self._table, vector, self._element_of_table(), k, exact=exact)
            wanted = max(EF_SEARCH, min(k, MOST_EF_SEARCH))
            self._server.run(sql.SQL("SET LOCAL enable_indexscan = {}").format("off" if exact else "on"))
            self._server.run(sql.SQL("SET LOCAL hnsw.ef_search = {}").format(wanted))
            return [Key(name, chunk) for name, chunk in self._server.run(query)]

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """HNSW, or why there is none."""
        if index.kind == "none":
            return "none"
        if tables.indexed_expression(schema) is None:
            most, kind = tables.INDEXED_DIMENSIONS[schema.element], tables.TYPES[schema.element]
            return f"none: pgvector indexes {most:,} dimensions of {kind} at most"
        half = " of half precision" if schema.dimensions > tables.INDEXED_DIMENSIONS[schema.element] else ""
        return f"{index}, {schema.metric}{half}"

    def columns(self, schema: Schema) -> tuple[str, ...]:
        """The columns with their types."""
        vector = f"embedding {tables.TYPES[schema.element]}({schema.dimensions})"
        return ("id text", "chunk integer", vector, *(f"{name} text" for name in schema.kept))

    def data_bytes(self, schema: Schema) -> int:
        """Bytes of the table, its TOAST and its primary key."""
        return round(schema.rows * table_bytes(schema.dimensions, tables.TYPES[schema.element], ID_BYTES))

    def index_bytes(self, schema: Schema, index: IndexSpec) -> int | None:
        """Bytes of the HNSW index, by the page; None: there is none."""
        if index.kind == "none" or tables.indexed_expression(schema) is None:
            return None
        half = schema.dimensions > tables.INDEXED_DIMENSIONS[schema.element]
        kind = "halfvec" if half else tables.TYPES[schema.element]
        return round(schema.rows * index_bytes(schema.dimensions, kind, index.m))

    def build_bytes(self, schema: Schema, index: IndexSpec) -> int:
        """Memory in which the index is built fastest."""
        return tables.build_bytes(schema, index)

    # --- below, errors are those of psycopg

    def _ledger(self) -> sql.Identifier:
        return self._name.beside(tables.LEDGER)

    def _lock(self) -> None:
        """Let one loader at a time make tables and indexes; held until the transaction ends."""
        query = sql.SQL("SELECT pg_advisory_xact_lock(hashtext(%s))")
        self._server.run(query, [f"embedfleet {self._name}"])

    def _is_over(self) -> bool:
        """Whether another loader has ended this load; until the transaction ends, no other table takes the place.

        Raises:
            Problem: a later load has begun, or the table is gone.
        """
        assert self._fence is not None, "prepare comes first"
        self._server.run(tables.HOLD.format(self._table.quoted))
        return self._fence.is_over()

    def _prepared(self) -> Schema:
        assert self._schema is not None, "prepare comes first"
        return self._schema

    def _check_server(self, database: str | None) -> None:
        """Make the extension where it is missing, and see that it knows half precision and bits."""
        found = self._server.run(tables.VERSION)
        if not found:
            try:
                self._server.run(sql.SQL("CREATE EXTENSION IF NOT EXISTS vector"))
            except (errors.InsufficientPrivilege, errors.UndefinedFile, errors.FeatureNotSupported) as error:
                raise Problem(
                    f"the database {database} has no pgvector: {first_line(error)}",
                    hint="install pgvector on the server, then `CREATE EXTENSION vector` as a user who may",
                ) from error
            found = self._server.run(tables.VERSION)
        version = str(found[0][0])
        if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < LEAST_PGVECTOR:
            raise Problem(
                f"pgvector {version} is too old: 0.7 is the first with halfvec",
                hint="update it on the server, then `ALTER EXTENSION vector UPDATE`",
            )

    def _contents(self, table: TableName) -> Contents | None:
        name = self._text(table)
        there, said = self._server.run(tables.COMMENT, [name, name])[0]
        if there is None:
            return None
        found = decode(said or "")
        if found is None:
            raise Problem(
                f"the table {table} is there, and embedfleet did not make it",
                hint="name another table: rows are not mixed into tables of others",
            )
        return found

    def _check_columns(self, schema: Schema) -> None:
        there = {name for name, _ in self._server.run(tables.COLUMNS, [self._text(self._table)])}
        for name in (*tables.OWN_COLUMNS, *schema.kept):
            if name not in there:
                raise Problem(
                    f"the table {self._table} has no column {name!r}",
                    hint="--keep with the columns that it has; or --replace makes a new table",
                )

    def _element_of_table(self) -> Element:
        types = dict(self._server.run(tables.COLUMNS, [self._text(self._table)]))
        return next(element for element, kind in tables.TYPES.items() if kind == types["embedding"])

    def _text(self, table: TableName) -> str:
        """A quoted name as text, for to_regclass."""
        return table.quoted.as_string(self._server.own())

    def _copy(self, table: sql.Identifier, batches: Iterable[Rows]) -> int:
        schema = self._prepared()
        statement = tables.COPY.format(table, tables.listed((*tables.OWN_COLUMNS, *schema.kept)))
        rows = 0
        with self._server.own().cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(HEADER)
            for batch in batches:
                for buffer in buffers(batch, schema.element):
                    copy.write(buffer)
                rows += len(batch)
            copy.write(TRAILER)
        return rows

    def _merge(self, batches: Iterable[Rows]) -> int:
        """Through a temporary table: rows that are the same are not written, so that a change costs what changed.

        While there is no primary key yet, those that are there are deleted before.
        """
        staging = sql.Identifier(f"staging_{uuid4().hex}")
        columns = (*tables.OWN_COLUMNS, *self._prepared().kept)
        self._server.run(tables.STAGING.format(staging, tables.listed(columns), self._table.quoted))
        rows = self._copy(staging, batches)
        if self._server.run(tables.HAS_KEY, [self._text(self._table)]):
            self._server.run(tables.merge(self._table, staging, columns))
            return rows
        for statement in (tables.REMOVE, tables.ADD):
            self._server.run(
                statement.format(table=self._table.quoted, staging=staging, columns=tables.listed(columns))
            )
        return rows

    def _has_index(self, name: str) -> bool:
        return bool(self._server.run(tables.VALID_INDEX, [self._text(self._table), name]))

    def _build(self, statement: sql.Composed) -> None:
        """Build the index in as much memory as it needs, but not more than half of what the server says it has."""
        cache, set_to = self._server.run(tables.MEMORY)[0]
        wanted = max(int(set_to), min(tables.build_bytes(self._prepared(), self._index), int(cache) // 2))
        try:
            self._build_in(wanted, statement)
        except errors.DiskFull:  # of shared memory, of which a container has little; one process needs none
            self._build_in(wanted, statement, workers=0)

    def _build_in(self, memory: int, statement: sql.Composed, workers: int | None = None) -> None:
        with self._server.transaction():
            self._server.run(sql.SQL("SET LOCAL maintenance_work_mem = {}").format(f"{memory // 1024}kB"))
            if workers is not None:
                setting = sql.SQL("SET LOCAL max_parallel_maintenance_workers = {}")
                self._server.run(setting.format(workers))
            self._server.run(statement)

    def _take_place(self) -> str | None:
        """Rename the tables where this load replaces one: readers see the old one or the new one."""
        if self._table == self._name:
            return None
        before = TableName(self._name.schema, f"{self._name.name}__previous")
        rename = sql.SQL("ALTER TABLE {} RENAME TO {}")
        self._server.run(sql.SQL("DROP TABLE IF EXISTS {}").format(before.quoted))
        self._server.run(rename.format(self._name.quoted, sql.Identifier(before.name)))
        self._server.run(rename.format(self._table.quoted, sql.Identifier(self._name.name)))
        self._table = self._name
        return str(before)


def open_pgvector(target: Target, secret: str | None) -> PgVector:
    """The table that a target names."""
    return PgVector(target, secret)


def _columns(keys: Sequence[Key]) -> list[list[Any]]:
    """Keys as two arrays."""
    return [[key.id for key in keys], [key.chunk for key in keys]]
