"""What measuring teaches: speeds out of receipts, first minutes and `bench`, as the ledger keeps them for later plans.

A speed is of one GPU and what its one worker made of it, reading, writing and leases included; that of `cpu` is of
all workers of one machine together (`launcher/throughput/local_machine.py` has the names). Of several records of a
model, GPU and engine the newest is believed (`launcher/throughput/lookup.py`). So the first minute of a run helps while
it runs, or where it is never finished, and what the whole run made goes before it.

Pure but for the two that write into a ledger. Knows no clock.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from launcher.ledger.records import MeasuredSpeed
from launcher.throughput.local_machine import CPU, PROBE_ERROR, LocalSpeed, WorkerSlots
from launcher.throughput.spread import Spread

if TYPE_CHECKING:
    from launcher.ledger.ledger import Ledger
    from tasks.protocol.heartbeat import Heartbeat
    from tasks.protocol.receipt import Receipt

# A gap between two shards of one worker that is shorter is waiting, and part of its speed: for a shard to claim, to
# read, to write. A longer one is a laptop that slept, or the end of the run while others worked.
GAP = 60.0  # seconds
ENOUGH = 60.0  # seconds of work that a run which was stopped teaches something by
BENCH = "bench"  # what the detail of its records says they are of
DAYS = 7  # for so long a plan takes what `bench` measured here for what it would measure itself
# Mixes of lengths that differ by less in mean and spread are the same: of 600 texts, which is what a probe is given,
# nobody knows them better.
ALIKE = 0.1


@dataclass(frozen=True, slots=True)
class WorkerTime:
    """What one worker did: its tokens, and the seconds from which it had begun until it was through."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.tokens / self.seconds


@dataclass(frozen=True, slots=True)
class FirstMinute:
    """The first minute of a worker: what it embedded, in how long."""

    worker: str
    tokens: float
    seconds: float
    at: datetime  # when it was over


def worker_times(receipts: Iterable["Receipt"]) -> dict[str, WorkerTime]:
    """By worker, over the union of its receipts' spans: neighbouring shards overlap, and each counts once."""
    spans: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    tokens: dict[str, int] = defaultdict(int)
    for one in receipts:
        if one.tokens_here:
            spans[one.worker].append((one.started, one.finished))
            tokens[one.worker] += one.tokens_here
    found = {worker: WorkerTime(tokens[worker], _union(mine)) for worker, mine in spans.items()}
    return {worker: done for worker, done in found.items() if done.seconds > 0}


def speed_spread(receipts: Sequence["Receipt"]) -> Spread | None:
    """Tokens per second of one worker: the mean of them all, and P10 and P90 as the engine's rate varied by shard.

    None: no receipt took time.
    """
    done = worker_times(receipts).values()
    seconds = sum(one.seconds for one in done)
    if not seconds:
        return None
    mid = sum(one.tokens for one in done) / seconds
    engine = [(r.tokens_here, r.stages.get("engine", r.seconds)) for r in receipts if r.tokens_here]
    busy = [(tokens, took) for tokens, took in engine if took > 0]
    if not busy:
        return Spread(mid, mid, mid)
    # A worker is slower than its engine, which waits now and then: by as much in a quick shard as in a slow one.
    share = mid / (sum(tokens for tokens, _ in busy) / sum(took for _, took in busy))
    rates = sorted(share * tokens / took for tokens, took in busy)
    low, high = rates[floor(0.1 * (len(rates) - 1))], rates[ceil(0.9 * (len(rates) - 1))]
    return Spread(min(low, mid), mid, max(high, mid))


def record_run_speed(ledger: "Ledger", run: str, body: Mapping[str, Any], now: datetime) -> None:
    """Keep the speed that a run had, by GPU; call it when the run ends, finished or not.

    What was stopped before it had worked for a minute teaches nothing: it would go before what is known better.
    """
    progress = ledger.shards.progress(run)
    finished = progress.shards_done == progress.shards
    for gpu, receipts in _by_gpu(ledger, run, body).items():
        found = speed_spread(receipts)
        if found and (finished or sum(done.seconds for done in worker_times(receipts).values()) >= ENOUGH):
            count = _workers(body, gpu)
            ledger.speeds.record(_seen(body, gpu, found, count, f"run {run}", now))


