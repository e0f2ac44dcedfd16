"""What the receipts of a run say of its work, in columns: about 80 bytes a receipt, where the receipt itself takes 2 KB.

A report of a million shards is made of it. Pure. The receipts are folded one by one and need not be in memory together.
Times are integer microseconds since EPOCH; `moment` gives them as datetimes.
"""

# numpy's stubs are generic in shapes and types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from launcher.costs.usage.attribution import EPOCH, MICROSECOND, PartSpan, to_microseconds
from launcher.costs.usage.spend import Part
from tasks.protocol.receipt import Receipt
from tasks.protocol.start_stages import StartSeconds

Integers = npt.NDArray[np.int64]
KEPT_FAULTS = 20  # shards that failed, with their reasons
BLOCK = 65_536  # receipts that are turned into Python's numbers at once


@dataclass(frozen=True, slots=True)
class ShardEnd:
    """How a shard was finished."""

    worker: str
    generation: int
    finished: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which a worker did useful work that none of the receipts tells."""

    worker: str
    started: datetime
    finished: datetime


@dataclass(frozen=True, slots=True)
class WorkSums:
    """Sums over all receipts. `stages` are seconds by stage of all workers together."""

    documents: int = 0
    chunks: int = 0
    tokens: int = 0
    tokens_cut: int = 0
    tokens_repeated: int = 0
    output_bytes: int = 0
    failed_shards: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class WorkDone:
    """The receipts of a run in the order of its shards. Columns have one entry a receipt.

    Attributes:
        workers: the names; `worker` holds indexes of them.
        ids: of the shards, in UTF-8, one after the other; `id_ends` says where each ends.
        stretches: work of earlier workers on parts of shards: worker, start, end.
        faults: the first shards of which nothing was embedded: position and reason.
        quarantines: keys of the files of failed rows.
        cold_starts: how long workers took to start, by stage, one entry a worker that told it.
    """

    workers: tuple[str, ...]
    worker: Integers
    started: Integers
    finished: Integers
    tokens: Integers
    input_bytes: Integers
    output_bytes: Integers
    position: Integers
    generation: Integers
    failed: Integers
    ids: bytes
    id_ends: Integers
    stretches: tuple[tuple[int, int, int], ...]
    sums: WorkSums
    stages: Mapping[str, float]
    faults: tuple[tuple[int, str], ...]
    quarantines: tuple[str, ...]
    cold_starts: tuple[StartSeconds, ...]

    def __len__(self) -> int:
        return len(self.worker)

    def id(self, place: int) -> str:
        """The id of the shard of a receipt."""
        start = int(self.id_ends[place - 1]) if place else 0
        return self.ids[start : int(self.id_ends[place])].decode()

    def each_id(self) -> Iterator[str]:
        """The ids of all shards, in their order."""
        start = 0
        for (end,) in self.rows(self.id_ends):
            yield self.ids[start:end].decode()
            start = end

    def rows(self, *columns: Integers) -> Iterator[tuple[int, ...]]:
        """Entries of columns together, as Python's integers, in the order of the shards."""
        for first in range(0, len(self), BLOCK):
            yield from zip(*(column[first : first + BLOCK].tolist() for column in columns), strict=True)

    def first_started(self) -> datetime | None:
        """When the first receipt was begun, by the clocks of the workers."""
        return moment(int(self.started.min())) if len(self) else None

    def last_finished(self) -> datetime | None:
        """When the last receipt was made, by the clocks of the workers."""
        return moment(int(self.finished.max())) if len(self) else None

    def by_worker(self) -> Iterator[tuple[str, Integers]]:
        """Each worker, with the places of its receipts."""
        order = np.argsort(self.worker, kind="stable")
        edges = np.searchsorted(self.worker[order], np.arange(len(self.workers) + 1))
        for number, name in enumerate(self.workers):
            places = order[edges[number] : edges[number + 1]]
            if len(places):
                yield name, places

    def of_shards(self, shards: Collection[str]) -> Mapping[str, ShardEnd]:
        """How these shards were finished; the others are left out."""
        wanted = set(shards)
        if not wanted:
            return {}
        return {
            name: ShardEnd(
                self.workers[self.worker[place]],
                int(self.generation[place]),
                moment(int(self.finished[place])),
            )
            for place, name in enumerate(self.each_id())
            if name in wanted
        }

    def moved(self, offsets: Mapping[str, timedelta]) -> "WorkDone":
        """The same work with the times of each worker moved by its offset."""
        by = [offsets.get(name, timedelta(0)) // MICROSECOND for name in self.workers]
        change = np.array(by, np.int64)[self.worker]
        stretches = tuple((who, since + by[who], until + by[who]) for who, since, until in self.stretches)
        return replace(
            self, started=self.started + change, finished=self.finished + change, stretches=stretches
        )

    def beside(self, others: Sequence[Stretch]) -> "WorkDone":
        """The same work, and other useful work beside it."""
        numbers = {name: number for number, name in enumerate(self.workers)}
        stretches = [
            (
                numbers.setdefault(one.worker, len(numbers)),
                to_microseconds(one.started),
                to_microseconds(one.finished),
            )
            for one in others
        ]
        return replace(self, workers=tuple(numbers), stretches=(*self.stretches, *stretches))

    def merged(self, places: Integers, part: Part) -> list[PartSpan]:
        """The spans of work of these receipts, by start; what overlaps or touches is one.

        A receipt whose end is before its start stays as it is.
        """
        started, finished = self.started[places], self.finished[places]
        order = np.argsort(started, kind="stable")
        started, finished = started[order], finished[order]
        forward = finished >= started
        odd = _spans(started[~forward], finished[~forward], part)
        started, finished = started[forward], finished[forward]
        if not len(started):
            return odd
        until = np.maximum.accumulate(finished)
        begins = np.flatnonzero(np.concatenate(([True], started[1:] > until[:-1])))
        ends = np.concatenate((begins[1:] - 1, [len(started) - 1]))
        found = _spans(started[begins], until[ends], part)
        return sorted(found + odd) if odd else found


def _spans(started: Integers, finished: Integers, part: Part) -> list[PartSpan]:
    return [(since, until, part) for since, until in zip(started.tolist(), finished.tolist(), strict=True)]


@dataclass(slots=True)
class _Columns:
    """The columns while they grow."""

    worker: "array[int]"
    started: "array[int]"
    finished: "array[int]"
    tokens: "array[int]"
    input_bytes: "array[int]"
    output_bytes: "array[int]"
    position: "array[int]"
    generation: "array[int]"
    failed: "array[int]"
    id_ends: "array[int]"


def fold(receipts: Iterable[Receipt]) -> WorkDone:
    """Fold receipts, which come in the order of their shards."""
    columns = _Columns(*(array("q") for _ in range(10)))
    workers: dict[str, int] = {}
    ids, stages = bytearray(), Counter[str]()
    stretches: list[tuple[int, int, int]] = []
    faults: list[tuple[int, str]] = []
    quarantines: list[str] = []
    starts: dict[str, StartSeconds] = {}
    documents = chunks = tokens_cut = tokens_repeated = failed_shards = 0
    for one in receipts:
        columns.worker.append(workers.setdefault(one.worker, len(workers)))
        columns.started.append(to_microseconds(one.started))
        columns.finished.append(to_microseconds(one.finished))
        columns.tokens.append(one.tokens)
        columns.input_bytes.append(one.input_bytes)
        columns.output_bytes.append(one.output_bytes)
        columns.position.append(one.position)
        columns.generation.append(one.generation)
        columns.failed.append(one.failed_rows)
        ids += one.shard.encode()
        columns.id_ends.append(len(ids))
        for stage, seconds in one.stages.items():
            stages[stage] += seconds  # pyright: ignore[reportArgumentType] # a Counter of seconds
        for file in one.earlier:
            who = workers.setdefault(file.worker, len(workers))
            stretches.append((who, to_microseconds(file.started), to_microseconds(file.finished)))
        if one.fault is not None:
            failed_shards += 1
            if len(faults) < KEPT_FAULTS:
                faults.append((one.position, one.fault))
        quarantines += one.quarantines
        if one.cold_start is not None:
            starts.setdefault(one.worker, one.cold_start)
        documents += one.documents
        chunks += one.chunks
        tokens_cut += one.tokens_cut
        tokens_repeated += one.tokens_repeated
    done: dict[str, Any] = {name: _integers(getattr(columns, name)) for name in columns.__slots__}
    return WorkDone(
        workers=tuple(workers),
        ids=bytes(ids),
        stretches=tuple(stretches),
        sums=WorkSums(
            documents,
            chunks,
            int(done["tokens"].sum()),
            tokens_cut,
            tokens_repeated,
            int(done["output_bytes"].sum()),
            failed_shards,
        ),
        stages=dict(stages.most_common()),
        faults=tuple(faults),
        quarantines=tuple(quarantines),
        cold_starts=tuple(starts.values()),
        **done,
    )


Work = WorkDone | Sequence[Receipt]  # receipts in any order, or what was folded of them


def _integers(column: "array[int]") -> Integers:
    """The same memory as a column of numpy."""
    return np.frombuffer(column, np.int64) if column else np.zeros(0, np.int64)


def work_of(work: Work) -> WorkDone:
    """Work in columns, from receipts in any order or from columns."""
    if isinstance(work, WorkDone):
        return work
    return fold(sorted(work, key=lambda receipt: (receipt.position, receipt.shard)))


def moment(microseconds: int) -> datetime:
    """The datetime of microseconds since EPOCH."""
    return EPOCH + timedelta(microseconds=microseconds)
