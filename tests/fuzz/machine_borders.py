"""Borders of machines: notices of preemption, and what SkyPilot says of its jobs."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

from launcher.fleet.backends import skypilot_client
from launcher.fleet.backends.skypilot_status import machine_status
from tasks.worker.monitoring.preemption_notice import MetadataAnswer, NoAnswer, NoticeWatcher
from tests.fuzz.border import Border

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def machine_borders() -> Iterator[Border]:
    """The borders of this module."""

    class Metadata:
        """A metadata service that answers everything with one body."""

        def __init__(self, body: bytes) -> None:
            self.body = body

        def ask(self, path: str, headers: Mapping[str, str], method: str = "GET") -> MetadataAnswer:
            del path, headers, method
            return MetadataAnswer(200, self.body, NOW)

    def notice(body: bytes) -> object:
        seen: list[object] = []

        def warn(why: str, seconds: float) -> None:
            seen.append((why, seconds))

        for cloud in ("aws", "gcp", "azure"):
            service: Any = Metadata(body)
            watcher = NoticeWatcher(cloud, warn, seen.append, service, say=seen.append)
            try:
                watcher.poll()
            except NoAnswer:
                continue
        return seen

    def answer(body: bytes) -> object:
        try:
            found: Any = json.loads(body)
        except (ValueError, RecursionError):
            return None
        records: list[Any] = cast("list[Any]", found) if isinstance(found, list) else [found]
        listed = skypilot_client.jobs_of([SimpleNamespace(**one) for one in records if _named(one)])
        return [machine_status(job, 1.0, "spot") for job in listed]

    job = {
        "job_id": 7, "job_name": "small-l0m0-1", "status": "RUNNING", "recovery_count": 1, "cloud": "AWS",
        "region": "us-east-1", "zone": "us-east-1a", "start_at": 1.7e9, "last_recovered_at": 1.7e9 + 5, "end_at": None,
        "failure_reason": None, "labels": {"embedfleet-run": "small"},
    }  # fmt: skip
    ended = job | {"status": "FAILED", "end_at": 1.7e9 + 9, "failure_reason": "it\nfailed"}
    events = [
        b'{"action": "terminate", "time": "2026-11-23T12:02:00Z"}',
        b'{"Events": [{"EventType": "Preempt", "Resources": ["a"], "NotBefore": "Mon, 23 Nov 2026 12:02:00 GMT"}]}',
        b"TRUE",
    ]
    yield Border("preemption notice", tuple(events), notice, ())
    yield Border("SkyPilot's jobs", tuple(json.dumps([one]).encode() for one in (job, ended)), answer)


def _named(record: object) -> bool:
    return isinstance(record, dict) and all(
        isinstance(key, str) for key in cast("dict[object, object]", record)
    )
