"""A bucket of each kind on a server that injects faults."""

import pytest

from tasks.stores.base import Store
from tests.contract.buckets.faulty_buckets import opened
from tests.support.buckets import found_by
from tests.support.objectserver import Running


@pytest.fixture(params=["s3", "gcs"])
def kind(request: pytest.FixtureRequest, server: Running, monkeypatch: pytest.MonkeyPatch) -> str:
    found_by(server.address, monkeypatch)
    server.admin.make("bucket")
    return request.param


@pytest.fixture
def store(kind: str) -> Store:
    return opened(kind)
