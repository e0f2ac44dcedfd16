# botocore comes without types
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from pricing.book.validate import validate_quotes
from pricing.gpu import canonical
from pricing.offer import Quote
from pricing.sources import aws
from pricing.sources.instance_types import gpus_by_instance_type
from pricing.sources.registry import SOURCES
from pricing.sources.result import FetchedPrices, SourceUnavailable, without_trailing_zeros
from tests.support.recorded_http import body

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PRODUCTS: list[dict[str, Any]] = json.loads(body("aws/products.json"))
HERE = ("us-east-1", "us-west-2")

Stub = Callable[[str, str], Stubber]


class Account:
    """Real boto3 clients with stubbed responses, checked against the services' own models."""

    def __init__(self) -> None:
        self.stubs: dict[tuple[str, str], Stubber] = {}

    def stub(self, service: str, region: str) -> Stubber:
        if (service, region) not in self.stubs:
            client: Any = boto3.client(
                service,  # pyright: ignore[reportArgumentType]
                region_name=region,
                aws_access_key_id="test",
                aws_secret_access_key="test",
            )
            self.stubs[service, region] = Stubber(client)
            self.stubs[service, region].activate()
        return self.stubs[service, region]

    def client(self, service: str, region: str) -> Any:
        return self.stub(service, region).client

    def answer(
        self, service: str, region: str, operation: str, response: dict[str, Any], **asked: Any
    ) -> None:
        self.stub(service, region).add_response(operation, response, asked or None)

    def refuse(self, service: str, region: str, operation: str, code: str) -> None:
        self.stub(service, region).add_client_error(operation, code, "no")


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    account = Account()
    yield account
    for stub in account.stubs.values():
        stub.client.close()


def spot(
    price: str, zone: str | None = "us-east-1a", kind: str = "g6.xlarge", hours: float = 1.0, **more: Any
) -> dict[str, Any]:
    at = NOW - timedelta(hours=hours)
    entry = {"InstanceType": kind, "ProductDescription": "Linux/UNIX", "SpotPrice": price, "Timestamp": at}
    return entry | ({"AvailabilityZone": zone} if zone else {}) | more


def offering(kind: str, region: str) -> dict[str, Any]:
    return {"InstanceTypeOfferings": [{"InstanceType": kind, "LocationType": "region", "Location": region}]}


def products(account: Account) -> None:
    """One response for each GPU type, in their order."""
    for kind in gpus_by_instance_type("aws"):
        texts = [json.dumps(p) for p in PRODUCTS if p["product"]["attributes"]["instanceType"] == kind]
        account.answer(
            "pricing", "us-east-1", "get_products", {"FormatVersion": "aws_v1", "PriceList": texts}
        )


def regions(account: Account, *names: str) -> None:
    answer = {"Regions": [{"RegionName": name} for name in names]}
    account.answer("ec2", "us-east-1", "describe_regions", answer)


def region(account: Account, name: str, *entries: dict[str, Any], kind: str = "g6.xlarge") -> None:
    account.answer("ec2", name, "describe_instance_type_offerings", offering(kind, name))
    account.answer("ec2", name, "describe_spot_price_history", {"SpotPriceHistory": list(entries)})


@pytest.fixture
def fetched(account: Account) -> FetchedPrices:
    regions(account, *HERE)
    products(account)
    windows = spot("0.9", ProductDescription="Windows")
    region(account, "us-east-1", spot("0.3527000000"), spot("0.4", "us-east-1b"), windows)
    region(account, "us-west-2")
    return aws.fetch(NOW, account.client)


def one(found: FetchedPrices, kind: str, where: str, zone: str | None = None) -> Quote:
    (quote,) = [q for q in found.quotes if (q.instance_type, q.region, q.zone) == (kind, where, zone)]
    return quote


def test_zone_has_its_spot_price_and_the_on_demand_price_of_its_region(fetched: FetchedPrices) -> None:
    quote = one(fetched, "g6.xlarge", "us-east-1", "us-east-1a")
    assert (quote.on_demand, quote.spot) == (Decimal("0.8048"), Decimal("0.3527"))
    assert (quote.gpu, quote.gpus, quote.vcpus, quote.memory_gb) == ("L4", 1, 4, 16)


def test_trailing_zeros_are_removed(fetched: FetchedPrices) -> None:
    assert str(one(fetched, "g6.xlarge", "us-east-1", "us-east-1a").on_demand) == "0.8048"


@pytest.mark.parametrize(
    ("long", "short"), [("100.000", "100"), ("1E+2", "100"), ("0.10", "0.1"), ("NaN", "NaN")]
)
def test_equal_prices_are_written_equally(long: str, short: str) -> None:
    assert str(without_trailing_zeros(Decimal(long))) == short


