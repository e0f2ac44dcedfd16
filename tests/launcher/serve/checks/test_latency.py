"""Percentiles of what a server took, and a server that does not answer."""

import time
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from launcher.serve.checks.client import EmbeddingClient, parse_address
from launcher.serve.checks.latency import measure_latency


class Timed(EmbeddingClient):
    """A client whose server takes as long as each text says, in milliseconds."""

    def embed(self, inputs: Sequence[str] | Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        time.sleep(float(str(inputs[0])) / 1_000)
        return [np.ones(1, np.float32)]


def test_percentiles_are_those_of_what_clients_waited() -> None:
    waits = [str(milliseconds) for milliseconds in (20, 220, 20, 20, 120)]
    found = measure_latency(lambda: Timed(parse_address("127.0.0.1:1")), waits, 1)
    assert (found.requests, found.failed) == (5, 0)
    assert found.p50_ms == pytest.approx(20, abs=15)
    assert found.p95_ms == pytest.approx(
        200, abs=15
    )  # four fifths of the way from the second largest to the largest
    assert found.p99_ms == pytest.approx(216, abs=15)
    assert found.requests_per_second == pytest.approx(5 / 0.4, rel=0.2)


def test_requests_that_fail_are_counted_and_have_no_time() -> None:
    found = measure_latency(lambda: EmbeddingClient(parse_address("127.0.0.1:1")), ["a", "b"], 2)
    assert (found.requests, found.failed, found.p50_ms, found.requests_per_second) == (2, 2, None, 0.0)


def test_address_with_and_without_its_path() -> None:
    for url in ("http://h:8/v1", "http://h:8", "h:8/v1/", "http://h:8/v1/embeddings"):
        assert parse_address(url).shown == "http://h:8/v1"
    assert parse_address("https://h/api/v2").shown == "https://h/api/v2"
