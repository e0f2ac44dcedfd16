"""The SQL of pgvector: types, tables, indexes and how much memory an index is built in. Opens no connection."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from psycopg import sql

from launcher.errors import Problem
from launcher.index_sizes.pgvector import Element as ColumnType
from launcher.loading.contents import Contents, encode
from launcher.loading.vector_store import Element, Schema, Vectors
from launcher.sinks.index import IndexSpec

# The most dimensions of an index: https://github.com/pgvector/pgvector#hnsw
INDEXED_DIMENSIONS: dict[Element, int] = {"float32": 2_000, "float16": 4_000, "bits": 64_000}
MOST_DIMENSIONS: dict[Element, int] = {"float32": 16_000, "float16": 16_000, "bits": 64_000}
NUMBER_BYTES: dict[Element, float] = {"float32": 4, "float16": 2, "bits": 1 / 8}
TYPES: dict[Element, ColumnType] = {"float32": "vector", "float16": "halfvec", "bits": "bit"}
SEND: dict[Element, sql.SQL] = {
    "float32": sql.SQL("vector_send"),
    "float16": sql.SQL("halfvec_send"),
    "bits": sql.SQL("bit_send"),
}
OPERATORS = {"cosine": sql.SQL("<=>"), "hamming": sql.SQL("<~>")}
OWN_COLUMNS = ("id", "chunk", "embedding")
SYSTEM_COLUMNS = ("ctid", "tableoid", "xmin", "xmax", "cmin", "cmax")
MOST_NAME_BYTES = 63
LEAVE_OUT = "leave it out: --keep with the other columns, or --keep none"
LEDGER = "embedfleet_loads"
LEAST_BUILD_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class TableName:
    """A table in a schema; None: the first of the search path."""

    schema: str | None
    name: str

    @property
    def quoted(self) -> sql.Identifier:
        """The table as an identifier in a statement."""
        return self.beside(self.name)

    def beside(self, name: str) -> sql.Identifier:
        """Another name in the same schema."""
        return sql.Identifier(name) if self.schema is None else sql.Identifier(self.schema, name)

    def __str__(self) -> str:
        return self.name if self.schema is None else f"{self.schema}.{self.name}"


def check_schema(schema: Schema) -> None:
    """Refuse what a table of pgvector cannot hold.

    Raises:
        Problem: too many dimensions, or a kept column with a name that is taken, or that PostgreSQL does not take.
    """
    most = MOST_DIMENSIONS[schema.element]
    if schema.dimensions > most:
        raise Problem(
            f"pgvector's {TYPES[schema.element]} has {most:,} dimensions at most, these vectors {schema.dimensions:,}",
            hint="embed with output.dimensions, or load into another store",
        )
    for name in schema.kept:
        if name in OWN_COLUMNS:
            wrong = "has the name of a column of the table"
        elif name in SYSTEM_COLUMNS:
            wrong = "has the name of a system column of PostgreSQL"
        elif not 0 < len(name.encode()) <= MOST_NAME_BYTES or "\0" in name:  # a longer one would be cut
            wrong = f"is no name of 1 to {MOST_NAME_BYTES} bytes, as PostgreSQL wants it"
        else:
            continue
        raise Problem(f"the kept column {name!r} {wrong}", hint=LEAVE_OUT)


def create_table(table: TableName, schema: Schema) -> sql.Composed:
    """No primary key yet: rows are loaded without an index, and `primary_key` comes behind."""
    kept = [sql.SQL("{} text").format(sql.Identifier(name)) for name in schema.kept]
    columns = sql.SQL(", ").join(
        [
            sql.SQL("id text NOT NULL"),
            sql.SQL("chunk integer NOT NULL"),
            sql.SQL("embedding {}({}) NOT NULL").format(
                sql.Identifier(TYPES[schema.element]), sql.Literal(schema.dimensions)
            ),
            *kept,
        ]
    )
    return sql.SQL("CREATE TABLE {} ({})").format(table.quoted, columns)


CREATE_LEDGER = sql.SQL(
    "CREATE TABLE IF NOT EXISTS {} (load text, sha256 text, run text NOT NULL, file text NOT NULL, rows bigint NOT NULL, "
    "loaded_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (load, sha256))"
)


def comment(table: TableName, contents: Contents) -> sql.Composed:
    """The record of what the table holds is its comment, which a rename and a dump keep."""
    return sql.SQL("COMMENT ON TABLE {} IS {}").format(table.quoted, sql.Literal(encode(contents)))


def names_of(contents: Contents) -> tuple[str, str]:
    """The names of the primary key and of the index; they are unique in a schema, so they hold its identity."""
    return f"embedfleet_{contents.collection}_pkey", f"embedfleet_{contents.collection}_hnsw"


def indexed_expression(schema: Schema) -> sql.Composable | None:
    """What the index is on: the column, or its half precision where floats have too many dimensions; None: no index."""
    if schema.dimensions <= INDEXED_DIMENSIONS[schema.element]:
        return sql.SQL("embedding")
    if schema.element == "float32" and schema.dimensions <= INDEXED_DIMENSIONS["float16"]:
        return sql.SQL("(embedding::halfvec({}))").format(sql.Literal(schema.dimensions))
    return None


def create_index(table: TableName, name: str, schema: Schema, index: IndexSpec) -> sql.Composed | None:
    """The statement that builds the index; None: there is to be none."""
    on = indexed_expression(schema)
    if on is None or index.kind == "none":
        return None
    half = schema.dimensions > INDEXED_DIMENSIONS[schema.element]
    kind = "halfvec" if half else TYPES[schema.element]
    operators = "bit_hamming_ops" if schema.element == "bits" else f"{kind}_cosine_ops"
    statement = "CREATE INDEX {} ON {} USING hnsw ({} {}) WITH (m = {}, ef_construction = {})"
    values = (sql.Literal(index.m), sql.Literal(index.ef_construction))
    return sql.SQL(statement).format(
        sql.Identifier(name), table.quoted, on, sql.Identifier(operators), *values
    )


def build_bytes(schema: Schema, index: IndexSpec) -> int:
    """Memory in which the whole graph is built: beyond it pgvector goes on on disk, many times slower.

    A node: the vector, 2m neighbours on the lowest layer and m on each of about 1/(m-1) more, 16 bytes each while it is
    built, and about 200 bytes of its own.
    """
    number = NUMBER_BYTES[schema.element]
    if schema.dimensions > INDEXED_DIMENSIONS[schema.element]:
        number = NUMBER_BYTES["float16"]
    node = number * schema.dimensions + 16 * index.m * (2 + 1 / (index.m - 1)) + 200
    return int(max(LEAST_BUILD_BYTES, 1.1 * node * schema.rows))


VERSION = sql.SQL("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
MEMORY = sql.SQL(
    "SELECT pg_size_bytes(current_setting('effective_cache_size')), "
    "pg_size_bytes(current_setting('maintenance_work_mem'))"
)
# Of a table, by its quoted name as text.
COMMENT = sql.SQL("SELECT to_regclass(%s), obj_description(to_regclass(%s), 'pg_class')")
COLUMNS = sql.SQL(
    "SELECT a.attname, t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
    "WHERE a.attrelid = to_regclass(%s) AND a.attnum > 0 AND NOT a.attisdropped"
)
VALID_INDEX = sql.SQL(
    "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
    "WHERE i.indrelid = to_regclass(%s) AND c.relname = %s AND i.indisvalid"
)
CLAIM = sql.SQL(
    "INSERT INTO {} (load, run, sha256, file, rows) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING 1"
)
LOADED = sql.SQL("SELECT sha256, file, rows FROM {} WHERE load = %s")
HAS_KEY = sql.SQL("SELECT 1 FROM pg_index WHERE indrelid = to_regclass(%s) AND indisprimary")
# Of a table that is written to: no other takes its place until the transaction ends.
HOLD = sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE")
PRIMARY_KEY = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY (id, chunk)")
STAGING = sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA")
COPY = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)")
MERGE = sql.SQL(
    "INSERT INTO {table} AS t ({columns}) SELECT {columns} FROM {staging} ON CONFLICT (id, chunk) DO UPDATE "
    "SET {new} WHERE ({old}) IS DISTINCT FROM ({excluded})"
)
# Of a table that has no key yet.
REMOVE = sql.SQL("DELETE FROM {table} t USING {staging} s WHERE t.id = s.id AND t.chunk = s.chunk")
ADD = sql.SQL("INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging}")
KEYS = sql.SQL("unnest(%s::text[], %s::int[]) AS k (id, chunk)")
DELETE = sql.SQL("DELETE FROM {} t USING {} WHERE t.id = k.id AND t.chunk = k.chunk")
FETCH = sql.SQL(
    "SELECT t.id, t.chunk, {}(t.embedding) FROM {} JOIN {} t ON t.id = k.id AND t.chunk = k.chunk"
)
NEAREST = sql.SQL("SELECT id, chunk FROM {} ORDER BY {} {} {}::{} LIMIT {}")


def merge(table: TableName, staging: sql.Identifier, columns: Sequence[str]) -> sql.Composed:
    """Write the rows of a temporary table that are new or other."""
    values = [sql.Identifier(name) for name in columns if name not in ("id", "chunk")]
    return MERGE.format(
        table=table.quoted,
        columns=listed(columns),
        staging=staging,
        new=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in values),
        old=sql.SQL(", ").join(sql.SQL("t.{}").format(name) for name in values),
        excluded=sql.SQL(", ").join(sql.SQL("excluded.{}").format(name) for name in values),
    )


def listed(columns: Sequence[str]) -> sql.Composed:
    """Names between commas."""
    return sql.SQL(", ").join(map(sql.Identifier, columns))


def nearest(table: TableName, vector: Vectors, element: Element, k: int, *, exact: bool) -> sql.Composed:
    """The query of a search; without the index it is on the column itself."""
    width = vector.shape[-1] * (8 if element == "bits" else 1)
    half = not exact and width > INDEXED_DIMENSIONS[element]
    kind = "halfvec" if half else TYPES[element]
    schema = Schema(width, element, (), 0)
    on = (None if exact else indexed_expression(schema)) or sql.SQL("embedding")
    cast = sql.SQL("{}({})").format(sql.Identifier(kind), sql.Literal(width))
    return NEAREST.format(
        table.quoted,
        on,
        OPERATORS[schema.metric],
        sql.Literal(text_of(vector, element)),
        cast,
        sql.Literal(k),
    )


def text_of(vector: Vectors, element: Element) -> str:
    """A vector as PostgreSQL reads it."""
    if element == "bits":
        return "".join(map(str, np.unpackbits(vector)))
    return "[" + ",".join(repr(float(number)) for number in vector) + "]"
