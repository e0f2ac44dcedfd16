"""The SQLite file: transactions of many processes, and errors that a user can act on."""

import multiprocessing
import os
import signal
import sqlite3
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from launcher.errors import Problem
from launcher.ledger.ledger import Ledger
from launcher.ledger.upgrade import MIGRATIONS, upgrade
from tests.support.ledger_values import NOON, create_run, receipt, shard

SPAWN = multiprocessing.get_context("spawn")
SHARDS = 240
TURNS = 100


def test_path_may_have_any_characters(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c%20 'd'" / "é.db"
    with Ledger.open(path) as ledger:
        create_run(ledger)
    with Ledger.open(path) as ledger:
        assert ledger.runs.find().id == "r1"


def test_closed_ledger_is_one_file(path: Path) -> None:
    with Ledger.open(path) as ledger:
        create_run(ledger)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_connections_have_the_pragmas_for_many_writers(ledger: Ledger) -> None:
    with ledger.database.reading() as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert settings == ["wal", 1, 1, 30_000]


def test_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("name: reviews\n" * 100)
    with pytest.raises(Problem, match="is not a ledger: file is not a database"):
        Ledger.open(path)
    assert path.read_text() == "name: reviews\n" * 100


def test_file_of_an_unknown_format_of_sqlite_is_a_problem(path: Path) -> None:
    with Ledger.open(path) as ledger:
        create_run(ledger)
    with path.open("r+b") as file:
        file.seek(44)  # the number of the schema's format in SQLite's header
        file.write((9).to_bytes(4, "big"))
    with pytest.raises(Problem, match="is damaged: unsupported file format"):
        Ledger.open(path)


def test_damaged_file_is_a_problem(path: Path) -> None:
    with Ledger.open(path) as ledger:
        create_run(ledger)
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    with pytest.raises(Problem, match="is damaged: database disk image is malformed"):
        Ledger.open(path)


def test_folder_inside_a_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(Problem, match=r"the ledger's folder .*runs/deep cannot be created"):
        Ledger.open(tmp_path / "runs" / "deep" / "ledger.db")


@pytest.fixture
def read_only_folder() -> Iterator[Path]:
    """A folder that may be read and not written; root changes to user 65534 for the test, because root may write."""
    with TemporaryDirectory() as folder:
        with Ledger.open(Path(folder) / "ledger.db") as ledger:
            create_run(ledger)
        Path(folder).chmod(0o555)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(me)
            Path(folder).chmod(0o700)


@pytest.mark.parametrize("name", ["ledger.db", "new.db", "deep/ledger.db"])
def test_read_only_folder_is_a_problem(read_only_folder: Path, name: str) -> None:
    with pytest.raises(Problem, match="cannot be") as caught, Ledger.open(read_only_folder / name) as ledger:
        create_run(ledger, "r2")
    assert "writ" in caught.value.hint


def test_full_disk_is_a_problem_and_loses_nothing_recorded(ledger: Ledger) -> None:
    ledger.shards.add("r1", map(shard, range(10)))
    with ledger.database.reading() as connection:
        connection.execute("PRAGMA max_page_count = 40")
    with pytest.raises(Problem, match=r"of \d+ MiB cannot grow: .* full, with [\d,]+ MiB free") as caught:
        ledger.shards.add("r1", map(shard, range(5_000)))
    assert "nothing recorded before is lost" in caught.value.hint
    assert ledger.shards.progress("r1").shards == 10


def test_writer_that_never_ends_is_a_problem_after_the_timeout(ledger: Ledger, path: Path) -> None:
    with ledger.database.writing(), Ledger.open(path) as other:
        with other.database.reading() as connection:
            connection.execute("PRAGMA busy_timeout = 1")  # instead of 30 s
        with pytest.raises(Problem, match="another process has held the ledger"):
            create_run(other, "r2")


def test_transaction_that_fails_is_rolled_back(ledger: Ledger) -> None:
    with pytest.raises(sqlite3.OperationalError), ledger.database.writing() as connection:  # noqa: PT012 # two statements are the point
        connection.execute("UPDATE run SET name = 'other'")
        connection.execute("no SQL")
    assert ledger.runs.find().name == "reviews"


def test_threads_may_share_a_ledger(ledger: Ledger) -> None:
    def record_and_count(number: int) -> int:
        ledger.runs.record_event("r1", "turn", str(number), NOON)
        return len(ledger.runs.events("r1"))

    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(record_and_count, range(64)))
    assert max(counts) == 64
    assert min(counts) >= 1


