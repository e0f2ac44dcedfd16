"""A new, empty store of each kind for each test, and a store of each kind with many objects."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.stores.base import PAGE_SIZE, Store
from tasks.stores.memory import MemoryStore
from tasks.stores.open import open_store
from tests.contract.stores.new_stores import new_url
from tests.support.buckets import KINDS, OTHERS, Servers, upload_all


@pytest.fixture(params=[*KINDS, *OTHERS])
def store(
    request: pytest.FixtureRequest, servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Store:
    if request.param == "memory":
        return MemoryStore()
    return open_store(new_url(request.param, servers, tmp_path, monkeypatch))


@pytest.fixture(scope="module", params=[*KINDS, *OTHERS])
def full(
    request: pytest.FixtureRequest, servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """PAGE_SIZE + 5 objects under `many/`, and two others. Read only."""
    names = ("few", "many-too", *(f"many/{n:05d}" for n in reversed(range(PAGE_SIZE + 5))))
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "memory":
            store: Store = MemoryStore()
            url = ""
        else:
            url = new_url(request.param, servers, tmp_path_factory.mktemp("full"), patch)
            store = open_store(url)
        if "://" in url:
            upload_all(servers.address(request.param), url, names)
        elif url:
            for name in names:  # not by `put`, which waits for the disk each time
                path = Path(url) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"")
        else:
            for name in names:
                store.put(name, b"")
        yield store
