"""A run is loaded while it goes on: loaders and launchers are killed, the store is away or hangs; each row is there once.

What is there is read by psycopg alone, and compared with the files of vectors as pyarrow reads them.
"""

import json
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest

from tests.support.cli_runs import Launching, embedfleet, shards, wait
from tests.support.stores.store_readers import InPostgres, wanted
from tests.support.stores.vector_stores import VectorStores
from tests.support.switched_proxy import switched_proxy

pytestmark = pytest.mark.e2e

SHARDS, KILLS = 60, 8
DOCUMENTS = 32  # of a shard
PATIENCE = 240.0  # seconds of a launch
SEED = 5


@pytest.fixture
def launching(tmp_path: Path) -> Iterator[Launching]:
    shards(tmp_path, SHARDS)
    made = Launching(tmp_path, local="{workers: 1, usd_per_hour: 0.05}")
    try:
        yield made
    finally:
        made.clean()


def with_sink(launching: Launching, target: str) -> None:
    """The sink is no part of what the plan's run is named by: the job file gets it afterwards."""
    with launching.job.open("a") as job:
        job.write(f'sink: {{to: "{target}", when: shards}}\n')


def launch(launching: Launching) -> Any:
    return launching.start("launch", "job.yaml", "--on", "local", "--offline", "--probe", "0.1")


def loaders(launcher: int) -> list[psutil.Process]:
    """The loader of a launcher, by its process id."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info["cmdline"] or []
        if "--follow" in words and str(launcher) in words:
            found.append(process)
    return found


def load_status(launching: Launching) -> dict[str, Any]:
    path = launching.folder / "out" / "_embedfleet" / launching.run / "load.json"
    return json.loads(path.read_text()) if path.exists() else {}


def assert_exact(launching: Launching, there: InPostgres) -> None:
    truth, rows = wanted(launching.folder / "out"), there.rows()
    assert len(rows) == len(truth) == SHARDS * DOCUMENTS  # none doubled
    assert dict(rows) == truth  # none lost, none altered


def test_loaders_and_a_launcher_are_killed_at_random_moments(
    launching: Launching, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address("pgvector", tmp_path)
    with_sink(launching, target)
    there, dice, kills = InPostgres(target), random.Random(SEED), 0
    child = launch(launching)
    end = time.monotonic() + PATIENCE
    while kills < KILLS:
        assert time.monotonic() < end, launching.said(child)
        if child.poll() is not None:
            child = launching.start("resume", launching.run)
        time.sleep(dice.uniform(0, 3))
        for loader in loaders(child.pid):
            loader.kill()
            kills += 1
        if kills == KILLS // 2 and child.poll() is None:
            child.kill()
            child.wait()
            kills += 1
    if child.wait(PATIENCE):
        assert child.returncode in (-9, 8), launching.said(
            child
        )  # 8: the loader was killed too often at the end
        again = embedfleet("resume", launching.run, folder=launching.folder)
        assert again.returncode == 0, again.stderr
    assert_exact(launching, there)
    assert there.files() == len(list((tmp_path / "out" / "data").glob("*.parquet")))
    assert load_status(launching)["state"] == "done"


def test_store_that_is_away_is_told_and_loaded_into_when_it_is_back(
    launching: Launching, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address("pgvector", tmp_path)
    server = urlsplit(target)
    assert server.port is not None
    with switched_proxy(server.port) as proxy:
        through = target.replace(f":{server.port}/", f":{proxy.port}/")
        proxy.switch("refuse")
        with_sink(launching, through)
        child = launch(launching)
        wait(lambda: load_status(launching).get("state") == "away" or child.poll() is not None, PATIENCE)
        status = embedfleet("status", folder=launching.folder)
        assert "not loading into postgresql://" in status.stdout
        assert child.poll() is None or launching.done() == SHARDS
        proxy.switch("open")
        assert child.wait(PATIENCE) == 0, launching.said(child)
    assert "answers again" in launching.said(child)
    assert_exact(launching, InPostgres(target))


def test_store_that_hangs_does_not_hold_up_the_fleet(
    launching: Launching, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address("pgvector", tmp_path)
    server = urlsplit(target)
    assert server.port is not None
    with switched_proxy(server.port) as proxy:
        with_sink(launching, target.replace(f":{server.port}/", f":{proxy.port}/"))
        proxy.switch("hang")
        child = launch(launching)
        wait(lambda: launching.status()["state"] == "DONE" or child.poll() is not None, PATIENCE)
        assert child.poll() is None, launching.said(
            child
        )  # all is embedded, and the launcher waits for the load
        with psycopg.connect(target.partition("?")[0]) as own:
            name = target.rpartition("=")[2]
            assert own.execute("SELECT to_regclass(%s)", [name]).fetchall() == [
                (None,)
            ]  # and nothing is loaded
        wait(lambda: "report:" in launching.said(child), PATIENCE)
        proxy.switch("open")
        assert child.wait(PATIENCE) == 0, launching.said(child)
    assert_exact(launching, InPostgres(target))


def test_store_that_stays_away_is_exit_8_and_the_run_is_done(launching: Launching, tmp_path: Path) -> None:
    with_sink(launching, "postgresql://postgres@127.0.0.1:1/postgres?table=docs")
    child = launch(launching)
    assert child.wait(PATIENCE) == 8
    assert launching.status()["state"] == "DONE"
    what, hint = launching.last_words(child)
    assert what.startswith(
        f"Error: run {launching.run} is done, and its vectors are not all in postgresql://"
    )
    assert f"embedfleet load {launching.run} goes on" in hint
    assert len(wanted(tmp_path / "out")) == SHARDS * DOCUMENTS
