"""The contract of both backends: worker processes here, and machines rented through a real SkyPilot on Slurm.

Machines take a minute to come up there, so a fixture asks for all of them at once, one for each thing that may happen
to a machine, and the tests look at what became of each. What only processes can show is in `test_cloud`. The rented
half runs in SkyPilot's environment, on a cluster that is up: `tests/e2e/test_slurm.py` starts it.
"""

import os
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from launcher.fleet.backends.base import Backend, LaunchRequest
from launcher.fleet.backends.local import LocalBackend
from launcher.fleet.backends.skypilot import SkyPilotBackend
from launcher.fleet.scheduling.states import Phase
from launcher.ledger.records import MachineState
from tasks.protocol import manifest
from tasks.skypilot_task import Place, TaskSpec
from tasks.stores.folder import FolderStore
from tests.support.paths import ROOT
from tests.support.runs import corpus, done, launch

CLUSTER = "EMBEDFLEET_TEST_CLUSTER"  # the folder of a Slurm cluster that is up
PATIENCE = {"local": 30.0, "skypilot": 600.0}  # seconds
SHARDS = 400  # of each scene but "ends"
HAPPENS = ("works", "ends", "refused", "drained", "ended")


@dataclass(slots=True)
class Scene:
    """One machine of a run of its own, and what is to happen to it."""

    kind: str
    make: Callable[[], Backend]  # the same backend, as a launcher sees it that has just started
    backend: Backend
    name: str
    handle: str
    store: FolderStore
    header: manifest.Header
    known: bool = False  # whether its backend knew it at once

    def wait(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE[self.kind]
        while not until():
            assert time.monotonic() < end, f"it took too long: {self.backend.status(self.handle)}"
            time.sleep(0.1 if self.kind == "local" else 2)
            self.backend.refresh()

    def working(self) -> bool:
        """Whether one of its workers holds a shard."""
        folder = self.store.root / "_embedfleet" / self.header.run / "workers"
        return any(b'"working"' in path.read_bytes() for path in folder.glob(f"{self.name}*.json"))

    def running(self) -> bool:
        """Whether its backend says that it runs."""
        status = self.backend.status(self.handle)
        return status is not None and status.phase == Phase.RUNNING

    def over(self) -> bool:
        status = self.backend.status(self.handle)
        return status is None or not status.alive

    @property
    def state(self) -> MachineState | None:
        status = self.backend.status(self.handle)
        return status.state if status else None


def stage(folder: Path, happens: str) -> tuple[FolderStore, manifest.Header]:
    """A run of slow shards, more than are done while the machines of other scenes come up; or of one."""
    (folder / "in").mkdir(parents=True)
    count = 1 if happens == "ends" else SHARDS
    corpus(folder / "in", count, 1, words=31)
    store = FolderStore(folder / "out")
    return store, launch(
        store, folder / "in", count, run=f"contract-{os.getpid()}-{happens}"
    )  # found by name


def start_scenes(kind: str, folder: Path) -> dict[str, Scene]:
    """A machine for everything that may happen to one."""
    scenes: dict[str, Scene] = {}
    for happens in HAPPENS:
        store, header = stage(folder / happens, happens)
        run = header.run if happens != "refused" else f"{header.run}-not"
        make = (
            local(folder / happens, store, run) if kind == "local" else rented(folder / happens, store, run)
        )
        backend, name = make(), f"{run}-l0m0-0"
        backend.refresh()
        scenes[happens] = Scene(kind, make, backend, name, "", store, header)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)  # machines have a user of their own
    for scene in scenes.values():
        handle = scene.backend.start([LaunchRequest(scene.name, 0)])[scene.name]
        assert isinstance(handle, str), handle
        scene.handle, status = handle, scene.backend.status(handle)
        scene.known = status is not None and status.alive
    return scenes


def local(folder: Path, store: FolderStore, run: str) -> Callable[[], Backend]:
    return lambda: LocalBackend(folder, ["--store", str(store.root), "--run", run, "--heartbeat", "0.2"])


def rented(folder: Path, store: FolderStore, run: str) -> Callable[[], Backend]:
    recipe = TaskSpec(
        run=run,
        group=0,
        gpu="L4",
        gpus=1.0,
        spot=True,
        places=(Place("slurm", "east", "spot", None, Decimal("0.4")),),
        output=str(store.root),
        corpus=str(folder / "in"),
        model="hash",
        engine="hash",
        workers=1,
        code=str(ROOT / "tasks"),
        prebuilt=f"{os.environ[CLUSTER]}/worker-env",
        settings={"EMBEDFLEET_HASH_SECONDS": os.environ["EMBEDFLEET_HASH_SECONDS"]},
    )
    return lambda: SkyPilotBackend(folder, store, run, {0: recipe})


