"""Borders of prices: the price book, SkyPilot's catalog and what clouds answer."""

from collections.abc import Iterator, Mapping
from datetime import date

from pricing.book import price_book
from pricing.sources import azure, gcp, skypilot
from pricing.sources.result import SourceUnavailable
from tests.fuzz.border import Border, Place
from tests.fuzz.machine_borders import NOW
from tests.support.paths import DATA
from tests.support.recorded_http import Recorded


def price_borders(place: Place) -> Iterator[Border]:
    """The borders of this module."""
    prices = DATA / "prices"

    def catalog(body: bytes) -> object:
        text = body.decode("utf-8", "replace")
        return [
            skypilot.parse_catalog(cloud, text, date(2026, 11, 1), "test")
            for cloud in ("aws", "gcp", "lambda")
        ]

    def answers(body: bytes) -> Recorded:
        asked: list[str] = []

        def answer(url: str, _params: Mapping[str, str]) -> bytes:
            asked.append(url)
            return body if len(asked) < 99 else b'{"Items": []}'

        return Recorded(answer)

    catalogs = tuple(path.read_bytes() for path in sorted(prices.glob("skypilot/v*/*/vms.csv"))[:4])
    yield Border(
        "price book",
        (price_book.offers_csv(price_book.load()[:3]).encode(),),
        lambda body: price_book.load(place.file("book.csv", body)),
        (price_book.BadBookError,),
    )
    yield Border("SkyPilot's catalog", catalogs, catalog, (skypilot.UnreadableCatalogError,))
    yield Border(
        "GCP's prices",
        tuple(
            (prices / "gcp" / name).read_bytes()
            for name in ("skus-1.json", "skus-2.json", "machine-types.json")
        ),
        lambda body: gcp.fetch(NOW, answers(body), {"GOOGLE_API_KEY": "secret"}),
        (SourceUnavailable,),
    )
    yield Border(
        "Azure's prices",
        tuple((prices / "azure" / name).read_bytes() for name in ("a10.json", "t4-page-1.json", "none.json")),
        lambda body: azure.fetch(NOW, answers(body)),
        (SourceUnavailable,),
    )
