"""Watch for preemption notices: the cloud announces that it will take this machine away.

Each cloud publishes the notice on a metadata address that only the machine itself can reach: AWS two minutes ahead,
Azure at least 30 s, GCP 30 s. A thread of its own polls it, so nothing waits for an answer, and only where the
launcher said which cloud this is: elsewhere there is no thread and no request. Times are compared with the clock of
the answer, not with the clock of this machine.
"""

import http.client
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

Cloud = Literal["aws", "gcp", "azure"]
CLOUDS: tuple[Cloud, ...] = get_args(Cloud)

METADATA_ADDRESS = "http://169.254.169.254"  # the metadata address of all three clouds
POLL_SECONDS = 2.0  # between two polls
ANSWER_SECONDS = 1.0  # to wait for an answer, which comes from the machine's own host
MAX_SILENT_POLLS = 5  # polls without any answer until there is taken to be no metadata service
SHORTEST_NOTICE_SECONDS = 30.0  # from GCP's notice to the end, and from any notice that names no time
AZURE_FATAL_EVENTS = (
    "Preempt",
    "Terminate",
    "Reboot",
    "Redeploy",
)  # Azure's events that end the process

Warn = Callable[[str, float], None]  # why, and in how many seconds


def detect_cloud(environment: Mapping[str, str]) -> Cloud | None:
    """The cloud by EMBEDFLEET_CLOUD, or by SkyPilot's variables where that is `auto`; None: no cloud with notices."""
    word = environment.get("EMBEDFLEET_CLOUD", "")
    if word == "auto":
        with suppress(ValueError, AttributeError):
            word = str(json.loads(environment.get("SKYPILOT_CLUSTER_INFO", "")).get("cloud", ""))
    return next((cloud for cloud in CLOUDS if cloud == word.lower()), None)


class NoAnswer(Exception):  # noqa: N818 - expected where there is no metadata service
    """The metadata service gave no usable answer."""


@dataclass(frozen=True, slots=True)
class MetadataAnswer:
    status: int
    body: bytes
    now: datetime  # by the clock of the metadata service


@dataclass(slots=True)
class MetadataService:
    """A client of one metadata service."""

    address: str = METADATA_ADDRESS

    def ask(self, path: str, headers: Mapping[str, str], method: str = "GET") -> MetadataAnswer:
        """Send one request.

        Raises:
            NoAnswer: no answer, or a server error.
        """
        place = urlsplit(self.address)
        line = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=ANSWER_SECONDS)
        try:
            line.request(method, path, headers=dict(headers))
            reply = line.getresponse()
            body, date = reply.read(2**20), reply.headers.get("Date")
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(str(error)) from error
        finally:
            line.close()
        if reply.status >= 500 or reply.status == 429:
            raise NoAnswer(f"status {reply.status}")
        return MetadataAnswer(reply.status, body, _http_date(date) or datetime.now(UTC))


@dataclass(slots=True)
class NoticeWatcher:
    """Polls for notices until stopped.

    Attributes:
        warn: called with each notice and the seconds that it leaves, once per notice.
        risk: called with what may become a notice, such as AWS's rebalance recommendation.
    """

    cloud: Cloud
    warn: Warn
    risk: Callable[[str], None] = lambda _why: None
    metadata: MetadataService = field(default_factory=MetadataService)
    every: float = POLL_SECONDS
    say: Callable[[str], None] = lambda _text: None
    _token: str | None = None  # of AWS
    _name: str | None = None  # of this machine, on Azure
    _reported: set[str] = field(default_factory=set[str])
    _end: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._run, name="notice", daemon=True).start()

    def stop(self) -> None:
        self._end.set()

    def _run(self) -> None:
        silences: int | None = 0  # polls in a row without an answer; None once there was an answer
        while True:
            try:
                self.poll()
                silences = None
            except NoAnswer as silent:
                if silences is not None:
                    silences += 1
                    if silences == MAX_SILENT_POLLS:
                        self.say(f"{self.cloud} gives no notice of preemption here ({silent})")
                        return
            if self._end.wait(self.every):
                return

    def poll(self) -> None:
        """Ask the metadata service once.

        Raises:
            NoAnswer: it gave no usable answer.
        """
        {"aws": self._aws, "gcp": self._gcp, "azure": self._azure}[self.cloud]()

    def _aws(self) -> None:
        action = self._aws_metadata("/latest/meta-data/spot/instance-action")
        if action:
            said = _json(action.body)
            until = _iso_time(said.get("time"))
            seconds = (until - action.now).total_seconds() if until else SHORTEST_NOTICE_SECONDS
            self._report(f"AWS will {said.get('action', 'end')} this machine", seconds)
        if self._aws_metadata("/latest/meta-data/events/recommendations/rebalance"):
            self._report_risk("AWS recommends to rebalance: this machine may be interrupted soon")

    def _aws_metadata(self, path: str) -> MetadataAnswer | None:
        """AWS's answer for a path, None for nothing. A session token lasts six hours; an expired one is replaced."""
        for _ in range(2):
            if self._token is None:
                lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "21600"}
                token = self.metadata.ask("/latest/api/token", lifetime, "PUT")
                if token.status != 200:
                    raise NoAnswer(f"no token: status {token.status}")
                self._token = token.body.decode("ascii", "replace")
            found = self.metadata.ask(path, {"X-aws-ec2-metadata-token": self._token})
            if found.status != 401:
                return found if found.status == 200 else None
            self._token = None
        return None

    def _gcp(self) -> None:
        google = {"Metadata-Flavor": "Google"}
        found = self.metadata.ask("/computeMetadata/v1/instance/preempted", google)
        if found.status == 200 and found.body.strip() == b"TRUE":
            self._report("GCP preempts this machine", SHORTEST_NOTICE_SECONDS - self.every)

    def _azure(self) -> None:
        ours = {"Metadata": "true"}
        if self._name is None:
            path = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
            name = self.metadata.ask(path, ours)
            self._name = name.body.decode("utf-8", "replace").strip() if name.status == 200 else ""
        found = self.metadata.ask("/metadata/scheduledevents?api-version=2020-07-01", ours)
        for event in _events(found.body) if found.status == 200 else ():
            # Machines of one scale set receive each other's events.
            resources = event.get("Resources")
            others = self._name and isinstance(resources, list) and self._name not in resources
            if event.get("EventType") not in AZURE_FATAL_EVENTS or others:
                continue
            until = _http_date(event.get("NotBefore"))
            seconds = (
                (until - found.now).total_seconds() if until else 0.0
            )  # without a time, the event has begun
            self._report(f"Azure: {event['EventType']} of this machine", seconds)

    def _report(self, why: str, seconds: float) -> None:
        if why not in self._reported:
            self._reported.add(why)
            self.warn(why, max(0.0, seconds))

    def _report_risk(self, why: str) -> None:
        if why not in self._reported:
            self._reported.add(why)
            self.risk(why)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NoAnswer("an answer that is not JSON") from error
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _events(body: bytes) -> list[dict[str, Any]]:
    """Azure's events, without what is none."""
    found: object = _json(body).get("Events", ())
    entries = cast("list[object]", found) if isinstance(found, list) else []
    return [cast("dict[str, Any]", one) for one in entries if isinstance(one, dict)]


def _iso_time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _http_date(text: object) -> datetime | None:
    try:
        return parsedate_to_datetime(str(text)).astimezone(UTC) if text else None
    except (ValueError, TypeError, OverflowError):
        return None
