"""The contract of a bucket: objects that change or disappear under a read."""

from collections.abc import Callable

import pytest

from tasks.stores.base import ObjectChanged, Store
from tasks.stores.range_reader import BLOCK_BYTES
from tests.contract.buckets.faulty_buckets import url
from tests.support.objectserver import Running


def half_read(store: Store, then: Callable[[], None]) -> bytes:
    """A large object to which something happens after its first bytes were read."""
    store.put("k", b"old" * BLOCK_BYTES)
    stream = store.get("k")
    assert stream is not None
    with stream:
        stream.read(3)
        then()
        return stream.read()


@pytest.mark.parametrize("conditions", ["heed", "ignore"])
def test_an_object_that_changes_while_it_is_read_is_reported(
    kind: str, store: Store, server: Running, conditions: str
) -> None:
    server.admin.set(conditions=conditions)
    with pytest.raises(ObjectChanged, match=f"{url(kind, 'k')} changed after the plan was made") as refusal:
        half_read(store, lambda: store.put("k", b"new" * BLOCK_BYTES))
    assert refusal.value.hint == "plan and launch again: a changed corpus is a new run"


def test_an_object_that_is_removed_while_it_is_read_is_reported(
    kind: str, store: Store, server: Running
) -> None:
    def delete() -> None:
        server.server.buckets.delete("bucket", "out/k")

    with pytest.raises(ObjectChanged, match=rf"{url(kind, 'k')} changed .* \(it is gone\)"):
        half_read(store, delete)


@pytest.mark.parametrize("conditions", ["heed", "ignore"])
def test_an_object_that_changed_before_it_was_read_is_reported(
    store: Store, server: Running, conditions: str
) -> None:
    store.put("k", b"old")
    version = store.list("k")[0].version
    store.put("k", b"new")
    server.admin.set(conditions=conditions)
    with pytest.raises(ObjectChanged):
        store.get("k", version)
