"""Loaders are killed with SIGKILL at random moments and started again: no row is lost, doubled or altered.

What is there is read by the clients of the stores alone, and compared with the files of vectors as pyarrow reads them.
"""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.buckets import Servers
from tests.support.paths import ROOT
from tests.support.stores import pinecone_server
from tests.support.stores.store_readers import READERS, InLance, InMilvus, InPostgres, InQdrant, wanted
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import dataset_of

pytestmark = pytest.mark.e2e

FILES, ROWS, DIMENSIONS = 120, 250, 96
KILLS = 8
PATIENCE = 120.0  # seconds of one loader
SEED = 11
CANARY = "canary-value-of-a-secret"
SERVICES = ("s3vectors", "turbopuffer", "pinecone")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    dataset_of(tmp_path / "out", FILES, ROWS, DIMENSIONS)
    return tmp_path / "out"


def loader(output: Path, target: str, module: str = "launcher.cli") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", module, "load", str(output), "--to", target, "--parallel", "2"]
    if target.startswith("postgresql"):
        command += ["--secret", "CANARY"]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}", "CANARY": CANARY}
    with (output.parent / "said").open("ab") as said:
        return subprocess.Popen(command, cwd=output.parent, env=environment, stdout=said, stderr=said)


def storm(output: Path, target: str, progress: Callable[[], int], module: str = "launcher.cli") -> int:
    """Kill the loader KILLS times, each time after some progress, once while it starts; then let it end. Its status."""
    dice = random.Random(SEED)
    for kill in range(KILLS):
        before, process = progress(), loader(output, target, module)
        end = time.monotonic() + PATIENCE
        while kill and process.poll() is None and progress() <= before:
            assert time.monotonic() < end, (output.parent / "said").read_text()
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.03) if kill else dice.uniform(0, 1))
        assert process.poll() is None, (
            f"it ended before kill {kill + 1}: {(output.parent / 'said').read_text()}"
        )
        process.kill()
        process.wait()
    return loader(output, target, module).wait(PATIENCE)


def assert_exact(rows: list[tuple[Any, Any]], output: Path, expected: int = FILES * ROWS) -> None:
    truth = wanted(output)
    assert len(rows) == len(truth) == expected  # none doubled
    assert dict(rows) == truth  # none lost, none altered


def test_loader_of_postgresql_is_killed_eight_times(
    output: Path, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address("pgvector", tmp_path)
    there = InPostgres(target)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)
    assert there.files() == FILES
    again = loader(output, target)
    assert again.wait(PATIENCE) == 0
    said = (tmp_path / "said").read_text()
    assert "nothing to load" in said
    assert CANARY not in said
    ledger = there.ask("SELECT string_agg(l::text, ' ') FROM embedfleet_loads l")
    assert CANARY not in str(ledger)


def test_loader_that_is_wrong_does_not_pass(output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address("pgvector", tmp_path)
    there = InPostgres(target)
    assert storm(output, target, there.rows_there, module="tests.support.stores.wrong_loader") == 1
    with pytest.raises(AssertionError):
        assert_exact(there.rows(), output)
    assert "two rows have one key" in (tmp_path / "said").read_text()  # the primary key sees them at the end


def test_loader_of_lance_is_killed_eight_times(output: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "docs.lance")
    there = InLance(target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_of_lance_in_a_bucket_is_killed_eight_times(
    output: Path, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"{servers.bucket('s3', monkeypatch)}/docs.lance"
    storage = {"aws_endpoint": os.environ["AWS_ENDPOINT_URL_S3"], "allow_http": "true"}
    there = InLance(target, output, storage)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_that_appends_to_lance_does_not_pass(output: Path, tmp_path: Path) -> None:
    target = str(tmp_path / "docs.lance")
    there = InLance(target, output)
    assert storm(output, target, there.rows_there, "tests.support.stores.appending_loader") == 1
    with pytest.raises(AssertionError):
        assert_exact(there.rows(), output)
    assert f"rows, and run run-1 has {FILES * ROWS:,}" in (tmp_path / "said").read_text()  # it counts more


UPSERTED = ("milvus", "qdrant", "redis", "chroma", "weaviate", "opensearch", "elasticsearch")


@pytest.mark.parametrize("kind", UPSERTED)
def test_loader_is_killed_eight_times(kind: str, output: Path, stores: VectorStores, tmp_path: Path) -> None:
    target = stores.address(kind, tmp_path)
    there = READERS[kind](target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_that_inserts_into_milvus_does_not_pass(
    output: Path, stores: VectorStores, tmp_path: Path
) -> None:
    target = stores.address("milvus", tmp_path)
    assert storm(output, target, InMilvus(target, output).files, "tests.support.stores.inserting_loader") == 1
    said = (tmp_path / "said").read_text()
    assert f"rows, and run run-1 has {FILES * ROWS:,}" in said  # it counts more


@pytest.mark.parametrize("kind", SERVICES)
def test_loader_of_a_service_is_killed_eight_times(
    kind: str, output: Path, stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stores.environment(kind).items():
        monkeypatch.setenv(name, value)
    target = stores.address(kind, tmp_path).replace("docs-32", f"docs-{DIMENSIONS}")
    there = READERS[kind](target, output)
    assert storm(output, target, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)
    assert loader(output, target).wait(PATIENCE) == 0
    said = (tmp_path / "said").read_text()
    assert "nothing to load" in said
    assert "never run against the service" in said


@pytest.fixture
def imported(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a namespace that an import fills, of a Pinecone that reads the bucket."""
    bucket = servers.bucket("s3", monkeypatch)  # before the server, which inherits where it is
    with pinecone_server.running_pinecone() as address:
        for name, value in pinecone_server.environment(address).items():
            monkeypatch.setenv(name, value)
        yield f"pinecone://docs-{DIMENSIONS}/papers?import={bucket}/import"


def test_loader_that_imports_is_killed_eight_times(output: Path, imported: str, tmp_path: Path) -> None:
    there = READERS["pinecone"](imported.partition("?")[0], output)
    assert storm(output, imported, there.files) == 0, (tmp_path / "said").read_text()
    assert_exact(there.rows(), output)


def test_loader_that_makes_up_names_of_an_import_does_not_pass(
    output: Path, imported: str, tmp_path: Path
) -> None:
    there = READERS["pinecone"](imported.partition("?")[0], output)
    assert storm(output, imported, there.files, "tests.support.stores.importing_loader") == 1
    said = (tmp_path / "said").read_text()
    assert re.search(f"import 1 read [0-9,]+ rows, and the run has {FILES * ROWS:,}", said)


MADE_UP = tuple(kind for kind in READERS if kind not in ("lance", "milvus"))


@pytest.mark.parametrize("kind", MADE_UP)
def test_loader_that_makes_up_keys_does_not_pass(
    kind: str, output: Path, stores: VectorStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in stores.environment(kind).items():
        monkeypatch.setenv(name, value)
    target = stores.address(kind, tmp_path).replace("docs-32", f"docs-{DIMENSIONS}")
    assert (
        storm(output, target, InQdrant(target, output).files, "tests.support.stores.made_up_keys_loader") == 1
    )
    said = (tmp_path / "said").read_text()
    assert f"rows, and run run-1 has {FILES * ROWS:,}" in said  # it counts more
