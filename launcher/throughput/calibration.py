"""Learn speeds from measurements: receipts, first minutes of workers, and `bench`; the ledger keeps them for later plans.

A speed is of one GPU with its one worker, including reading, writing and leases. The speed of `cpu` is of all workers
of one machine together (`launcher/throughput/local_machine.py` has the names). Of several records of a model, GPU and
engine the newest is used (`launcher/throughput/lookup.py`). So the first minute of a run helps while the run lasts, or
when it is never finished; the speed of the whole run replaces it.

Pure, except for the two functions that write to a ledger. Reads no clock.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.local_machine import CPU, PROBE_ERROR, LocalSpeed, WorkerSlots
from launcher.throughput.spread import Spread
from tasks.models.precision import Precision

if TYPE_CHECKING:
    from launcher.ledger.ledger import Ledger
    from tasks.protocol.messages.heartbeat import Heartbeat
    from tasks.protocol.receipt import Receipt

# A shorter gap between two shards of one worker is waiting, and part of its speed: for a shard to claim, to read, to
# write. A longer one is a laptop that slept, or the end of the run while others worked.
GAP_SECONDS = 60.0
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
MICROSECONDS = 10**6  # in a second
LEAST_SECONDS = 60.0  # of work in a run that was stopped, for its speed to be kept
BENCH = "bench"  # marks records of `bench` in their detail
BENCH_VALID_DAYS = 7  # for how long a plan uses what `bench` measured here instead of a probe
# Mixes of lengths that differ by less in mean and spread count as the same: a probe gets 600 texts, and their mix is
# not known better.
MIX_TOLERANCE = 0.1

Lengths = Sequence[tuple[float, float]]  # (share of the texts, tokens)


@dataclass(frozen=True, slots=True)
class WorkerTime:
    """What one worker did: its tokens, and the seconds from its first start to its last end."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class FirstMinute:
    """The first minute of a worker: the tokens it embedded, and in how many seconds."""

    worker: str
    tokens: float
    seconds: float
    at: datetime  # when it was over


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSetup:
    """What a run's plan says about its speeds. `gpu` is the GPU of a worker that the ledger does not know."""

    model: str
    engine: str
    lengths: Lengths
    gpu: str
    workers: int  # per machine
    precision: Precision | None = None  # None: the usual one


def worker_times(receipts: Iterable["Receipt"]) -> dict[str, WorkerTime]:
    """The working time of each worker: the union of its receipts' spans, so that each second counts once."""
    return _columns(receipts).times()


def speed_spread(receipts: Iterable["Receipt"]) -> Spread | None:
    """Tokens per second of one worker: the mean of all workers, with P10 and P90 as the engine's rate varied by shard.

    None: no receipt took time.
    """
    return _columns(receipts).spread()


def record_run_speed(ledger: "Ledger", run: str, setup: RunSetup, now: datetime) -> None:
    """Record the speed of a run by GPU. Call it when the run ends, finished or not.

    A run that was stopped before LEAST_SECONDS of work is not recorded: it would replace what is known better.
    """
    progress = ledger.shards.progress(run)
    finished = progress.shards_done == progress.shards
    for gpu, columns in _columns_by_gpu(ledger, run, setup).items():
        found = columns.spread()
        seconds = sum(time.seconds for time in columns.times().values())
        if found and (finished or seconds >= LEAST_SECONDS):
            ledger.speeds.record(_measured(setup, gpu, found, source=f"run {run}", at=now))


def record_first_minutes(ledger: "Ledger", run: str, setup: RunSetup, minutes: Sequence[FirstMinute]) -> None:
    """Record what workers did in their first minutes, one record for each GPU. Idempotent.

    A minute does not show how fast other workers, texts and hours are: P10 and P90 are at least as far off as those of
    a probe.
    """
    gpus = {machine.name: machine.gpu for machine in ledger.machines.of_run(run)}
    by_gpu: dict[str, list[FirstMinute]] = defaultdict(list)
    for minute in minutes:
        if minute.tokens > 0 and minute.seconds > 0:
            by_gpu[gpus.get(minute.worker, setup.gpu)].append(minute)
    for gpu, found in by_gpu.items():
        rates = [minute.tokens / minute.seconds for minute in found]
        mid = sum(rates) / len(rates)
        rate = Spread(min(*rates, mid / PROBE_ERROR), mid, max(*rates, mid * PROBE_ERROR))
        # When the first of them was over: stays the same when others are added.
        at = min(minute.at for minute in found)
        ledger.speeds.record(_measured(setup, gpu, rate, source=f"first minute of run {run}", at=at))


def first_minute_of(heartbeat: "Heartbeat") -> FirstMinute | None:
    """The first minute that a heartbeat reports; None until it is over."""
    first, ready = heartbeat.first_minute, heartbeat.ready
    if first is None or ready is None:
        return None
    over = ready + timedelta(seconds=first["seconds"])
    return FirstMinute(heartbeat.worker, first["tokens"], first["seconds"], over)


