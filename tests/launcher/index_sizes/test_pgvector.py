"""Bytes of pgvector: the formulas beside what pgvector 0.8.5 on PostgreSQL 18.4 took for 1,500 rows."""

import csv
from typing import cast

import pytest

from launcher.index_sizes.pgvector import (
    Element,
    fewer_dimensions,
    index_bytes,
    most_dimensions,
    node_bytes,
    table_bytes,
)
from tests.support.paths import DATA

MEASURED = list(
    csv.DictReader((DATA / "index_sizes" / "pgvector.csv").read_text(encoding="utf-8").splitlines())
)
NAME_LETTERS = 12  # of `doc-00000001`
FIXED_BYTES = 35  # free space map, visibility map and first pages, a row of so small a table


@pytest.mark.parametrize("row", MEASURED, ids=lambda r: f"{r['type']}-{r['dimensions']}-{r['links']}")
def test_index_is_within_5_percent_of_the_real_one(row: dict[str, str]) -> None:
    found = index_bytes(int(row["dimensions"]), cast("Element", row["type"]), int(row["links"]))
    assert found == pytest.approx(float(row["index_bytes"]), rel=0.05)


@pytest.mark.parametrize("row", MEASURED, ids=lambda r: f"{r['type']}-{r['dimensions']}-{r['links']}")
def test_table_is_within_5_percent_of_the_real_one(row: dict[str, str]) -> None:
    found = table_bytes(int(row["dimensions"]), cast("Element", row["type"]), NAME_LETTERS)
    assert found + FIXED_BYTES == pytest.approx(float(row["table_bytes"]), rel=0.05)


def test_measurements_are_28_and_bits() -> None:
    assert len([row for row in MEASURED if row["type"] != "bit"]) == 28


def test_a_vector_too_long_for_half_a_page_takes_a_whole_one() -> None:
    assert index_bytes(948, "vector", 16) == 8192 / 2
    assert index_bytes(949, "vector", 16) == 8192
    assert node_bytes(948, "vector", 16) <= 8160 / 2 < node_bytes(949, "vector", 16)


def test_proposed_dimensions_are_the_most_that_save_a_page() -> None:
    assert fewer_dimensions(1024, "vector", 16) == 944
    assert index_bytes(944, "vector", 16) < index_bytes(1024, "vector", 16)
    assert index_bytes(960, "vector", 16) == index_bytes(1024, "vector", 16)


def test_most_dimensions_are_those_of_pgvector() -> None:
    assert (most_dimensions("vector"), most_dimensions("halfvec")) == (2000, 4000)
