"""A loader as it is often written, for a test that must fail with it: plain INSERTs that are committed as they come.

It starts from the beginning whenever it is started again: it keeps no ledger of what is there.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import sql

from launcher.cli.main import main
from launcher.loading.stores.postgresql import pgvector_tables as tables
from launcher.loading.stores.postgresql.pgvector import PgVector
from launcher.loading.vector_store import FileId, Rows

INSERT = sql.SQL("INSERT INTO {} (id, chunk, embedding) VALUES (%s, %s, %s)")


class WrongLoader(PgVector):
    """Writes rows without their ledger."""

    def write(self, file: FileId, batches: Iterable[Rows], *, merge: bool) -> Mapping[str, Any]:
        del file, merge
        for rows in batches:
            with self._server.own().cursor() as cursor:
                texts = [tables.text_of(vector, "float32") for vector in rows.vectors]
                cursor.executemany(
                    INSERT.format(self._table.quoted), list(zip(rows.ids, rows.chunks, texts, strict=True))
                )
        return {}


if __name__ == "__main__":
    from launcher.loading.stores.postgresql import pgvector

    pgvector.PgVector = WrongLoader  # pyright: ignore[reportPrivateImportUsage, reportAttributeAccessIssue]
    sys.exit(main())