def record_first_minutes(
    ledger: "Ledger", run: str, body: Mapping[str, Any], minutes: Sequence[FirstMinute]
) -> None:
    """Keep what the workers made in their first minutes, one record for each GPU; the same again changes nothing.

    Too few to see how fast other workers, texts and hours are: P10 and P90 are at least as far off as of a probe.
    """
    gpus = {machine.name: machine.gpu for machine in ledger.machines.of_run(run)}
    by_gpu: dict[str, list[FirstMinute]] = defaultdict(list)
    for minute in minutes:
        if minute.tokens > 0 and minute.seconds > 0:
            by_gpu[gpus.get(minute.worker, _gpu(body))].append(minute)
    for gpu, found in by_gpu.items():
        rates = [minute.tokens / minute.seconds for minute in found]
        mid = sum(rates) / len(rates)
        rate = Spread(min(*rates, mid / PROBE_ERROR), mid, max(*rates, mid * PROBE_ERROR))
        # When the first of them was over: stays the same when others come in.
        at = min(minute.at for minute in found)
        source = f"first minute of run {run}"
        ledger.speeds.record(_seen(body, gpu, rate, _workers(body, gpu), source, at))


def first_minute_of(pulse: "Heartbeat") -> FirstMinute | None:
    """The first minute that a sign of life tells of; None while it is not over."""
    first, ready = pulse.first_minute, pulse.ready
    if first is None or ready is None:
        return None
    over = ready + timedelta(seconds=first["seconds"])
    return FirstMinute(pulse.worker, first["tokens"], first["seconds"], over)


def recent_bench(
    seen: Iterable[MeasuredSpeed],
    model: str,
    engine: str,
    use: WorkerSlots,
    host: str,
    gpus: Sequence[str],
    lengths: Sequence[tuple[float, float]],
    now: datetime,
) -> tuple[LocalSpeed, MeasuredSpeed] | None:
    """What `bench` measured on this machine, used like this and on such lengths, in the last DAYS; the newest.

    `gpus` are those of this machine by the names they are kept under.
    """
    if use.gpus and len(set(gpus)) != 1:
        return None
    gpu = gpus[0] if use.gpus else CPU
    for record in seen:
        detail = record.detail
        same = (record.model, record.engine, record.gpu) == (model, engine, gpu)
        used = {"of": BENCH, "host": host, "workers": use.workers, "threads": use.threads}
        fresh = now - record.at <= timedelta(days=DAYS)
        if same and fresh and used.items() <= dict(detail).items() and _alike(detail.get("given"), lengths):
            count = 1 if gpu == CPU else min(use.gpus, use.workers)
            rate = Spread(record.low * count, record.mid * count, record.high * count)
            kept = {key: detail[key] for key in ("load_seconds", "device", "dtype", "dimensions", "seconds")}
            return LocalSpeed(rate, engine=record.engine, gpu=gpu, **kept), record
    return None


def _alike(kept: Any, lengths: Sequence[tuple[float, float]]) -> bool:
    """Mean length, and the mean that attention sees, are the same within what a probe can tell."""
    pairs = [(float(share), float(tokens)) for share, tokens in kept or ()]
    here, there = _moments(pairs), _moments(lengths)
    if here is None or there is None:
        return False
    return all(abs(one / other - 1) <= ALIKE for one, other in zip(here, there, strict=True))


def _moments(lengths: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    first = sum(share * tokens for share, tokens in lengths)
    if not first:
        return None
    return first / sum(share for share, _ in lengths), sum(
        share * tokens**2 for share, tokens in lengths
    ) / first


def _union(spans: Sequence[tuple[datetime, datetime]]) -> float:
    """Seconds that the spans cover, and the short gaps between them."""
    total, until = 0.0, None
    for start, end in sorted(spans):
        begin = start if until is None or (start - until).total_seconds() > GAP else until
        if end > begin:
            total += (end - begin).total_seconds()
            until = end
    return total


def _by_gpu(ledger: "Ledger", run: str, body: Mapping[str, Any]) -> dict[str, list["Receipt"]]:
    """A worker that the ledger does not know was started elsewhere: of the plan's first lot, as far as one can tell."""
    gpus = {machine.name: machine.gpu for machine in ledger.machines.of_run(run)}
    out: dict[str, list[Receipt]] = defaultdict(list)
    for one in ledger.shards.receipts(run):
        out[gpus.get(one.worker, _gpu(body))].append(one)
    return out


def _gpu(body: Mapping[str, Any]) -> str:
    return str(body["lots"][0]["gpu"])


def _workers(body: Mapping[str, Any], gpu: str) -> int:
    """That make up the machine that a speed is of: one a GPU, all where there is none."""
    return int(body["lots"][0].get("workers") or 1) if gpu == CPU else 1


def _seen(
    body: Mapping[str, Any], gpu: str, rate: Spread, workers: int, source: str, at: datetime
) -> MeasuredSpeed:
    """`rate` of one worker, as the ledger keeps it."""
    model, engine = body["work"]["model"], body["work"]["engine"]
    low, mid, high = rate.low * workers, rate.mid * workers, rate.high * workers
    detail = {"lengths": body["profile"]["lengths"], "workers": workers}
    return MeasuredSpeed(model, gpu, engine, low, mid, high, source, at, detail)