def recent_bench(
    speeds: Iterable[MeasuredSpeed],
    *,
    model: str,
    engine: str,
    use: WorkerSlots,
    host: str,
    gpus: Sequence[str],
    lengths: Lengths,
    now: datetime,
    precision: Precision | None = None,
) -> tuple[LocalSpeed, MeasuredSpeed] | None:
    """The newest `bench` of this machine with the same use and such lengths, of the last BENCH_VALID_DAYS.

    `gpus` are the ledger's names of this machine's GPUs.
    """
    if use.gpus and len(set(gpus)) != 1:
        return None
    gpu = gpus[0] if use.gpus else CPU
    for record in speeds:
        detail = record.detail
        same = (record.model, record.engine, record.gpu) == (model, engine, gpu)
        used = {"of": BENCH, "host": host, "workers": use.workers, "threads": use.threads}
        same = same and detail.get("precision") == precision
        fresh = now - record.at <= timedelta(days=BENCH_VALID_DAYS)
        if (
            same
            and fresh
            and used.items() <= dict(detail).items()
            and _same_mix(detail.get("given"), lengths)
        ):
            count = 1 if gpu == CPU else min(use.gpus, use.workers)
            rate = Spread(record.low * count, record.mid * count, record.high * count)
            kept = {key: detail[key] for key in ("load_seconds", "device", "dtype", "dimensions", "seconds")}
            return LocalSpeed(rate, engine=record.engine, gpu=gpu, **kept), record
    return None


def _same_mix(kept: Any, lengths: Lengths) -> bool:
    """Whether the mean length, and the mean length that attention sees, are the same within MIX_TOLERANCE."""
    pairs = [(float(share), float(tokens)) for share, tokens in kept or ()]
    one, other = _moments(pairs), _moments(lengths)
    if one is None or other is None:
        return False
    return all(abs(a / b - 1) <= MIX_TOLERANCE for a, b in zip(one, other, strict=True))


def _moments(lengths: Lengths) -> tuple[float, float] | None:
    """The mean length of a text, and of the text that a token is in; None without tokens."""
    first = sum(share * tokens for share, tokens in lengths)
    if not first:
        return None
    second = sum(share * tokens**2 for share, tokens in lengths)
    return first / sum(share for share, _ in lengths), second / first


@dataclass(slots=True)
class _SpeedColumns:
    """What receipts say of speed, some 40 bytes each: the receipts themselves, 2 KB each, need not be in memory.

    `starts` and `ends` are microseconds by worker; `tokens` are those that it embedded.
    """

    starts: dict[str, "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    ends: dict[str, "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("q")))
    tokens: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    engine_tokens: "array[int]" = field(default_factory=lambda: array("q"))  # of the calls that took time
    engine_seconds: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, receipt: "Receipt") -> None:
        tokens = receipt.tokens_here
        if not tokens:
            return
        self.starts[receipt.worker].append((receipt.started - EPOCH) // MICROSECOND)
        self.ends[receipt.worker].append((receipt.finished - EPOCH) // MICROSECOND)
        self.tokens[receipt.worker] += tokens
        took = receipt.stages.get("engine", receipt.seconds)
        if took > 0:
            self.engine_tokens.append(tokens)
            self.engine_seconds.append(took)

    def times(self) -> dict[str, WorkerTime]:
        """The work of each worker that took time."""
        times = {
            worker: WorkerTime(tokens, _covered_seconds(self.starts[worker], self.ends[worker]))
            for worker, tokens in self.tokens.items()
        }
        return {worker: time for worker, time in times.items() if time.seconds > 0}

    def spread(self) -> Spread | None:
        """The rate of one worker; None: no receipt took time."""
        times = self.times().values()
        seconds = sum(time.seconds for time in times)
        if not seconds:
            return None
        mid = sum(time.tokens for time in times) / seconds
        if not self.engine_tokens:
            return Spread(mid, mid, mid)
        # A worker is slower than its engine, which waits now and then: by the same share in quick and in slow shards.
        share = mid / (sum(self.engine_tokens) / sum(self.engine_seconds))
        calls = zip(self.engine_tokens, self.engine_seconds, strict=True)
        rates = sorted(share * tokens / took for tokens, took in calls)
        low, high = rates[floor(0.1 * (len(rates) - 1))], rates[ceil(0.9 * (len(rates) - 1))]
        return Spread(min(low, mid), mid, max(high, mid))


def _columns(receipts: Iterable["Receipt"]) -> _SpeedColumns:
    columns = _SpeedColumns()
    for receipt in receipts:
        columns.add(receipt)
    return columns


def _covered_seconds(starts: "array[int]", ends: "array[int]") -> float:
    """Seconds that spans in microseconds cover, including short gaps between them."""
    total, until = 0.0, None
    for start, end in sorted(zip(starts, ends, strict=True)):
        begin = start if until is None or (start - until) / MICROSECONDS > GAP_SECONDS else until
        if end > begin:
            total += (end - begin) / MICROSECONDS
            until = end
    return total


def _columns_by_gpu(ledger: "Ledger", run: str, setup: RunSetup) -> dict[str, _SpeedColumns]:
    """What the run's receipts say, by the GPU of their worker.

    A worker that the ledger does not know was started elsewhere; it counts as one of the plan's first machine group.
    """
    gpus = {machine.name: machine.gpu for machine in ledger.machines.of_run(run)}
    out: dict[str, _SpeedColumns] = defaultdict(_SpeedColumns)
    for receipt in ledger.shards.each_receipt(run):
        out[gpus.get(receipt.worker, setup.gpu)].add(receipt)
    return out


def _measured(setup: RunSetup, gpu: str, rate: Spread, *, source: str, at: datetime) -> MeasuredSpeed:
    """The ledger's record of one worker's rate: of one GPU, or of all workers of a machine without GPUs."""
    workers = setup.workers if gpu == CPU else 1
    detail: dict[str, Any] = {"lengths": [list(pair) for pair in setup.lengths], "workers": workers}
    if setup.precision is not None:
        detail["precision"] = setup.precision
    return MeasuredSpeed(
        model=setup.model,
        gpu=gpu,
        engine=setup.engine,
        low=rate.low * workers,
        mid=rate.mid * workers,
        high=rate.high * workers,
        source=source,
        at=at,
        detail=detail,
    )
