"""Notices of three clouds, from a small metadata service on loopback that speaks as theirs do."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tasks.protocol.keys import heartbeat_key
from tasks.protocol.lease import is_free
from tasks.protocol.messages.heartbeat import Heartbeat, load
from tasks.stores.base import list_all, read
from tasks.stores.folder import FolderStore
from tasks.worker.monitoring.preemption_notice import MetadataService, NoAnswer, NoticeWatcher, detect_cloud
from tests.support.runs import corpus, ids_out, launch, receipts_of

LATE = timedelta(minutes=10)  # the clock of the clouds beside ours: only theirs may count
Reply = tuple[int, str]


class Cloud(ThreadingHTTPServer):
    """Answers by path; asks for AWS's token and the others' headers as the real ones do."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.replies: dict[str, Reply] = {}
        self.asked: list[str] = []
        self.token = "t0"
        self.mute = False
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def clock(self) -> datetime:
        return datetime.now(UTC) + LATE


class Handler(BaseHTTPRequestHandler):
    server: Cloud  # pyright: ignore[reportIncompatibleVariableOverride]

    def date_time_string(self, timestamp: float | None = None) -> str:
        return format_datetime(self.server.clock, usegmt=True)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_PUT(self) -> None:
        self._reply(200 if self.headers["X-aws-ec2-metadata-token-ttl-seconds"] else 400, self.server.token)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append(path)
        if self.server.mute:
            self._reply(503, "")
        elif path.startswith("/latest/") and self.headers["X-aws-ec2-metadata-token"] != self.server.token:
            self._reply(401, "")
        elif path.startswith("/computeMetadata/") and self.headers["Metadata-Flavor"] != "Google":
            self._reply(403, "")
        elif path.startswith("/metadata/") and self.headers["Metadata"] != "true":
            self._reply(400, "")
        else:
            self._reply(*self.server.replies.get(path, (404, "")))

    def _reply(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with Cloud() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Heard:
    """A watch, and what it said."""

    def __init__(self, kind: str, address: str) -> None:
        self.notices: list[tuple[str, float]] = []
        self.risks: list[str] = []
        self.said: list[str] = []
        self.watch = NoticeWatcher(
            kind,  # pyright: ignore[reportArgumentType]
            lambda why, seconds: self.notices.append((why, seconds)),
            self.risks.append,
            MetadataService(address),
            every=0.01,
            say=self.said.append,
        )


ACTION = "/latest/meta-data/spot/instance-action"
REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
PREEMPTED = "/computeMetadata/v1/instance/preempted"
NAME = "/metadata/instance/compute/name"
EVENTS = "/metadata/scheduledevents"


def test_aws_notice_uses_the_clock_of_the_answer(cloud: Cloud) -> None:
    heard = Heard("aws", cloud.address)
    heard.watch.poll()
    assert heard.notices == []
    at = cloud.clock + timedelta(seconds=118)
    cloud.replies[ACTION] = (200, json.dumps({"action": "terminate", "time": f"{at:%Y-%m-%dT%H:%M:%SZ}"}))
    heard.watch.poll()
    ((why, seconds),) = heard.notices
    assert why == "AWS will terminate this machine"
    assert 115 <= seconds <= 120


def test_notice_is_reported_once(cloud: Cloud) -> None:
    cloud.replies[ACTION] = (200, '{"action": "stop", "time": "2030-01-01T00:00:00Z"}')
    heard = Heard("aws", cloud.address)
    for _ in range(3):
        heard.watch.poll()
    assert len(heard.notices) == 1


def test_expired_token_is_replaced(cloud: Cloud) -> None:
    heard = Heard("aws", cloud.address)
    heard.watch.poll()
    cloud.token = "t1"
    cloud.replies[ACTION] = (200, '{"action": "terminate", "time": "2030-01-01T00:00:00Z"}')
    heard.watch.poll()
    assert len(heard.notices) == 1


def test_rebalance_recommendation_is_a_risk(cloud: Cloud) -> None:
    cloud.replies[REBALANCE] = (200, '{"noticeTime": "2030-01-01T00:00:00Z"}')
    heard = Heard("aws", cloud.address)
    heard.watch.poll()
    assert (heard.notices, len(heard.risks)) == ([], 1)


def test_gcp_preempts_within_30_seconds(cloud: Cloud) -> None:
    cloud.replies[PREEMPTED] = (200, "FALSE")
    heard = Heard("gcp", cloud.address)
    heard.watch.poll()
    assert heard.notices == []
    cloud.replies[PREEMPTED] = (200, "TRUE")
    heard.watch.poll()
    ((why, seconds),) = heard.notices
    assert why == "GCP preempts this machine"
    assert 25 < seconds <= 30


def event(kind: str, name: str, at: str) -> dict[str, object]:
    return {"EventType": kind, "Resources": [name], "NotBefore": at, "EventStatus": "Scheduled"}


@pytest.mark.parametrize("kind", ["Preempt", "Terminate", "Redeploy", "Reboot"])
def test_azure_schedules_the_end_of_this_machine(cloud: Cloud, kind: str) -> None:
    at = format_datetime(cloud.clock + timedelta(seconds=45), usegmt=True)
    cloud.replies[NAME] = (200, "vm-7")
    cloud.replies[EVENTS] = (200, json.dumps({"Events": [event(kind, "vm-7", at)]}))
    heard = Heard("azure", cloud.address)
    heard.watch.poll()
    ((why, seconds),) = heard.notices
    assert why == f"Azure: {kind} of this machine"
    assert 42 <= seconds <= 46


def test_azure_events_of_other_machines_are_ignored(cloud: Cloud) -> None:
    found = [event("Preempt", "vm-8", ""), event("Freeze", "vm-7", "")]
    cloud.replies |= {NAME: (200, "vm-7"), EVENTS: (200, json.dumps({"Events": found}))}
    heard = Heard("azure", cloud.address)
    heard.watch.poll()
    assert heard.notices == []


def test_azure_event_without_a_time_leaves_no_time(cloud: Cloud) -> None:
    cloud.replies |= {
        NAME: (200, "vm-7"),
        EVENTS: (200, json.dumps({"Events": [event("Preempt", "vm-7", "")]})),
    }
    heard = Heard("azure", cloud.address)
    heard.watch.poll()
    assert [seconds for _, seconds in heard.notices] == [0.0]


def wait_until(happened: Callable[[], object], patience: float = 30.0) -> None:
    until = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_missing_metadata_service_stops_the_polling() -> None:
    with Cloud() as gone:
        address = gone.address  # and nobody listens there any more
    heard = Heard("gcp", address)
    heard.watch.start()
    wait_until(lambda: heard.said)
    assert heard.said[0].startswith("gcp gives no notice of preemption here")


def test_server_error_is_polled_again(cloud: Cloud) -> None:
    heard = Heard("gcp", cloud.address)
    heard.watch.poll()
    cloud.mute = True
    with pytest.raises(NoAnswer):
        heard.watch.poll()
    heard.watch.start()
    wait_until(lambda: len(cloud.asked) > 3)
    cloud.replies[PREEMPTED] = (200, "TRUE")
    cloud.mute = False
    wait_until(lambda: heard.notices)
    heard.watch.stop()


@pytest.mark.slow
def test_worker_with_a_notice_commits_releases_its_leases_and_waits(cloud: Cloud, tmp_path: Path) -> None:
    """A process on a machine that goes in some seconds: what it had is done by the next, and nothing twice."""
    files = tmp_path / "corpus"
    files.mkdir()
    names = corpus(files, 2, 300)
    store = FolderStore(tmp_path / "out")
    header = launch(store, files, 2, ttl=1_000.0)
    environment = os.environ | {"EMBEDFLEET_HASH_SECONDS": "2", "EMBEDFLEET_METADATA": cloud.address}

    def start(name: str, *more: str) -> "subprocess.Popen[str]":
        words = ["--store", str(store.root), "--run", "run-1", "--name", name, "--offset", "0", *more]
        return subprocess.Popen([sys.executable, "-m", "tasks.worker", *words], env=environment, text=True)

    def pulse() -> Heartbeat:
        return load(read(store, heartbeat_key("run-1", "ann")) or b"")

    ann = start("ann", "--cloud", "aws", "--heartbeat", "0.2")
    wait_until(lambda: any(True for _ in list_all(store, "_embedfleet/run-1/leases/")))
    soon = cloud.clock + timedelta(seconds=8)
    cloud.replies[ACTION] = (200, json.dumps({"action": "terminate", "time": f"{soon:%Y-%m-%dT%H:%M:%SZ}"}))
    wait_until(lambda: pulse().state == "leaving")
    assert ann.poll() is None  # it ends with its machine: an exit would look like a run that is done
    assert pulse().notice == "AWS will terminate this machine"
    wait_until(lambda: pulse().leases == [])
    done = {receipt.shard for receipt in receipts_of(store, header)}
    left = [e for e in list_all(store, "_embedfleet/run-1/leases/") if e.key.split("/")[-2] not in done]
    assert all(is_free(entry) for entry in left)
    ann.send_signal(signal.SIGTERM)
    assert ann.wait(30) == 0
    environment["EMBEDFLEET_HASH_SECONDS"] = "0"
    assert start("bob").wait(60) == 0
    assert sorted(ids_out(store, header)) == sorted(names)


@pytest.mark.parametrize(
    ("environment", "cloud"),
    [
        ({}, None),
        ({"EMBEDFLEET_CLOUD": ""}, None),
        ({"EMBEDFLEET_CLOUD": "gcp"}, "gcp"),
        ({"EMBEDFLEET_CLOUD": "auto"}, None),
        (
            {"EMBEDFLEET_CLOUD": "auto", "SKYPILOT_CLUSTER_INFO": '{"cloud": "AWS", "region": "us-east-1"}'},
            "aws",
        ),
        ({"EMBEDFLEET_CLOUD": "auto", "SKYPILOT_CLUSTER_INFO": '{"cloud": "Slurm"}'}, None),
        ({"EMBEDFLEET_CLOUD": "auto", "SKYPILOT_CLUSTER_INFO": "broken"}, None),
        ({"SKYPILOT_CLUSTER_INFO": '{"cloud": "AWS"}'}, None),
    ],
)
def test_worker_polls_only_on_a_named_cloud(environment: dict[str, str], cloud: str | None) -> None:
    assert detect_cloud(environment) == cloud
