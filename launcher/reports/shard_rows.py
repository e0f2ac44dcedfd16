"""The shards of a report: one row for each that has its receipt, made from columns when it is asked for. Pure.

A million of them as values would take half a gigabyte.
"""

from collections.abc import Iterator, Sequence
from typing import cast, overload

from launcher.costs.usage.work_done import WorkDone, moment
from launcher.reports.document import ShardDone

MICROSECONDS = 10**6  # in a second


class ShardRows(Sequence[ShardDone]):
    """The shards that are done, as a sequence over columns; equal to any sequence of the same rows."""

    __slots__ = ("_done",)

    def __init__(self, done: WorkDone) -> None:
        self._done = done

    def __len__(self) -> int:
        return len(self._done)

    @overload
    def __getitem__(self, place: int) -> ShardDone: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[ShardDone, ...]: ...
    def __getitem__(self, place: int | slice) -> ShardDone | tuple[ShardDone, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        number = range(len(self))[place]
        done = self._done
        columns = (
            done.worker,
            done.started,
            done.finished,
            done.position,
            done.generation,
            done.tokens,
            done.failed,
        )
        return self._row(done.id(number), tuple(int(column[number]) for column in columns))

    def __iter__(self) -> Iterator[ShardDone]:
        done = self._done
        rows = done.rows(
            done.worker, done.started, done.finished, done.position, done.generation, done.tokens, done.failed
        )
        for name, values in zip(done.each_id(), rows, strict=True):
            yield self._row(name, values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(cast("Sequence[object]", other))

    __hash__ = None  # type: ignore[assignment]

    def _row(self, name: str, values: tuple[int, ...]) -> ShardDone:
        worker, started, finished, position, generation, tokens, failed = values
        return ShardDone(
            position=position,
            id=name,
            worker=self._done.workers[worker],
            generation=generation,
            started=moment(started),
            seconds=(finished - started) / MICROSECONDS,
            tokens=tokens,
            failed=failed,
        )
