"""The contract of a bucket under faults: bad answers, missing rights, lost replies and outages."""

import os
import threading
from pathlib import Path
from time import monotonic

import pytest

from tasks.stores.base import (
    OutcomeUnknown,
    PermissionDenied,
    Store,
    StoreError,
    StoreUnreachable,
    Unauthenticated,
    create_once,
    list_all,
    read,
)
from tasks.stores.range_reader import BLOCK_BYTES
from tasks.stores.retry import Timeouts
from tests.contract.buckets.faulty_buckets import CALLS, SHORT, at_once, opened, url
from tests.support.buckets import found_by
from tests.support.objectserver import Fault, Running

# --- a store that answers no more


def test_server_that_never_answers_is_given_up(kind: str, server: Running) -> None:
    server.admin.faults(Fault(seconds=3.0))
    for call in ("get", "put", "list", "now"):
        began = monotonic()
        with pytest.raises(StoreUnreachable, match="has not answered for"):
            CALLS[call](opened(kind, SHORT, timeouts=Timeouts(read=0.3)))
        assert monotonic() - began < 10


def test_server_that_sends_a_byte_now_and_then_is_given_up(kind: str, server: Running) -> None:
    half_a_second = Timeouts(call=0.5)
    opened(kind).put("k", b"1")
    server.admin.faults(Fault(drip=0.05))  # much faster than the timeout between two bytes
    for call in ("get", "list"):
        began = monotonic()
        with pytest.raises(StoreUnreachable, match="no whole answer within"):
            CALLS[call](opened(kind, SHORT, timeouts=half_a_second))
        assert monotonic() - began < 10
    with pytest.raises(OutcomeUnknown, match="no whole answer within"):
        opened(kind, SHORT, timeouts=half_a_second).create("new", b"1")


def test_listing_that_never_ends_is_refused(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    found_by(server.address, monkeypatch)
    server.admin.make("bucket")
    store = opened("s3")
    store.put("a/1", b"1")
    server.admin.set(endless=True)
    with pytest.raises(StoreError, match="does not end: it repeats itself"):
        list(list_all(store, "a/"))


# --- no such bucket, no right, no credentials


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_bucket_is_refused(kind: str, call: str) -> None:
    with pytest.raises(StoreError, match=f"there is no bucket of {url(kind, bucket='absent')}") as refusal:
        CALLS[call](opened(kind, bucket="absent"))
    assert "correct the name, or make the bucket first" in refusal.value.hint


@pytest.mark.parametrize("size", [10, 20_000_000], ids=["small", "in pieces"])
def test_no_file_is_uploaded_to_a_missing_bucket(kind: str, tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    with pytest.raises(StoreError, match="there is no bucket of"):
        opened(kind, bucket="absent").put("k", tmp_path / "file")


@pytest.mark.parametrize("call", CALLS)
def test_a_missing_permission_is_reported_with_what_to_grant(
    kind: str, store: Store, call: str, server: Running
) -> None:
    server.admin.faults(Fault(status=403))
    with pytest.raises(PermissionDenied, match=f"access denied: cannot .* {url(kind)}") as refusal:
        CALLS[call](store)
    wanted = {"s3": "allow these credentials s3:ListBucket", "gcs": "roles/storage.objectUser"}
    assert wanted[kind] in refusal.value.hint
    assert server.admin.requests().total == 1, "a no is a no: it is not asked again"


@pytest.mark.parametrize("call", CALLS)
def test_missing_credentials_are_reported_without_a_request(
    kind: str, call: str, server: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "STORAGE_EMULATOR_HOST"):
        monkeypatch.delenv(name)
    for name in ("HOME", "CLOUDSDK_CONFIG"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(Unauthenticated, match=f"no credentials for {url(kind)}") as refusal:
        CALLS[call](opened(kind))
    assert refusal.value.hint.startswith("set up credentials: ")
    assert server.admin.requests().total == 0


# --- lost replies


@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="create", drop=True, after=True),
        Fault(on="create", status=500, after=True),
        Fault(on="create", drop=True),
        Fault(on="create", status=503),
        Fault(on="create", status=409),
    ],
    ids=["dropped after", "500 after", "dropped before", "503 before", "409"],
)
def test_a_create_without_an_answer_has_an_unknown_outcome_and_is_not_retried(
    store: Store, server: Running, fault: Fault
) -> None:
    server.admin.faults(fault)
    with pytest.raises(OutcomeUnknown):
        store.create("k", b"nonce")
    assert server.admin.requests().by_kind["create"] == 1
    server.admin.faults()
    assert read(store, "k") == (b"nonce" if fault.after else None)


