"""Figures of vector stores: each has a date and a source, and a mistake is refused."""

import pytest

from pricing.charges.vector_stores import constant, constants, number, usd, validated

ROW = {
    "store": "s3vectors",
    "name": "put_usd_per_gb",
    "value": "0.20",
    "unit": "USD",
    "as_of": "2026-09-20",
    "source": "a page",
}


def test_every_figure_has_a_source_and_a_date() -> None:
    assert len(constants()) > 40
    assert all(one.source and one.as_of.year == 2026 for one in constants())


@pytest.mark.parametrize(
    "mistake",
    [
        {"value": "0"},
        {"value": "-1"},
        {"value": "NaN"},
        {"value": "much"},
        {"value": "200"},
        {"unit": "dollars"},
        {"as_of": "yesterday"},
        {"source": " "},
    ],
    ids=lambda m: "-".join(m.items().__iter__().__next__()),
)
def test_a_mistake_is_refused(mistake: dict[str, str]) -> None:
    assert validated(ROW).value
    with pytest.raises(ValueError, match="s3vectors put_usd_per_gb"):
        validated(ROW | mistake)


def test_only_a_price_is_a_price() -> None:
    assert usd("pinecone", "usd_per_gb_month")
    assert number("hnsw", "link_bytes") == 8
    with pytest.raises(ValueError, match="no price"):
        usd("hnsw", "link_bytes")
    with pytest.raises(KeyError):
        constant("hnsw", "no such figure")