def take_turns(path: Path, worker: int) -> int:
    """Add one to the same number TURNS times, then record receipts one by one that other workers record too."""
    with Ledger.open(path) as ledger:
        for _ in range(TURNS):
            with ledger.database.writing() as connection:
                before = connection.execute("SELECT slot FROM machine WHERE name = 'counter'").fetchone()[0]
                connection.execute("UPDATE machine SET slot = ?", (before + 1,))
        mine = [receipt((n + worker * SHARDS // 6) % SHARDS) for n in range(SHARDS // 2)]
        return sum(ledger.shards.record_receipts("r1", [one]) for one in mine)


def open_and_create(path: Path, worker: int) -> bool:
    with Ledger.open(path) as ledger:
        create_run(ledger)
        return ledger.machines.intend("r1", "r1-w0-1", worker, None, NOON)


def test_concurrent_processes_lose_no_update(path: Path) -> None:
    with Ledger.open(path) as ledger:
        create_run(ledger)
        ledger.shards.add("r1", map(shard, range(SHARDS)))
        ledger.machines.intend("r1", "counter", 0, None, NOON)
        with ProcessPoolExecutor(4, mp_context=SPAWN) as pool:
            newly = list(pool.map(take_turns, [path] * 4, range(4)))
        assert ledger.machines.of_run("r1")[0].slot == 4 * TURNS
        assert sum(newly) == SHARDS
        assert ledger.shards.progress("r1").shards_done == SHARDS
        assert ledger.shards.progress("r1").tokens == SHARDS * 90


def test_concurrent_processes_create_one_ledger(tmp_path: Path) -> None:
    with ProcessPoolExecutor(3, mp_context=SPAWN) as pool:
        for attempt in range(10):
            path = tmp_path / f"{attempt}.db"
            assert sum(pool.map(open_and_create, [path] * 3, range(3))) == 1


def pause_inside_a_transaction(path: Path, sending: Pipe) -> None:
    """Write half of a transaction, larger than SQLite's cache, so that some of it is in the file."""
    with Ledger.open(path) as ledger, ledger.database.writing() as connection:
        connection.execute("PRAGMA cache_size = 2")
        for _ in range(500):
            connection.execute(
                "INSERT INTO event (run, at, kind, text) VALUES ('r1', '', '', ?)", ("x" * 999,)
            )
        sending.send((path.parent / "ledger.db-wal").stat().st_size)
        signal.pause()


def pause_inside_an_upgrade(path: Path, sending: Pipe) -> None:
    """Upgrade to one layout more, and stop between two statements of its migration."""

    def pause() -> None:
        sending.send("paused")
        signal.pause()

    script = "ALTER TABLE run ADD COLUMN owner TEXT;\nSELECT pause();\nUPDATE run SET owner = 'me';\n"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.create_function("pause", 0, pause)
        upgrade(connection, path, (*MIGRATIONS, script))


def record_until_killed(path: Path, sending: Pipe) -> None:
    with Ledger.open(path) as ledger:
        for n in range(SHARDS):
            ledger.shards.record_receipts("r1", [receipt(n)])
            sending.send(n)
        signal.pause()


@contextmanager
def child(work: Callable[[Path, Pipe], None], path: Path) -> Generator[Pipe]:
    """Run `work` in a process that is killed at the end; yield the pipe of what it sends."""
    received, sending = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=work, args=(path, sending))
    process.start()
    sending.close()  # only the process holds it now: when it dies, receiving ends
    with received:
        yield received
        process.kill()
        process.join()


def is_intact(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_process_killed_inside_a_transaction_leaves_the_ledger_unchanged(ledger: Ledger, path: Path) -> None:
    with child(pause_inside_a_transaction, path) as received:
        assert received.recv() > 100_000  # bytes of the transaction in the write-ahead log
    assert ledger.runs.events("r1") == []
    ledger.runs.record_event("r1", "resume", "the lock is free", NOON)
    assert is_intact(path)


def test_process_killed_between_statements_of_an_upgrade_leaves_the_layout(path: Path) -> None:
    with Ledger.open(path) as ledger:
        create_run(ledger)
    with child(pause_inside_an_upgrade, path) as received:
        assert received.recv() == "paused"
    with Ledger.open(path) as ledger, ledger.database.reading() as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        columns = [name for (name,) in connection.execute("SELECT name FROM pragma_table_info('run')")]
        assert ledger.runs.find("r1").id == "r1"
    assert "owner" not in columns
    assert is_intact(path)


def test_process_killed_in_the_first_upgrade_leaves_an_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with child(pause_inside_an_upgrade, path) as received:
        assert received.recv() == "paused"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    with Ledger.open(path) as ledger:
        create_run(ledger)
    assert is_intact(path)


def test_records_of_a_killed_process_stay(ledger: Ledger, path: Path) -> None:
    ledger.shards.add("r1", map(shard, range(SHARDS)))
    with child(record_until_killed, path) as received:
        while received.recv() < SHARDS // 2:
            pass
    reported = SHARDS // 2 + 1
    done = ledger.shards.receipts("r1")
    assert done[:reported] == [receipt(n) for n in range(reported)]
    assert ledger.shards.progress("r1").shards_done == len(done)
    assert is_intact(path)