@pytest.fixture(scope="module", params=["local", "skypilot"])
def scenes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Mapping[str, Scene], None, None]:
    kind: str = request.param
    if kind == "skypilot" and CLUSTER not in os.environ:
        pytest.skip("needs a Slurm cluster that is up: make e2e")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDFLEET_HASH_SECONDS", "60")  # of 1,000 tokens: two seconds for a shard of these
        folder = (
            tmp_path_factory.mktemp("clouds")
            if kind == "local"
            else Path(os.environ[CLUSTER], "shared", "contract")
        )
        before = os.umask(0)
        found = start_scenes(kind, folder)
        yield found
        os.umask(before)
        for scene in found.values():
            scene.backend.kill([scene.handle])
            if isinstance(scene.backend, LocalBackend):
                for child in scene.backend.children.values():
                    child.wait()
            elif not scene.over():
                scene.wait(scene.over)


def test_started_machine_runs_and_works(scenes: Mapping[str, Scene]) -> None:
    scene = scenes["works"]
    scene.wait(scene.working)
    scene.wait(scene.running)  # a busy SkyPilot says so minutes after the first shard


def test_a_machine_that_works_came_and_was_not_refused(scenes: Mapping[str, Scene]) -> None:
    scene = scenes["works"]
    scene.wait(scene.working)
    status = scene.backend.status(scene.handle)
    assert status is not None
    assert (status.came, status.refused) == (True, False)


def test_machine_is_found_by_its_name_also_by_a_later_launcher(
    scenes: Mapping[str, Scene],
) -> None:
    scene = scenes["works"]
    scene.wait(scene.working)
    for backend in (scene.backend, scene.make()):
        backend.refresh()
        assert backend.find(scene.name) == scene.handle
        assert backend.find(scene.name[:-1]) is None
        assert backend.find(f"{scene.name}1") is None
        status = backend.status(scene.handle)
        assert status is not None
        assert status.phase == Phase.RUNNING


def test_requested_machine_is_known_at_once(scenes: Mapping[str, Scene]) -> None:
    assert all(scene.known for scene in scenes.values())


def test_unknown_handle_has_no_status(scenes: Mapping[str, Scene]) -> None:
    backend = scenes["works"].backend
    for handle in ("", "7", f"999999999:{scenes['works'].name}", f"{scenes['works'].handle}x"):
        assert backend.status(handle) is None


def test_machine_whose_work_is_done_is_stopped(scenes: Mapping[str, Scene]) -> None:
    scene = scenes["ends"]
    scene.wait(scene.over)
    assert scene.state == MachineState.STOPPED
    assert done(scene.store, scene.header) == 1
    assert scene.backend.find(scene.name) is None


def test_failed_machine_says_why(scenes: Mapping[str, Scene]) -> None:
    scene = scenes["refused"]
    scene.wait(scene.over)
    assert scene.state in (MachineState.FAILED, MachineState.LOST)
    missing = f"{scene.header.run}-not"
    assert f"Error: no run '{missing}' under this output path" in scene.backend.log_tail(scene.name)
    assert scene.backend.log_path(scene.name).exists()


def test_drained_machine_finishes_its_shard(scenes: Mapping[str, Scene]) -> None:
    scene = scenes["drained"]
    # While the first shard is signed the second is embedded. One that is held, but not begun, would be given back.
    scene.wait(lambda: done(scene.store, scene.header) >= 1)
    scene.backend.drain([scene.handle])
    scene.wait(scene.over)
    assert scene.state == MachineState.STOPPED
    assert 2 <= done(scene.store, scene.header) < SHARDS


def test_terminated_machine_leaves_the_rest(scenes: Mapping[str, Scene]) -> None:
    scene = scenes["ended"]
    scene.wait(scene.working)
    scene.backend.terminate([scene.handle])
    scene.wait(scene.over)
    assert scene.state == MachineState.STOPPED
    assert done(scene.store, scene.header) < scene.header.shards
    scene.backend.terminate([scene.handle])  # once more does no harm


def test_unknown_machine_has_no_log(scenes: Mapping[str, Scene]) -> None:
    assert scenes["works"].backend.log_tail("contract-never-l0m0-0") == ""
