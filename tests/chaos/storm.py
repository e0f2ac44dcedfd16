"""One storm: workers at work on a small corpus while everything goes wrong, by a plan drawn from a seed.

Killed, frozen for longer than their leases last and woken again, told to end; on buckets that err, answer late and
lose their answers; with clocks that are wrong by minutes; on a disk that fills up. At the end the checker looks.
"""

import json
import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.crew import Crew, Hand
from tests.chaos.places import TROUBLE, Place, place, small_disk
from tests.chaos.reference import Verdict, check, expected
from tests.support.runs import header_of, shard_of, whole

RUN = "run-1"
TICK = 0.03
PATIENCE = 300.0  # seconds for the whole run
LAST = 60.0  # seconds for the last workers to end by themselves
ROOM = 3 * 2**20  # bytes that a disk has until somebody makes more
MUST_ACT = 3  # exit status of a worker that cannot go on


@dataclass(frozen=True)
class Weather:
    """The plan. Rates are events per second, drawn from the seed; None: never."""

    seed: int
    store: str = "folder"
    workers: int = 6
    shards: int = 150
    documents: int = 40  # of a shard
    ttl: float = 2.0
    seconds: float = 0.8  # that the engine takes for 1,000 tokens
    kills: float | None = 2.5
    stops: float | None = 0.9
    ends: float | None = 0.5
    skew: bool = False  # two clocks that are ten minutes off
    full: bool = False  # the disk fills up, and somebody makes room
    errors: bool = True  # of a bucket

    @property
    def disk(self) -> int:
        """Bytes that hold the whole run, with what losers leave; every small file takes some blocks of 4 KiB."""
        return 8 * 2**20 + self.shards * 40 * 2**10


@dataclass
class Result:
    weather: Weather
    verdict: Verdict
    parts: int = 0  # receipts of shards that several workers made
    kills: int = 0
    zombies: int = 0  # woken after their lease had run out
    ends: int = 0
    hired: int = 0
    seconds: float = 0.0
    changed: list[str] = field(
        default_factory=list[str]
    )  # receipts that did not stay as they were first seen
    statuses: dict[int, int] = field(default_factory=dict[int, int])
    requests: int | None = None

    @property
    def good(self) -> bool:
        return self.verdict.good and not self.changed


