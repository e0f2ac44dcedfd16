"""Every kind of damage to every kind of object, under every command: a message of two lines, and nothing is deleted.

`make test` tries each damage with one command, in turn; `make fuzz` draws pairs of a damage and a command by lot.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_runs import Launching, in_process, records, shards
from tests.support.runs import write_jsonl

COMMANDS = (
    "status",
    "report",
    "ledger rebuild out",
    "resume",
    "verify --no-embed",
    "finish --dry-run",
    "status --json",
    "stop",
    "report --csv",
    "finish",
    "launch plan.json",
    "compare small small",
    "report --all",
    "plan job.yaml --on local --probe 0",
    "down",
    "doctor out",
)
COMMAND_SECONDS = 60  # of one command, at most
AT_ONCE = 1  # commands that `make test` tries with each damage
EXITS = {0, 1, 2, 3, 4, 5, 6}  # docs/exit-codes.md, but for Ctrl-C
BODIES = {
    "empty": b"",
    "cut": b'{"schema": "embed',
    "binary": b"\x00\xff\xfe\x80" * 99,
    "a list": b"[]",
    "null": b"null",
    "nested": b"[" * 100_000,
    "NaN": b'{"schema": NaN}',
    "newer": b'{"schema": "embedfleet/thing/99"}',
}
FIELDS: dict[str, tuple[str, Any]] = {
    "of another run": ("run", "another-1a2b3c4d"),
    "without a run": ("run", None),
    "with an unknown field": ("surprise", {"a": [1]}),
    "with a huge number": ("documents", 10**30),
    "with a word for a number": ("tokens", "many"),
    "with a key outside": ("key", "../precious.txt"),
    "with an old date": ("started", "0001-01-01T00:00:00+00:00"),
    "with a date without a zone": ("started", "2026-11-28T10:00:00"),
    "with an escape": ("fault", "\x1b[2J\x1b]0;x\x07"),
    "with shards for slices": ("shards", 10**9),
    "with no lifetime": ("ttl", -1),
}


def kinds(folder: Path, run: str) -> dict[str, Path]:
    """An object of each kind."""
    root = folder / "out" / "_embedfleet" / run
    return {
        "receipt": min(root.glob("receipts/*/*")),
        "heartbeat": min(root.glob("workers/*")),
        "lease": min(root.glob("leases/*/*/*")),
        "header": root / "manifest" / "run.json",
        "slab": root / "manifest" / "slab-00000.jsonl",
        "plan of the run": root / "plan.json",
        "control": root / "control.json",
        "dataset": root / "dataset.parquet",
        "plan.json": folder / "plan.json",
    }


LEDGER: dict[str, str] = {
    "a state": "UPDATE run SET state = 'FLYING'",
    "a date": "UPDATE run SET created = 'yesterday'",
    "a plan": "UPDATE run SET plan = '{'",
    "another plan": "UPDATE run SET plan = '[]'",
    "text of no encoding": "UPDATE run SET plan = CAST(x'ff' AS TEXT)",
    "an output that is gone": "UPDATE run SET output = '/nonexistent/x'",
    "an output of no store": "UPDATE run SET output = 'ftp://x'",
    "money": "UPDATE machine SET usd_per_hour = 'lots'",
    "no money": "UPDATE machine SET usd_per_hour = 'NaN'",
    "a machine": "UPDATE machine SET state = 'X'",
    "stages": "UPDATE shard SET stages = 'x'",
    "counts": "UPDATE shard SET tokens = 'many'",
    "its shards": "DELETE FROM shard",
    "its sums": "DELETE FROM progress",
    "a table": "DROP TABLE event",
    "a trigger": "DROP TRIGGER shard_repeats",
    "a negative layout": "PRAGMA user_version = -3",
    "an older layout": "PRAGMA user_version = 1",
    "a newer layout": "PRAGMA user_version = 999",
    "another program": "PRAGMA application_id = 1",
}
FILES: dict[str, Callable[[Path], object]] = {
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: os.truncate(path, 50_000),
    "garbage": lambda path: path.write_bytes(b"garbage" * 1_000),
    "a torn page": lambda path: path.write_bytes(
        path.read_bytes()[:8_192] + b"\xff" * 4_096 + path.read_bytes()[12_288:]
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launching]:
    """A finished run of two shards, which costs something."""
    folder = tmp_path_factory.mktemp("damaged") / "first"
    shards(folder, 1)
    write_jsonl(folder / "in" / "b.jsonl", records("e", [510] * 32, seed=1))
    one = Launching(folder, local="{workers: 1, usd_per_hour: 1}", output=f"{{path: {folder / 'out'}}}")
    done = in_process("launch", "plan.json", folder=folder)
    assert done.returncode == 0, done.stderr
    shutil.copytree(folder, folder.with_name("backup"))
    yield one
    put_back(folder)
    one.clean()


def put_back(folder: Path) -> None:
    """The run as it was before it was damaged; its paths are absolute, so it stays in its place."""
    backup = folder.with_name("backup")
    for name in ("out", "runs", "plan.json"):
        place, source = folder / name, backup / name
        shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)
        shutil.copytree(source, place) if source.is_dir() else shutil.copy2(source, place)


@pytest.fixture
def laptop(finished: Launching) -> Launching:
    """The same run, to be damaged."""
    put_back(finished.folder)
    return finished


def vectors(laptop: Launching) -> dict[str, str]:
    data = laptop.folder / "out" / "data"
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in data.iterdir()}


def attempt(laptop: Launching, command: str) -> None:
    """Run a command on the damaged run."""
    words = [laptop.run if word == "small" else word for word in command.split()]
    result = in_process(*words, folder=laptop.folder)
    assert result.returncode in EXITS, (command, result.stderr)
    said = result.stderr.splitlines()
    errors = [line for line in said if line.startswith("Error:")]
    assert "Traceback" not in result.stderr
    assert "\x1b" not in result.stdout + result.stderr, command
    if result.returncode in {1, 2}:
        assert len(errors) == 1, (command, said)
        assert said[-1].startswith("Try: "), (command, said)
        assert max(map(len, said)) < 2_000, (command, said)


def try_command(laptop: Launching, command: str) -> None:
    """Run a command on the damaged run: it deletes and changes no vectors."""
    before = vectors(laptop)
    attempt(laptop, command)
    after = vectors(laptop)
    assert before.items() <= after.items(), command  # a shard whose receipt is gone may be embedded again


def damage_fields(path: Path, name: str, value: Any) -> None:
    lines = path.read_bytes().splitlines()
    whole = path.suffix != ".jsonl"
    body = json.loads(path.read_bytes() if whole else lines[0])
    body = body | {name: value} if value is not None else {k: v for k, v in body.items() if k != name}
    path.write_text("\n".join([json.dumps(body), *(() if whole else (line.decode() for line in lines[1:]))]))


OBJECTS = (
    "receipt",
    "heartbeat",
    "lease",
    "header",
    "slab",
    "plan of the run",
    "control",
    "dataset",
    "plan.json",
)
FIELDS_OF = {
    "receipt": ("run", "surprise", "documents", "tokens", "key", "started", "fault"),
    "heartbeat": ("run", "surprise", "tokens", "started"),
    "header": ("run", "surprise", "tokens", "shards", "ttl"),
    "slab": ("surprise", "tokens"),
    "plan of the run": ("run",),
    "plan.json": ("run",),
}
CASES = [
    (kind, how)
    for kind in OBJECTS
    for how in (*BODIES, *FIELDS, "gone")
    if how not in FIELDS or FIELDS[how][0] in FIELDS_OF.get(kind, ())
]


@pytest.mark.xdist_group("damaged")
@pytest.mark.parametrize(
    ("turn", "kind", "how"),
    [(turn, *case) for turn, case in enumerate(CASES)],
    ids=[f"{k}-{h}" for k, h in CASES],
)
def test_damaged_object_is_a_message(laptop: Launching, turn: int, kind: str, how: str) -> None:
    damage_object(laptop, kind, how)
    for step in range(AT_ONCE):
        try_command(laptop, COMMANDS[(turn * AT_ONCE + step) % len(COMMANDS)])


def damage_object(laptop: Launching, kind: str, how: str) -> None:
    path = kinds(laptop.folder, laptop.run)[kind]
    if how == "gone":
        path.unlink()
    elif how in BODIES:
        path.write_bytes(BODIES[how])
    else:
        damage_fields(path, *FIELDS[how])


@pytest.mark.xdist_group("damaged")
@pytest.mark.parametrize(("turn", "what"), list(enumerate((*LEDGER, *FILES))), ids=[*LEDGER, *FILES])
def test_damaged_ledger_is_a_message(laptop: Launching, turn: int, what: str) -> None:
    damage_ledger(laptop, what)
    for step in range(AT_ONCE):
        try_command(laptop, COMMANDS[(turn * AT_ONCE + step) % len(COMMANDS)])


def damage_ledger(laptop: Launching, what: str) -> None:
    path = laptop.folder / "runs" / "ledger.db"
    if what in FILES:
        FILES[what](path)
        return
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(LEDGER[what])
        connection.commit()


@pytest.mark.e2e
def test_damage_under_any_command(laptop: Launching, capsys: pytest.CaptureFixture[str]) -> None:
    """Pairs of a damage and a command, drawn by lot, for DAMAGE_SECONDS; the same DAMAGE_SEED draws the same."""
    seconds = float(os.environ.get("DAMAGE_SECONDS", "120"))
    seed = os.environ.get("DAMAGE_SEED") or str(random.SystemRandom().randrange(10**6))
    pairs: list[tuple[tuple[str, ...], str]] = [
        (words, command)
        for words in (*CASES, *((what,) for what in (*LEDGER, *FILES)))
        for command in COMMANDS
    ]
    random.Random(seed).shuffle(pairs)
    end, tried, failed = time.monotonic() + seconds, 0, list[str]()
    for words, command in pairs:
        if time.monotonic() > end:
            break
        put_back(laptop.folder)
        damage = damage_object if len(words) > 1 else damage_ledger
        damage(laptop, *words)
        tried += 1
        try:
            with seconds_for(command):
                try_command(laptop, command)
        except Exception as error:  # noqa: BLE001 - all that is found is told together
            failed.append(f"{' '.join(words)}, {command}: {type(error).__name__}: {error!s:.400}")
    with capsys.disabled():
        print(f"\ndamaged state: {tried} of {len(pairs)} pairs, {len(failed)} failed, DAMAGE_SEED={seed}")
    assert not failed, f"DAMAGE_SEED={seed}\n" + "\n".join(failed)
    assert tried


@contextmanager
def seconds_for(command: str) -> Generator[None]:
    """The block may take COMMAND_SECONDS: a pipe in the place of a file must stop nobody."""

    def late(*_: object) -> None:
        raise TimeoutError(f"{command} takes more than {COMMAND_SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(COMMAND_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