def test_zones_are_names_and_not_ids(fetched: FetchedPrices) -> None:
    zones = {q.zone for q in fetched.quotes if q.zone}
    assert zones == {"us-east-1a", "us-east-1b"}
    assert not any(q.flags for q in fetched.quotes)


def test_region_without_spot_keeps_its_on_demand_price(fetched: FetchedPrices) -> None:
    quote = one(fetched, "g6.xlarge", "us-west-2")
    assert (quote.on_demand, quote.spot) == (Decimal("0.8049"), None)


def test_windows_local_zones_capacity_blocks_and_yuan_are_not_read(fetched: FetchedPrices) -> None:
    listed = {(q.region, q.on_demand) for q in fetched.quotes if q.instance_type == "g6.xlarge"}
    assert listed == {("us-east-1", Decimal("0.8048")), ("us-west-2", Decimal("0.8049"))}


def test_memory_above_a_thousand_gib_is_read(fetched: FetchedPrices) -> None:
    quote = one(fetched, "p4d.24xlarge", "us-east-1")
    assert (quote.memory_gb, quote.vcpus, quote.gpu, quote.gpus) == (1152, 96, "A100-40GB", 8)


def test_offerings_are_those_of_the_regions(fetched: FetchedPrices) -> None:
    assert fetched.offerings == {("g6.xlarge", "us-east-1"), ("g6.xlarge", "us-west-2")}


def test_types_without_price_are_named(fetched: FetchedPrices) -> None:
    assert any(n.startswith("No price for") and "p6-b300.48xlarge" in n for n in fetched.notes)


def test_all_quotes_are_valid(fetched: FetchedPrices) -> None:
    offers, rejected = validate_quotes(fetched.quotes, canonical, offerings=fetched.offerings)
    assert not rejected
    assert "aws/us-east-1b/g6.xlarge/spot" in {o.key for o in offers}


def test_zone_id_is_flagged(account: Account) -> None:
    regions(account, "us-east-1")
    products(account)
    region(account, "us-east-1", spot("0.35", None, AvailabilityZoneId="use1-az1"))
    assert one(aws.fetch(NOW, account.client), "g6.xlarge", "us-east-1", "use1-az1").flags == ("zone_id",)


def test_last_price_of_a_zone_counts(account: Account) -> None:
    regions(account, "us-east-1")
    products(account)
    region(account, "us-east-1", spot("0.5", hours=1), spot("0.3", hours=9))
    quote = one(aws.fetch(NOW, account.client), "g6.xlarge", "us-east-1", "us-east-1a")
    assert (quote.spot, quote.as_of) == (Decimal("0.5"), NOW.date())


def test_fraction_of_a_gpu_is_a_fraction(account: Account) -> None:
    regions(account, "us-east-1")
    products(account)
    region(account, "us-east-1", spot("0.08", kind="g6f.large"), kind="g6f.large")
    assert one(aws.fetch(NOW, account.client), "g6f.large", "us-east-1", "us-east-1a").gpus == 0.125


def test_history_has_every_price_of_every_page_once_by_time(account: Account) -> None:
    first, second = spot("0.30", hours=5), spot("0.33", hours=2)
    asked = {
        "InstanceTypes": ["g6.xlarge"],
        "ProductDescriptions": ["Linux/UNIX"],
        "AvailabilityZone": "us-east-1a",
    }
    span = {"StartTime": NOW - timedelta(hours=6), "EndTime": NOW}
    page = {"SpotPriceHistory": [second, first], "NextToken": "two"}
    account.answer("ec2", "us-east-1", "describe_spot_price_history", page, **asked, **span)
    page = {"SpotPriceHistory": [first, spot("0.31", hours=6.5)], "NextToken": ""}
    account.answer("ec2", "us-east-1", "describe_spot_price_history", page, **asked, **span, NextToken="two")
    found = aws.spot_price_history(
        ["g6.xlarge"],
        region="us-east-1",
        zone="us-east-1a",
        since=span["StartTime"],
        until=NOW,
        client=account.client,
    )
    assert [p.usd_per_hour for p in found] == [Decimal("0.31"), Decimal("0.30"), Decimal("0.33")]
    assert found[0].at < span["StartTime"]  # the price in force when the span began


def test_products_on_many_pages_are_all_read(account: Account) -> None:
    pages = [json.dumps(PRODUCTS[0])], [json.dumps(PRODUCTS[3])]
    for texts, token in zip(pages, ("two", None), strict=True):
        page = {"FormatVersion": "aws_v1", "PriceList": texts} | ({"NextToken": token} if token else {})
        account.answer("pricing", "us-east-1", "get_products", page)
    found = aws.on_demand_prices(["g6.xlarge"], account.client("pricing", "us-east-1"))
    assert sorted(found) == [("g6.xlarge", "us-east-1"), ("g6.xlarge", "us-west-2")]


