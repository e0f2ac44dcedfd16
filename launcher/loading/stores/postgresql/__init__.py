"""PostgreSQL with pgvector: a table, written by COPY.

Imports: `launcher.loading`, `index_sizes`, `sinks`, `errors`; `tasks`; psycopg, which is an extra.

pgvector: a table, a transaction a file.
pgvector_tables: the statements of its tables and indexes.
postgres: connections to PostgreSQL, and its errors.
copy_binary: rows as COPY BINARY reads them.
"""
