"""Predicted bytes beside those of real indexes: pgvector on a real PostgreSQL, faiss, hnswlib and DiskANN.

`make e2e-indexes` makes an environment with these libraries (`.venv-indexes`). Each size is to be within 5 %.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from launcher.index_sizes.graphs import diskann_disk, faiss_hnsw, faiss_ivf, faiss_ivf_pq, hnsw
from launcher.index_sizes.pgvector import Element, index_bytes, table_bytes
from tests.support.paths import ROOT
from tests.support.stores import build_indexes
from tests.support.stores.build_indexes import (
    DIMENSIONS,
    DISK_DIMENSIONS,
    DISK_ROWS,
    LINKS,
    LISTS,
    PARTS,
    ROWS,
)
from tests.support.stores.postgres import Postgres, running_postgres

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("indexes")]

PYTHON = ROOT / ".venv-indexes" / "bin" / "python"
WITHIN = 0.05
PG_ROWS = 1_500
NAME_LETTERS = 12  # of `doc-00000001`
FIXED_PAGES = 5  # of a table: maps of free and visible pages, and the first page of each index
CASES = [
    *((kind, d, m) for kind in ("vector",) for d in (384, 512, 768, 1024, 1536, 2000) for m in (16, 32)),
    *(("halfvec", d, m) for d in (384, 512, 768, 1024, 1536, 2000, 3072, 4000) for m in (16, 32)),
]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    folder = tmp_path_factory.mktemp("postgres")
    with running_postgres(
        folder, "fsync=off", "shared_buffers=256MB", "maintenance_work_mem=512MB"
    ) as server:
        yield server


@pytest.mark.parametrize(("kind", "dimensions", "links"), CASES, ids=str)
def test_pgvector_takes_what_is_predicted(postgres: Postgres, kind: str, dimensions: int, links: int) -> None:
    numbers = f"(SELECT array_agg(random() - 0.5) FROM generate_series(1, {dimensions}) WHERE i = i)"
    postgres.query(
        "DROP TABLE IF EXISTS t;"
        f"CREATE TABLE t (id text, chunk integer, embedding {kind}({dimensions}), PRIMARY KEY (id, chunk));"
        f"INSERT INTO t SELECT 'doc-' || lpad(i::text, 8, '0'), 0, {numbers}::{kind}({dimensions}) "
        f"FROM generate_series(1, {PG_ROWS}) i;"
        f"CREATE INDEX ix ON t USING hnsw (embedding {kind}_cosine_ops) WITH (m = {links}, ef_construction = 64)"
    )
    index, table = (
        int(postgres.query(f"SELECT {what}"))
        for what in ("pg_relation_size('ix')", "pg_table_size('t') + pg_relation_size('t_pkey')")
    )
    element = cast("Element", kind)
    assert PG_ROWS * index_bytes(dimensions, element, links) == pytest.approx(index, rel=WITHIN)
    fixed = FIXED_PAGES * 8192
    assert PG_ROWS * table_bytes(dimensions, element, NAME_LETTERS) + fixed == pytest.approx(
        table, rel=WITHIN
    )


def built(folder: Path, library: str) -> dict[str, int]:
    """Bytes of the indexes that a library builds."""
    if not PYTHON.exists():
        pytest.skip("no libraries of indexes: `make e2e-indexes` sets up .venv-indexes")
    command = [str(PYTHON), build_indexes.__file__, str(folder), library]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-2_000:]
    return json.loads((folder / f"{library}.json").read_text(encoding="utf-8"))


def test_faiss_takes_what_is_predicted(tmp_path: Path) -> None:
    predicted = {
        "hnsw float32": faiss_hnsw(4 * DIMENSIONS, LINKS),
        "hnsw float16": faiss_hnsw(2 * DIMENSIONS, LINKS),
        "hnsw int8": faiss_hnsw(DIMENSIONS, LINKS),
        "hnsw binary": faiss_hnsw(DIMENSIONS / 8, LINKS),
        "ivf float32": faiss_ivf(ROWS, DIMENSIONS, 4 * DIMENSIONS, LISTS),
        "ivf pq": faiss_ivf_pq(ROWS, DIMENSIONS, PARTS, LISTS),
    }
    found = built(tmp_path, "faiss")
    assert {name: ROWS * each for name, each in predicted.items()} == pytest.approx(found, rel=WITHIN)


def test_hnswlib_takes_what_is_predicted(tmp_path: Path) -> None:
    found = built(tmp_path, "hnswlib")["hnsw float32"]
    assert ROWS * hnsw(4 * DIMENSIONS, LINKS) == pytest.approx(found, rel=WITHIN)


def test_diskann_takes_what_is_predicted(tmp_path: Path) -> None:
    predicted = {str(d): DISK_ROWS * diskann_disk(4 * d) for d in DISK_DIMENSIONS}
    assert predicted == pytest.approx(built(tmp_path, "diskann"), rel=WITHIN)