def test_price_list_is_filtered_for_ordinary_linux_machines(account: Account) -> None:
    wanted = aws.ORDINARY_ATTRIBUTES | {"instanceType": "g6.xlarge"}
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
    account.answer(
        "pricing",
        "us-east-1",
        "get_products",
        {"PriceList": []},
        ServiceCode="AmazonEC2",
        FormatVersion="aws_v1",
        Filters=filters,
    )
    assert aws.on_demand_prices(["g6.xlarge"], account.client("pricing", "us-east-1")) == {}


def test_refused_region_is_left_out_with_its_reason(account: Account) -> None:
    regions(account, *HERE)
    products(account)
    region(account, "us-east-1", spot("0.35"))
    account.refuse("ec2", "us-west-2", "describe_instance_type_offerings", "AuthFailure")
    found = aws.fetch(NOW, account.client)
    assert {q.region for q in found.quotes} == {"us-east-1"}
    assert "us-west-2 left out: AWS refused (us-west-2): AuthFailure, no." in found.notes


def test_spot_prices_are_fetched_without_the_price_list(account: Account) -> None:
    regions(account, "us-east-1")
    account.refuse("pricing", "us-east-1", "get_products", "AccessDeniedException")
    region(account, "us-east-1", spot("0.35"))
    quote = one(found := aws.fetch(NOW, account.client), "g6.xlarge", "us-east-1", "us-east-1a")
    assert (quote.on_demand, quote.spot) == (None, Decimal("0.35"))
    assert any(
        n.startswith("No on-demand prices: AWS refused (price list): AccessDenied") for n in found.notes
    )


def test_missing_permissions_are_named_in_the_hint(account: Account) -> None:
    account.refuse("ec2", "us-east-1", "describe_regions", "UnauthorizedOperation")
    with pytest.raises(SourceUnavailable, match="UnauthorizedOperation") as unanswered:
        aws.fetch(NOW, account.client)
    assert "pricing:GetProducts" in unanswered.value.hint


def test_invalid_spot_price_is_unavailable(account: Account) -> None:
    account.answer(
        "ec2", "us-east-1", "describe_spot_price_history", {"SpotPriceHistory": [spot("much")]}, **ASKED
    )
    with pytest.raises(SourceUnavailable, match="new format"):
        aws.spot_price_history(["g6.xlarge"], region="us-east-1", since=NOW, until=NOW, client=account.client)


ASKED = {"InstanceTypes": ANY, "ProductDescriptions": ANY, "StartTime": ANY, "EndTime": ANY}


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> pytest.MonkeyPatch:
    """A machine without AWS credentials of any kind."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    return monkeypatch


def test_missing_credentials_are_unavailable_with_a_hint(
    nobody: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(SourceUnavailable, match="no AWS credentials") as unanswered:
        SOURCES["aws"](NOW)
    assert "AWS_PROFILE" in unanswered.value.hint


def test_unknown_profile_is_unavailable(nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AWS_PROFILE", "books")
    with pytest.raises(SourceUnavailable, match="books"):
        SOURCES["aws"](NOW)


def test_response_of_a_proxy_is_unavailable(nobody: pytest.MonkeyPatch) -> None:
    """A proxy's page, in the middle of a run, must not end its launcher."""

    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"<!doctype html><h1>502 Bad Gateway</h1>"
            self.send_response(502)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    nobody.setenv("AWS_ACCESS_KEY_ID", "test")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "test")
    nobody.setenv("no_proxy", "127.0.0.1")
    nobody.setattr(aws, "_client", quick_client)
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        nobody.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        try:
            with pytest.raises(SourceUnavailable, match=r"response is not from AWS \(us-east-1\)"):
                aws.spot_price_history(
                    ["g6.xlarge"], region="us-east-1", since=NOW - timedelta(days=1), until=NOW
                )
        finally:
            server.shutdown()
            thread.join()


def test_no_connection_is_unavailable_with_a_hint(nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AWS_ACCESS_KEY_ID", "test")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "test")
    nobody.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    nobody.setenv("no_proxy", "127.0.0.1")
    nobody.setattr(aws, "_client", quick_client)
    with pytest.raises(SourceUnavailable, match="no connection to AWS") as unanswered:
        SOURCES["aws"](NOW)
    assert "network" in unanswered.value.hint


def quick_client(service: str, region: str) -> Any:
    from botocore.config import Config

    once = Config(retries={"mode": "standard", "max_attempts": 1})
    return boto3.client(service, region_name=region, config=once)  # pyright: ignore[reportArgumentType, reportUnknownVariableType]
