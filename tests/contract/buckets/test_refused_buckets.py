"""The contract of a bucket: stores that are not good enough are refused with the reason."""

import pytest

from tasks.stores.base import Store, StoreError, probe
from tests.contract.buckets.faulty_buckets import at_once, url
from tests.support.objectserver import Running


@pytest.mark.parametrize("conditions", ["ignore", "lie"])
def test_a_store_without_conditional_writes_is_refused_with_the_reason(
    store: Store, server: Running, conditions: str
) -> None:
    server.admin.set(conditions=conditions)
    with pytest.raises(StoreError, match="overwrote '_embedfleet/probe'") as refusal:
        probe(store, "_embedfleet/probe", at_once)
    assert "conditional writes" in refusal.value.hint


def test_a_store_that_does_not_know_conditions_is_refused(kind: str, store: Store, server: Running) -> None:
    server.admin.set(conditions="refuse")
    with pytest.raises(StoreError, match=f"the store cannot create {url(kind)}") as refusal:
        probe(store, "_embedfleet/probe", at_once)
    assert "conditional writes" in refusal.value.hint


def test_a_store_whose_listing_is_late_is_refused(store: Store, server: Running) -> None:
    server.admin.set(late=True)
    with pytest.raises(StoreError, match="does not list"):
        probe(store, "_embedfleet/probe", at_once)


def test_a_store_without_a_date_header_is_refused(store: Store, server: Running) -> None:
    server.admin.set(date=False)
    with pytest.raises(StoreError, match="does not say what time it is") as refusal:
        store.now()
    assert "leases expire by the store's clock" in refusal.value.hint
