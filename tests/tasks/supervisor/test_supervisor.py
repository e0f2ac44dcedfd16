"""The supervisor of a machine's workers: real processes that are killed, told to end, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tasks.protocol.messages import control, heartbeat
from tasks.protocol.messages.heartbeat import Heartbeat
from tasks.stores.base import list_all, read
from tasks.stores.folder import FolderStore
from tasks.supervisor.restart_policy import MAX_CRASHES
from tasks.supervisor.supervisor import Supervisor, WorkerSlot
from tests.support.paths import ROOT
from tests.support.runs import NOON, corpus, done, ids_out, launch, receipts_of

ABORTING = """
import os, sys
def hook(event, args):
    if event == "open" and str(args[0]).endswith("/" + os.environ["DEADLY_FILE"]):
        os.abort()
sys.addaudithook(hook)
"""
PATIENCE = 30.0  # seconds until a test gives up

Supervised = subprocess.Popen[str]
Start = Callable[..., Supervised]


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "out")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    return folder


@pytest.fixture
def start(store: FolderStore, tmp_path: Path) -> Iterator[Start]:
    """Starts supervisors, and sees to it that neither they nor their workers outlive the test."""
    started: list[Supervised] = []

    def begin(*words: str, **environment: str) -> Supervised:
        command = [
            sys.executable,
            "-m",
            "tasks.supervisor",
            "--store",
            str(store.root),
            "--run",
            "run-1",
        ]
        command += ["--name", "m", "--pause", "0.1", "--heartbeat", "0.2", "--offset", "0"]
        keep = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
        supervisor = subprocess.Popen(
            [*command, "--scratch", str(tmp_path / "scratch"), *words],
            cwd=ROOT,
            env=keep | environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(supervisor)
        return supervisor

    yield begin
    for supervisor in started:
        for process in workers(supervisor):
            process.kill()
        supervisor.kill()
        supervisor.communicate()


@pytest.fixture
def own_signals() -> Iterator[None]:
    """A supervisor in this process takes its signals; afterwards they are ours again."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def workers(supervisor: Supervised) -> list[psutil.Process]:
    """Its living workers, by name."""
    try:
        found = psutil.Process(supervisor.pid).children()
        return sorted((p for p in found if "tasks.worker" in p.cmdline()), key=lambda p: p.cmdline())
    except psutil.NoSuchProcess:
        return []


