"""SQLModel classes of the ledger's tables, for your own queries in Python.

They are made from the definitions in `tables`, so they cannot differ from them. Commands do not import this module:
SQLModel and what it needs cost 0.4 s of CPU to import. docs/operations.md has an example.
"""

from typing import Any

from sqlalchemy import Column as SqlColumn
from sqlalchemy import Dialect, Float, Integer, Text
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

from launcher.ledger.tables import TABLES, Column, Table, stored


class StoredAsText(TypeDecorator[Any]):
    """A time, money, a state, JSON or files, stored and loaded as the ledger does it."""

    impl = Text
    cache_ok = True

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.column = column

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> Any | None:
        del dialect
        return stored(self.column, value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any | None:
        del dialect
        return value if self.column.load is None or value is None else self.column.load(value)


def model_of(table: Table[Any]) -> type[SQLModel]:
    """Make the SQLModel class of a table, such as `LifeRow`; its attributes are the table's columns."""
    namespace: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": f"A row of the table {table.name}.",
        "__tablename__": table.name,
        "__annotations__": dict.fromkeys(table.columns, Any),
    }
    for name, column in table.columns.items():
        key = name in table.key
        cell = SqlColumn(name, _sql_type(column), primary_key=key, nullable=not column.required)
        namespace[name] = Field(default=None, sa_column=cell)
    return type(SQLModel)(f"{table.name.title()}Row", (SQLModel,), namespace, table=True)


def _sql_type(column: Column) -> TypeEngine[Any]:
    if column.store is not None:
        return StoredAsText(column)
    return {int: Integer(), float: Float(), str: Text()}[column.type]


MODELS = {table.name: model_of(table) for table in TABLES}