@pytest.mark.parametrize("after", [True, False])
def test_reading_back_after_a_lost_reply_shows_a_win(store: Store, server: Running, after: bool) -> None:
    server.admin.faults(Fault(on="create", drop=True, after=after, times=2))
    assert create_once(store, "k", b"nonce", at_once)
    assert sum(server.admin.writes("bucket/").values()) == 1


@pytest.mark.parametrize("after", [True, False])
def test_reading_back_after_a_lost_reply_shows_a_loss(store: Store, server: Running, after: bool) -> None:
    store.create("k", b"another's")
    server.admin.faults(Fault(on="create", drop=True, after=after, times=2))
    assert not create_once(store, "k", b"nonce", at_once)
    assert read(store, "k") == b"another's"


def test_of_a_hundred_commits_on_a_bad_network_none_is_reported_lost(store: Store, server: Running) -> None:
    server.admin.faults(
        Fault(on="create", drop=True, after=True, rate=0.1),
        Fault(on="create,get", status=503, rate=0.1),
        Fault(on="create", status=409, rate=0.05),
        seed=4,
    )
    assert all(create_once(store, f"k/{n}", f"nonce {n}".encode(), at_once) for n in range(100))
    assert set(server.admin.writes("bucket/").values()) == {1}


@pytest.mark.parametrize("body", [b"small", b"x" * 20_000_000], ids=["small", "in pieces"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(on="put,start,part,complete", status=503, times=2),
        Fault(on="put,start,part,complete", drop=True, times=2),
        Fault(on="put,complete", drop=True, after=True, times=1),
        Fault(on="put,complete", status=500, after=True, times=1),
        Fault(on="part", drop=True, after=True, times=1),
        Fault(on="start", drop=True, after=True, times=1),
    ],
    ids=["503", "dropped", "end lost", "end 500", "part lost", "start lost"],
)
def test_a_put_is_retried_until_it_succeeds(
    store: Store, server: Running, tmp_path: Path, body: bytes, fault: Fault
) -> None:
    small = len(body) < 100
    (tmp_path / "file").write_bytes(body)
    server.admin.faults(fault)
    store.put("k", body if small else tmp_path / "file")
    assert read(store, "k") == body


def test_an_interrupted_read_is_resumed(store: Store, server: Running) -> None:
    body = os.urandom(BLOCK_BYTES + 100_000)
    store.put("k", body)
    server.admin.faults(Fault(on="get", cut=50_000, times=3))
    assert read(store, "k") == body


@pytest.mark.parametrize("call", ["put", "get", "list", "now"])
def test_an_overloaded_store_is_retried(store: Store, server: Running, call: str) -> None:
    server.admin.faults(Fault(status=503, times=3))
    CALLS[call](store)
    assert server.admin.requests().total == 4


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_every_retryable_status_is_retried(store: Store, server: Running, status: int) -> None:
    server.admin.faults(Fault(status=status, times=1))
    store.put("k", b"1")
    assert read(store, "k") == b"1"


# --- an endpoint that goes down


@pytest.mark.parametrize("call", ["put", "get", "list", "now"])
def test_an_endpoint_that_stays_down_is_reported_unreachable(kind: str, server: Running, call: str) -> None:
    store = opened(kind, SHORT)
    server.down()
    with pytest.raises(StoreUnreachable, match=rf"for {SHORT} s: cannot connect to 127\.0\.0\.1:") as refusal:
        CALLS[call](store)
    assert refusal.value.hint.endswith("then resume the run: nothing is lost")


def test_a_create_at_an_endpoint_that_is_down_has_an_unknown_outcome(kind: str, server: Running) -> None:
    store = opened(kind, SHORT)
    server.down()
    with pytest.raises(OutcomeUnknown):
        store.create("k", b"1")


def test_work_goes_on_when_the_endpoint_is_up_again(store: Store, server: Running) -> None:
    body = os.urandom(2 * BLOCK_BYTES)
    store.put("k", body)
    stream = store.get("k")
    assert stream is not None
    server.down()
    threading.Timer(0.5, server.up).start()
    with stream:
        assert stream.read() == body
    server.down()
    threading.Timer(0.5, server.up).start()
    store.put("k2", b"2")
    assert read(store, "k2") == b"2"