def wait_until(happened: Callable[[], object]) -> None:
    """Real processes keep no clock of ours: look, and look again."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def ended(supervisor: Supervised) -> tuple[int, str, str]:
    """Exit status, what its workers said, and what it said itself on stderr."""
    out, err = supervisor.communicate(timeout=PATIENCE)
    return supervisor.returncode, out, err


def pulses(store: FolderStore) -> dict[str, Heartbeat]:
    bodies = [read(store, entry.key) for entry in list_all(store, "_embedfleet/run-1/workers/")]
    found = [heartbeat.load(body) for body in bodies if body]
    return {pulse.worker: pulse for pulse in found}


def at_work(store: FolderStore, *names: str, leases: int = 1) -> Callable[[], bool]:
    """Whether each of these workers has said that it holds so many leases. It claims a second one when it embeds."""
    return lambda: all(name in pulses(store) and len(pulses(store)[name].leases) >= leases for name in names)


def test_killed_worker_is_restarted_and_the_run_finishes(
    store: FolderStore, files: Path, start: Start
) -> None:
    ids = corpus(files, 1, 30)
    header = launch(store, files, 1, ttl=1_000.0)
    supervisor = start(EMBEDFLEET_HASH_SECONDS="4", EMBEDFLEET_SETUP="1000 1090")
    wait_until(at_work(store, "m-0"))
    held = pulses(store)["m-0"].leases
    workers(supervisor)[0].kill()
    status, said, err = ended(supervisor)
    assert (status, err) == (0, "")
    assert Counter(ids_out(store, header)) == Counter(ids)
    found = pulses(store)
    assert [(p.worker, p.state) for p in found.values()] == [("m-0", "lost"), ("m-0r1", "done")]
    assert found["m-0"].error == "killed by SIGKILL"
    # Leases last longer than this test: they were given back for the dead.
    assert [lease[:4] for lease in found["m-0"].returned] == held
    assert found["m-0"].leases == []
    assert [found[name].cold_start.get("setup") for name in ("m-0", "m-0r1")] == [90.0, None]
    assert "supervisor | m-0 crashed (killed by SIGKILL), 1 in a row without a finished shard" in said


@pytest.mark.slow
def test_each_worker_has_a_gpu_of_its_own(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 8, 30)
    header = launch(store, files, 8, ttl=1.0)
    supervisor = start(CUDA_VISIBLE_DEVICES="3,GPU-5", EMBEDFLEET_HASH_SECONDS="1")
    wait_until(at_work(store, "m-0", "m-1"))
    seen = [(p.cmdline()[-3], p.environ()["CUDA_VISIBLE_DEVICES"]) for p in workers(supervisor)]
    assert seen == [("m-0", "3"), ("m-1", "GPU-5")]
    workers(supervisor)[1].kill()
    wait_until(at_work(store, "m-1r1"))
    again = next(p for p in workers(supervisor) if "m-1r1" in p.cmdline())
    assert again.environ()["CUDA_VISIBLE_DEVICES"] == "GPU-5"
    assert ended(supervisor)[0] == 0
    assert done(store, header) == 8


def test_cores_are_shared_out_without_a_gpu(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 4, 30)
    launch(store, files, 4)
    supervisor = start("--workers", "2", CUDA_VISIBLE_DEVICES="", EMBEDFLEET_HASH_SECONDS="100")
    wait_until(at_work(store, "m-0", "m-1"))
    words = [p.cmdline() for p in workers(supervisor)]
    share = str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert [line[line.index("--threads") + 1] for line in words] == [share, share]


def test_default_machine_names_differ(store: FolderStore, files: Path, tmp_path: Path) -> None:
    corpus(files, 1, 2)
    launch(store, files, 1)
    command = [
        sys.executable,
        "-m",
        "tasks.supervisor",
        "--store",
        str(store.root),
        "--run",
        "run-1",
    ]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    for _ in range(2):
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, timeout=PATIENCE)
    assert len(pulses(store)) == 2
    assert all(name.endswith("-0") for name in pulses(store))


def test_worker_that_cannot_start_is_retried_then_given_up(
    store: FolderStore, tmp_path: Path, own_signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    slot = WorkerSlot(0, None, 0)
    too_long = ["x" * 2_000_000]  # more than a kernel takes
    assert Supervisor(store, "run-1", [slot], "m", too_long, tmp_path, pause=0.01).go() == 1
    assert slot.life == MAX_CRASHES
    assert "Argument list too long" in str(slot.problem())
    assert "m-0 crashed (not started: Argument list too long), 1 in a row" in capsys.readouterr().out


def test_sigterm_ends_all_workers(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 4, 30)
    launch(store, files, 4)
    supervisor = start("--workers", "2", EMBEDFLEET_HASH_SECONDS="100")
    wait_until(at_work(store, "m-0", "m-1"))
    supervisor.send_signal(signal.SIGTERM)
    status, _, err = ended(supervisor)
    assert (status, err) == (0, "")
    assert {name: p.state for name, p in pulses(store).items()} == {"m-0": "stopped", "m-1": "stopped"}
    assert [e.key for e in list_all(store, "_embedfleet/run-1/leases/") if e.size] == []


def test_drain_lets_every_worker_finish_its_shard(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 8, 30)
    header = launch(store, files, 8)
    supervisor = start("--workers", "2", EMBEDFLEET_HASH_SECONDS="4")
    wait_until(at_work(store, "m-0", "m-1", leases=2))
    supervisor.send_signal(signal.SIGUSR1)
    status, _, err = ended(supervisor)
    assert (status, err) == (0, "")
    assert {r.worker for r in receipts_of(store, header)} == {"m-0", "m-1"}
    assert done(store, header) < 8


def test_workers_end_with_a_killed_supervisor(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 4, 30)
    launch(store, files, 4)
    supervisor = start("--workers", "2", EMBEDFLEET_HASH_SECONDS="100")
    wait_until(at_work(store, "m-0", "m-1"))
    alive = workers(supervisor)
    assert len(alive) == 2
    supervisor.kill()
    psutil.wait_procs(alive, timeout=PATIENCE)
    assert not any(process.is_running() for process in alive)
    assert {p.state for p in pulses(store).values()} == {"stopped"}
    assert [e.key for e in list_all(store, "_embedfleet/run-1/leases/") if e.size] == []


def test_restarted_supervisor_names_workers_anew(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 2, 30)
    launch(store, files, 2)
    first = start(EMBEDFLEET_HASH_SECONDS="100")
    wait_until(at_work(store, "m-0"))
    first.send_signal(signal.SIGTERM)
    ended(first)
    assert ended(start())[0] == 0
    assert {name: p.state for name, p in pulses(store).items()} == {"m-0": "stopped", "m-0r1": "done"}


def test_worker_that_always_crashes_is_given_up_with_its_log(
    store: FolderStore, files: Path, start: Start
) -> None:
    corpus(files, 1, 30)
    launch(store, files, 1)
    status, said, err = ended(start(EMBEDFLEET_HASH_SECONDS="soon"))
    assert status == 1
    last = "ValueError: could not convert string to float: 'soon'"
    assert err.splitlines() == [
        (
            "Error: m-0r4 and the 4 workers before it crashed without finishing a shard; "
            f"last line of its log: {last}"
        ),
        "Try: read their logs above, fix the cause, then start the same command again",
    ]
    assert said.count(f"m-0r2 | {last}") == 1
    assert {p.state for p in pulses(store).values()} == {"lost"}
    assert pulses(store)["m-0r4"].error == f"exit status 1: {last}"


@pytest.mark.slow
def test_input_that_ends_every_process_that_reads_it_is_set_aside_alone(
    store: FolderStore, files: Path, tmp_path: Path, start: Start
) -> None:
    """The processes abort as they open the second file, as readers in C++ do, while the engine has the first."""
    ids = corpus(files, 4, 30)
    header = launch(store, files, 4, ttl=1_000.0)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(ABORTING)
    supervisor = start(PYTHONPATH=str(hooks), DEADLY_FILE="1.jsonl", EMBEDFLEET_HASH_SECONDS="1")
    status, said, err = ended(supervisor)
    assert (status, err) == (0, ""), said
    assert said.count("crashed (killed by SIGABRT)") == 3
    faults = {r.position: r.fault for r in receipts_of(store, header)}
    assert faults == {0: None, 1: "set aside: 3 worker processes died of it", 2: None, 3: None}
    assert sorted(ids_out(store, header)) == sorted(ids[:30] + ids[60:])


@pytest.mark.slow
def test_crashes_after_finished_shards_are_restarted(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 150, 2)
    header = launch(store, files, 150, ttl=1.0)
    supervisor = start(EMBEDFLEET_HASH_SECONDS="4")
    for life in range(6):  # more often than a slot may crash in vain
        name = f"m-0r{life}" if life else "m-0"
        wait_until(lambda name=name: name in pulses(store) and pulses(store)[name].shards > 0)
        next(p for p in workers(supervisor) if name in p.cmdline()).kill()
    wait_until(at_work(store, "m-0r6"))
    supervisor.send_signal(signal.SIGTERM)
    assert ended(supervisor)[0] == 0
    assert done(store, header) >= 6


def test_worker_problem_is_passed_on_with_status_3(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 1, 30)
    launch(store, files, 1, dimensions=64)
    status, said, err = ended(start("--workers", "2"))
    assert status == 3
    first, second = err.splitlines()
    assert first == "Error: hash gives 32 dimensions, the job asks for 64"
    assert second.startswith("Try: ")
    assert f"m-0 | {first}" in said
    assert f"m-1 | {first}" in said
    assert sorted(pulses(store)) == ["m-0", "m-1"]


def test_missing_run_ends_with_status_3(start: Start) -> None:
    status, _, err = ended(start())
    assert (status, err) == (
        3,
        "Error: no run 'run-1' under this output path\nTry: see which runs it holds under _embedfleet/\n",
    )


def test_unknown_worker_option_is_not_retried(store: FolderStore, files: Path, start: Start) -> None:
    corpus(files, 1, 30)
    launch(store, files, 1)
    status, _, err = ended(start("--fast"))
    assert status == 3
    assert "unrecognized arguments: --fast" in err


def test_scratch_files_of_a_dead_worker_are_removed(
    store: FolderStore, files: Path, tmp_path: Path, start: Start
) -> None:
    corpus(files, 1, 30)
    launch(store, files, 1)
    supervisor = start(EMBEDFLEET_HASH_SECONDS="4")
    wait_until(at_work(store, "m-0"))
    assert (tmp_path / "scratch" / "m-0").exists()
    workers(supervisor)[0].kill()
    wait_until(at_work(store, "m-0r1"))
    assert not (tmp_path / "scratch" / "m-0").exists()
    assert ended(supervisor)[0] == 0


def test_a_machine_that_was_told_to_drain_ends_and_another_works_on(
    store: FolderStore, files: Path, start: Start
) -> None:
    corpus(files, 3, 2)
    header = launch(store, files, 3)
    control.drain_machine(store, "run-1", "m", NOON)
    drained = start("--workers", "1")
    assert drained.wait(PATIENCE) == 0
    assert done(store, header) == 0
    another = start("--workers", "1", "--name", "m2")
    assert another.wait(PATIENCE) == 0
    assert done(store, header) == header.shards