def build(folder: Path, weather: Weather) -> None:
    """A corpus of random words; a fifth of the texts come again."""
    dice = random.Random(weather.seed)
    words = [f"w{n}" for n in range(3_000)]
    told: list[str] = []
    folder.mkdir()
    for number in range(weather.shards):
        lines: list[str] = []
        for n in range(weather.documents):
            again = told and dice.random() < 0.2
            text = dice.choice(told) if again else " ".join(dice.choices(words, k=dice.randint(3, 25)))
            told = [*told[-50:], text]
            lines.append(json.dumps({"id": f"{number}-{n}", "text": text}))
        (folder / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def rage(weather: Weather) -> Result:
    """The whole storm."""
    with ExitStack() as stack:
        where = stack.enter_context(place(weather.store))
        if weather.full:
            disk = stack.enter_context(small_disk(where.scratch / "disk", weather.disk))
            where.url = str(disk / "out")
        corpus = where.scratch / "corpus"
        build(corpus, weather)
        wanted = expected(corpus)
        launch(where, corpus, weather)
        words = ["--store", where.url, "--run", RUN, "--heartbeat", "1"]
        more = where.environment | {"EMBEDFLEET_HASH_SECONDS": str(weather.seconds)}
        logs = where.scratch / "logs"
        logs.mkdir()
        crew = Crew(words, more, logs)
        stack.callback(crew.end)
        storm = Storm(weather, where, crew)
        begun = time.monotonic()
        result = storm.run()
        result.seconds = time.monotonic() - begun
        if where.admin:
            result.requests = where.admin.requests().total
            where.admin.faults()
        result.verdict = check(RUN, weather.shards, wanted, where.names, where.read)
        rewritten = where.rewritten(RUN)
        if rewritten:
            result.changed.append(f"{rewritten} receipts were written more than once")
        result.verdict.faults += storm.complaints
        return result


def launch(where: Place, corpus: Path, weather: Weather) -> None:
    """The manifest, as a launcher writes it, in a process of its own: nothing of a store may be open when we fork."""
    import os

    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.environ.update(where.environment)
            from tasks.protocol import manifest
            from tasks.stores.open import open_store

            shards = [shard_of([whole(corpus, f"{n}.jsonl", "jsonl")], n) for n in range(weather.shards)]
            header = header_of(corpus, weather.shards, ttl=weather.ttl)
            manifest.write(open_store(where.url), header, shards)
            status = 0
        finally:
            os._exit(status)
    _, code = os.waitpid(pid, 0)
    assert code == 0, "the manifest could not be written"


class Storm:
    """Carries the plan out until every shard has a receipt."""

    def __init__(self, weather: Weather, where: Place, crew: Crew) -> None:
        self.weather, self.where, self.crew = weather, where, crew
        self.dice = random.Random(weather.seed)
        self.result = Result(weather, Verdict())
        self.seen: dict[str, bytes] = {}  # receipts, as they were first seen
        self.complaints: list[str] = []
        self.ballast = Path(where.url).parent / "ballast" if weather.full else None

    def run(self) -> Result:
        weather, result = self.weather, self.result
        if self.where.admin and weather.errors:
            self.where.admin.faults(*TROUBLE, seed=weather.seed)
        if self.ballast:
            self.ballast.write_bytes(bytes(weather.disk - ROOM))
        plans = [
            (self._times(weather.kills), self._kill),
            (self._times(weather.stops), self._stop),
            (self._times(weather.ends), self._end),
        ]
        due = [next(times) for times, _ in plans]
        start = time.monotonic()
        looked = 0.0
        while len(self.seen) < weather.shards:
            now = time.monotonic() - start
            if now > PATIENCE:
                self.complaints.append(
                    f"after {PATIENCE:g} s {len(self.seen)} of {weather.shards} shards are done"
                )
                return result
            self._bury()
            while len(self.crew.alive) < weather.workers:
                self.crew.hire(self._skew())
            for n, (times, act) in enumerate(plans):
                if now >= due[n]:
                    act()
                    due[n] = now + next(times)
            self._wake(time.monotonic())
            if now - looked > 0.3:
                looked = now
                self._look()
            time.sleep(TICK)
        self._finish()
        return result

    def _times(self, rate: float | None) -> Iterator[float]:
        while True:
            yield self.dice.expovariate(rate) if rate else PATIENCE * 2

    def _skew(self) -> float:
        hired = len(self.crew.hands)
        return {0: 600.0, 1: -600.0}.get(hired % 20, 0.0) if self.weather.skew else 0.0

    def _awake(self) -> list[Hand]:
        return [hand for hand in self.crew.alive if hand.wakes is None]

    def _kill(self) -> None:
        """Mostly those who work: the frozen are to wake up."""
        awake = self._awake()
        hand = self.dice.choice(awake if awake and self.dice.random() < 0.95 else self.crew.alive)
        self.result.kills += hand.tell(signal.SIGKILL)

    def _stop(self) -> None:
        """Freeze one for longer than its leases last, but never everybody."""
        awake = self._awake()
        if len(awake) > self.weather.workers // 2:
            hand = self.dice.choice(awake)
            if hand.tell(signal.SIGSTOP):
                hand.wakes = time.monotonic() + self.weather.ttl + 1 + self.dice.uniform(0.3, 2.0)

    def _end(self) -> None:
        """Told twice, it does not even finish what is nearly done."""
        hand = self.dice.choice(self._awake() or self.crew.alive)
        self.result.ends += hand.tell(signal.SIGTERM)
        if self.dice.random() < 0.7:
            time.sleep(0.005)
            hand.tell(signal.SIGTERM)

    def _wake(self, now: float, *, all_of_them: bool = False) -> None:
        for hand in self.crew.alive:
            if hand.wakes is not None and (all_of_them or now >= hand.wakes):
                late = now >= hand.wakes
                hand.wakes = None
                self.result.zombies += hand.tell(signal.SIGCONT) and late

    def _bury(self) -> None:
        for hand in self.crew.bury():
            assert hand.status is not None
            self.result.statuses[hand.status] = self.result.statuses.get(hand.status, 0) + 1
            # one that was killed at once has said nothing
            said = hand.log.read_text(encoding="utf-8", errors="replace") if hand.log.exists() else ""
            if hand.status == MUST_ACT and self.ballast and "no space left" in said:
                self.ballast.unlink(missing_ok=True)  # somebody makes room, and starts workers again
            elif hand.status not in (0, -signal.SIGKILL, -signal.SIGTERM):
                last = " | ".join(said.strip().splitlines()[-12:])
                self.complaints.append(f"{hand.name} ended with {hand.status}: {last}")

    def _look(self) -> None:
        """A receipt that was seen once must stay as it is: somebody may have read it."""
        for key in self.where.names(f"_embedfleet/{RUN}/receipts/"):
            if key not in self.seen:
                self.seen[key] = self.where.read(key)

    def _finish(self) -> None:
        """The weather clears: whoever is left ends by itself."""
        self._wake(time.monotonic(), all_of_them=True)
        if self.where.admin:
            self.where.admin.faults()
        until = time.monotonic() + LAST
        while self.crew.alive and time.monotonic() < until:
            self._bury()
            time.sleep(TICK)
        for hand in self.crew.alive:
            self.complaints.append(f"{hand.name} did not end with the run")
        self.result.parts = sum(1 for body in self.seen.values() if json.loads(body)["earlier"])
        self.result.hired = len(self.crew.hands)
        for key, body in self.seen.items():
            if self.where.read(key) != body:
                self.result.changed.append(f"{key} did not stay as it was")
