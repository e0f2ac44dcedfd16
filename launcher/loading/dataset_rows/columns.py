"""A column of Arrow as a sequence of Python's values, which are made when somebody looks at one.

Some stores take Arrow as it is: then no value is ever made.
"""

# the stubs of pyarrow are generic in what a file decides
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from collections.abc import Iterator, Sequence
from typing import Any, overload

import pyarrow as pa


class ArrowColumn(Sequence[Any]):
    """The values of an array; a slice is another column, without a copy."""

    def __init__(self, array: Any) -> None:
        self.array = array  # pyarrow.Array
        self._values: list[Any] | None = None

    def __len__(self) -> int:
        return len(self.array)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> "ArrowColumn": ...

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            start, end, step = index.indices(len(self))
            assert step == 1, "rows are cut into parts, and not thinned out"
            return ArrowColumn(self.array.slice(start, max(0, end - start)))
        return self._made()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._made())

    def _made(self) -> list[Any]:
        values = self._values
        if values is None:
            values = self._values = self.array.to_pylist()
        return values


def arrow_of(values: Sequence[Any], kind: Any) -> Any:
    """Values as an array of this type of pyarrow; None: of their own."""
    if isinstance(values, ArrowColumn):
        return values.array if kind in (None, values.array.type) else values.array.cast(kind)
    return pa.array(values, kind)


def distinct(columns: Sequence[Sequence[Any]]) -> int:
    """How many different rows these columns have."""
    names = [str(number) for number in range(len(columns))]
    arrays = [arrow_of(column, None) for column in columns]
    return pa.Table.from_arrays(arrays, names).group_by(names).aggregate([]).num_rows
