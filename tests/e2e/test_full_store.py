"""A store has no room left: the load says so and what helps, and goes on when there is room; each row is there once."""

# redis is typed in part
# pyright: reportUnknownMemberType=false
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from launcher.loading.connect import connect
from launcher.sinks.targets import parse_target
from tests.support.cli_runs import embedfleet
from tests.support.stores.chroma import running_chroma
from tests.support.stores.loaded_rows import assert_holds
from tests.support.stores.postgres import NOBODY, open_way, running_postgres
from tests.support.stores.redisearch import running_redisearch
from tests.support.vector_datasets import dataset_of

pytestmark = pytest.mark.e2e

SMALL, ENOUGH = 24, 600  # MB; the vectors take 31
Resize = Callable[[int], None]


@pytest.fixture
def disk() -> Iterator[tuple[Path, Resize]]:
    """A file system of SMALL, and what makes it another size: not under pytest's folder, which others may not pass."""
    place = Path(tempfile.mkdtemp(prefix="embedfleet-disk-"))
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if made.returncode:
        place.rmdir()
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")

    def resize(megabytes: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", str(place)], check=True)

    try:
        yield place, resize
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
        place.rmdir()


def fills_up_and_goes_on(folder: Path, target: str, said: str, hint: str, resize: Resize) -> None:
    dataset = dataset_of(folder / "out", 40, 500, 384)

    def load() -> "subprocess.CompletedProcess[str]":
        return embedfleet("load", str(folder / "out"), "--to", target, folder=folder)

    full = load()
    assert full.returncode == 1, full.stdout
    assert said in full.stderr
    assert hint in full.stderr
    assert "run the same command again" in full.stderr
    resize(ENOUGH)
    rest = load()
    assert rest.returncode == 0, rest.stderr
    with closing(connect(parse_target(target))) as store:
        assert_holds(store, dataset)


def test_full_disk_of_postgresql(disk: tuple[Path, Resize], tmp_path: Path) -> None:
    place, resize = disk
    with (
        tempfile.TemporaryDirectory(prefix="embedfleet-") as folder,
        running_postgres(Path(folder), "fsync=off") as server,
    ):
        tables = place / "tables"
        tables.mkdir()
        open_way(tables)
        assert tables.stat().st_uid in (NOBODY, place.stat().st_uid)
        server.query(f"CREATE TABLESPACE small LOCATION '{tables}'")
        server.query("CREATE DATABASE small TABLESPACE small")
        target = f"postgresql://postgres@127.0.0.1:{server.port}/small?table=docs"
        with psycopg.connect(target.partition("?")[0], autocommit=True) as own:
            own.execute("CREATE EXTENSION vector")
        fills_up_and_goes_on(
            tmp_path, target, "PostgreSQL has no room left on its disk", "make room there", resize
        )


def test_full_disk_of_lance(disk: tuple[Path, Resize], tmp_path: Path) -> None:
    place, resize = disk
    fills_up_and_goes_on(
        tmp_path, str(place / "docs.lance"), "No space left on device", "make room there", resize
    )


def test_full_disk_of_chroma(
    disk: tuple[Path, Resize], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, resize = disk
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(place))
        server = running_chroma()
        where = server.__enter__()
    try:
        target = f"chroma://{where}/docs"
        fills_up_and_goes_on(tmp_path, target, "Chroma refused", "whether its disk has room", resize)
    finally:
        server.__exit__(None, None, None)


def test_full_memory_of_redis(tmp_path: Path) -> None:
    with running_redisearch() as place, redis.Redis(port=urlsplit(f"//{place}").port or 0) as server:

        def resize(megabytes: int) -> None:
            server.config_set("maxmemory", f"{megabytes}mb")

        resize(SMALL)
        target = f"redis://{place}/docs"
        fills_up_and_goes_on(
            tmp_path, target, "the memory of the server is full", "raise its maxmemory", resize
        )
