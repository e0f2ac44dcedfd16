"""Checks of renting: orphans and their cost, quotas compared with a plan's needs, and SkyPilot that is missing."""

import importlib.util
import json
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from launcher.diagnostics.checks import worst
from launcher.diagnostics.cloud_checks import (
    InstancePrices,
    Orphan,
    cloud_checks,
    find_orphans,
    known_runs,
    orphan_checks,
    quota_checks,
)
from launcher.errors import Problem
from launcher.fleet.backends.provider_api import Instance
from launcher.planning.saved import plan_file
from launcher.planning.saved.saved_plan import SavedPlan
from pricing.book import price_book
from tests.support import sample_plan

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LOST = Instance(
    cloud="aws",
    region="us-east-1",
    zone="us-east-1b",
    id="i-0abc",
    name="x",
    instance_type="g6.xlarge",
    spot=False,
    state="running",
    started=NOON - timedelta(hours=10),
    run="gone-1a2b3c4d",
)


def sample() -> SavedPlan:
    return plan_file.read_recorded(sample_plan.plan())


def test_orphan_has_run_cost_and_the_command_that_ends_it() -> None:
    (check,) = orphan_checks([Orphan(LOST, 10.0, Decimal("8.048"))], {}, ["aws"])
    assert check.verdict == "fail"
    assert (
        check.seen == "g6.xlarge in aws us-east-1b, running, of run gone-1a2b3c4d, 10.0 hours, $8.05 so far"
    )
    assert check.hint == "aws ec2 terminate-instances --region us-east-1 --instance-ids i-0abc"


def test_unknown_cost_of_an_orphan_is_question_mark() -> None:
    (check,) = orphan_checks([Orphan(LOST, None, None)], {}, ["aws"])
    assert check.seen.endswith("? hours, $? so far")


def test_cloud_that_could_not_be_asked_is_a_warning() -> None:
    checks = orphan_checks([], {"gcp": Problem("gcp could not be asked: 503", hint="later")}, ["aws"])
    assert [(c.verdict, c.seen) for c in checks] == [
        ("ok", "no machine of an unknown run on aws"),
        ("warn", "not asked: gcp could not be asked: 503"),
    ]
    assert worst(orphan_checks([], {}, ["aws", "gcp"])) == "ok"


def test_a_cloud_without_credentials_is_no_warning(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who rents on AWS alone was warned of Google's credentials, although no machine was left."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    _, unasked = find_orphans([], ["aws", "gcp"], InstancePrices([]), NOON)
    assert list(unasked) == ["aws", "gcp"]
    assert [c.verdict for c in orphan_checks([], unasked, [])] == ["absent", "absent"]


def test_instance_price_comes_from_the_price_book() -> None:
    prices = InstancePrices(price_book.load())
    assert prices(LOST) == Decimal("0.8048")
    spot = prices(replace(LOST, spot=True))
    assert spot is not None
    assert spot < Decimal("0.8048")
    assert prices(replace(LOST, region="moon")) is None


def test_without_a_ledger_no_run_is_known(tmp_path: Path) -> None:
    assert known_runs(tmp_path / "ledger.db") == []
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.skipif(importlib.util.find_spec("sky") is not None, reason="SkyPilot is installed here")
def test_missing_skypilot_fails_only_with_a_plan() -> None:
    assert [c.verdict for c in cloud_checks()] == ["warn"]
    (check,) = cloud_checks(plan_file.read_recorded(sample_plan.plan()))
    assert check.verdict == "fail"
    assert "embedfleet[cloud]" in (check.hint or "")


# --- quotas


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> Generator[dict[str, float], None, None]:
    """vCPUs by code, as AWS's Service Quotas returns them, from a server on loopback."""
    quota: dict[str, float] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = asked["QuotaCode"] in quota
            body = json.dumps(
                {"Quota": {"QuotaCode": asked["QuotaCode"], "Value": quota[asked["QuotaCode"]]}}
                if known
                else {"__type": "NoSuchResourceException", "message": "no such quota"}
            ).encode()
            self.send_response(200 if known else 400)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *_words: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield quota
    server.shutdown()
    thread.join()
    server.server_close()


SPOT_G = "L-3819A6DF"


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("vcpus", "verdict"), [(32.0, "ok"), (31.0, "fail")])
def test_aws_quota_is_compared_with_the_plans_need(
    vcpus: float, verdict: str, allowed: dict[str, float]
) -> None:
    allowed[SPOT_G] = vcpus
    check = next(c for c in quota_checks(sample()) if c.name == "quota aws us-east-1 spot")
    assert (check.verdict, check.seen) == (verdict, f"{vcpus:g} vCPUs are allowed, 32 are needed ({SPOT_G})")
    if verdict == "fail":
        assert (check.hint or "").endswith("--quota-code L-3819A6DF --region us-east-1 --desired-value 32")


@pytest.mark.filterwarnings("default")
def test_unknown_aws_quota_is_a_warning(allowed: dict[str, float]) -> None:
    del allowed
    check = next(c for c in quota_checks(sample()) if c.name == "quota aws us-east-1 spot")
    assert check.verdict == "warn"
    assert check.seen.startswith("AWS does not say: ")


def test_quota_of_another_cloud_is_a_warning() -> None:
    plan = sample_plan.plan()
    plan["quota_needed"] = plan["quota_needed"][1:]
    (check,) = quota_checks(plan_file.read_recorded(plan))
    assert (check.name, check.verdict) == ("quota gcp europe-north1 H100", "warn")
