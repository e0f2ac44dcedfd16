"""What a store refuses of a run's columns and dimensions before anything is written. Pure."""

from collections.abc import Callable, Sequence

from launcher.errors import Problem
from launcher.loading.vector_store import Schema


def check_schema(
    schema: Schema,
    store: str,
    most_dimensions: int,
    own_fields: Sequence[str],
    reserved: Callable[[str], bool] = lambda _name: False,
) -> None:
    """Check that a store has room for these dimensions, and that it takes the names of the kept columns.

    `store`: its name, for messages. `own_fields` and `reserved`: see `check_kept`.

    Raises:
        Problem: it has no room, or takes one of the names for itself.
    """
    if schema.dimensions > most_dimensions:
        raise Problem(
            f"{store} has {most_dimensions:,} dimensions at most, and these vectors {schema.dimensions:,}",
            hint="embed with output.dimensions, or load into another store",
        )
    check_kept(schema, store, own_fields, reserved)


def check_kept(
    schema: Schema,
    store: str,
    own_fields: Sequence[str],
    reserved: Callable[[str], bool] = lambda _name: False,
) -> None:
    """Check the names of the kept columns.

    `own_fields`: fields that every row has beside the kept columns. `reserved`: whether the store itself refuses a name.

    Raises:
        Problem: a column has one of these names.
    """
    for name in schema.kept:
        if name in own_fields:
            wrong = "has the name of a field that every row has"
        elif reserved(name):
            wrong = f"has a name that {store} reserves"
        else:
            continue
        raise Problem(
            f"the kept column {name!r} {wrong}",
            hint="leave it out: --keep with the other columns, or --keep none",
        )


def check_filtered(schema: Schema, filtered: Sequence[str]) -> None:
    """Check that each column which the address filters by is kept.

    Raises:
        Problem: a column of the filter is not kept.
    """
    unknown = [name for name in filtered if name not in schema.kept]
    if unknown:
        raise Problem(
            f"the address filters by {unknown[0]!r}, which is no kept column",
            hint=f"kept columns are {', '.join(schema.kept) or 'none'}",
        )


def begins_with_dollar(name: str) -> bool:
    """Whether a name begins with `$`, as operators of filters do."""
    return name.startswith("$")
