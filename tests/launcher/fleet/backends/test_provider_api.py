"""What a cloud itself says is running under our label: pages of Google's listing, instances of a real EC2 server."""

import json
from collections.abc import Generator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
import requests

from launcher.errors import Problem
from launcher.fleet.backends import provider_api

RUN = "reviews-1a2b3c4d"


def gcp(name: str, status: str = "RUNNING", model: str = "SPOT") -> dict[str, Any]:
    return {
        "id": f"9{name}",
        "name": name,
        "machineType": "https://compute/zones/us-central1-a/machineTypes/g2-standard-4",
        "status": status,
        "creationTimestamp": "2026-03-01T04:00:00.000-08:00",
        "labels": {"embedfleet-run": RUN, "embedfleet-group": "group-0"},
        "scheduling": {"provisioningModel": model},
    }


PAGES = {
    None: {
        "items": {"zones/us-central1-a": {"instances": [gcp("one")]}, "zones/us-east4-a": {}},
        "nextPageToken": "2",
    },
    "2": {
        "items": {
            "zones/europe-west4-b": {"instances": [gcp("two", model="STANDARD"), gcp("old", "TERMINATED")]}
        }
    },
}


@pytest.fixture
def google() -> Generator[tuple[str, list[dict[str, list[str]]]], None, None]:
    """A server that answers as Google's compute API does, and what it was asked."""
    asked: list[dict[str, list[str]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlparse(self.path).query)
            asked.append(query)
            body = json.dumps(PAGES[query.get("pageToken", [None])[0]]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_words: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_all_pages_of_gcp_are_read_without_terminated_instances(
    google: tuple[str, list[dict[str, list[str]]]],
) -> None:
    url, asked = google
    with requests.Session() as session:
        session.trust_env = False
        found = provider_api.list_gcp_instances(session, "project", f"labels.embedfleet-run={RUN}", [], url)
    assert [(one.name, one.region, one.spot) for one in found] == [
        ("one", "us-central1", True),
        ("two", "europe-west4", False),
    ]
    assert found[0].started == datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert found[0].remedy == "gcloud compute instances delete one --zone us-central1-a"
    assert [query["filter"] for query in asked] == [[f"labels.embedfleet-run={RUN}"]] * 2


def test_other_regions_are_left_out(google: tuple[str, list[dict[str, list[str]]]]) -> None:
    with requests.Session() as session:
        session.trust_env = False
        found = provider_api.list_gcp_instances(session, "project", "x", ["europe-west4"], google[0])
    assert [one.name for one in found] == ["two"]


# --- AWS


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Generator[Any, None, None]:
    """moto's EC2, by region."""
    server = pytest.importorskip("moto.server", reason="no moto here: make e2e installs it")
    import boto3

    found = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    found.start()
    host, port = found.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }.items():
        monkeypatch.setenv(name, value)
    requests.post(f"http://{host}:{port}/moto-api/reset", timeout=10).close()
    library: Any = boto3

    def client(region: str) -> Any:
        return library.client("ec2", region_name=region)

    yield client
    found.stop()


def start(client: Any, run: str, *, spot: bool = False) -> str:
    market = {"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}
    tags = [{"Key": "embedfleet-run", "Value": run}, {"Key": "embedfleet-group", "Value": "group-1"}]
    reservation = client.run_instances(
        ImageId="ami-12c6146b", InstanceType="g6.xlarge", MinCount=1, MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}], **market,
    )  # fmt: skip
    return str(reservation["Instances"][0]["InstanceId"])


@pytest.mark.filterwarnings("default")
def test_aws_instances_are_found_by_tag_in_each_region(ec2: Any) -> None:
    east, west = start(ec2("us-east-1"), RUN, spot=True), start(ec2("us-west-2"), RUN)
    start(ec2("us-east-1"), "another")
    found = provider_api.list_instances("aws", ["us-east-1", "us-west-2"], RUN)
    assert {(one.id, one.region, one.spot) for one in found} == {
        (east, "us-east-1", True),
        (west, "us-west-2", False),
    }
    assert len(provider_api.list_instances("aws", ["us-east-1"])) == 2


@pytest.mark.filterwarnings("default")
def test_terminated_instances_are_gone(ec2: Any) -> None:
    start(ec2("us-east-1"), RUN)
    provider_api.terminate(provider_api.list_instances("aws", ["us-east-1"], RUN))
    assert provider_api.list_instances("aws", ["us-east-1"], RUN) == []


@pytest.mark.filterwarnings("default")
def test_cloud_that_cannot_be_asked_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(Problem, match="aws us-east-1 could not be asked"):
        provider_api.list_instances("aws", ["us-east-1"], RUN)
