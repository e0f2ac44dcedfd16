"""A good store passes every check; a store with a defect fails the check of it, with a hint."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from launcher.diagnostics.store_checks import KEY, STORE_CHECKS, Check, check_store, check_writable
from tasks.stores.base import Store, StoreError
from tasks.stores.gcs import GcsStore
from tasks.stores.open import open_store
from tasks.stores.s3 import S3Store
from tests.support.buckets import found_by
from tests.support.objectserver import Fault, Running

ALL = [name for name, _ in STORE_CHECKS]


def open_soon(url: str) -> Store:
    """As `open_store`, with a shorter timeout."""
    scheme, _, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    return S3Store(bucket, prefix, 0.5) if scheme == "s3" else GcsStore(bucket, prefix, 0.5)


@pytest.fixture(params=["s3", "gs"])
def url(request: pytest.FixtureRequest, server: Running, monkeypatch: pytest.MonkeyPatch) -> str:
    found_by(server.address, monkeypatch)
    server.admin.make("bucket")
    return f"{request.param}://bucket/out"


def last(findings: list[Check]) -> Check:
    """The last check before `left behind`."""
    return [f for f in findings if f.name != "left behind"][-1]


def of(findings: list[Check], name: str) -> Check:
    (found,) = [f for f in findings if f.name == name]
    return found


def test_good_bucket_passes_every_check(url: str) -> None:
    found = check_store(url)
    assert [f.name for f in found] == [*ALL, "left behind"]
    assert {f.verdict for f in found} == {"ok"}
    assert all(f.hint is None for f in found)


def test_folder_passes_every_check(tmp_path: Path) -> None:
    found = check_store(str(tmp_path / "out"))
    assert {f.verdict for f in found} == {"ok"}
    assert of(found, "credentials").seen == "needs none"


def test_checks_can_be_repeated(url: str) -> None:
    first = check_store(url)
    assert [f.verdict for f in check_store(url)] == [f.verdict for f in first]


def test_nothing_is_left_behind_in_a_bucket(url: str) -> None:
    found = check_store(url)
    assert open_store(url).list("") == []
    assert of(found, "left behind").seen == "nothing"


def test_no_folder_is_left_behind(tmp_path: Path) -> None:
    check_store(str(tmp_path / "new" / "out"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    check_store(str(tmp_path / "out"))
    assert list((tmp_path / "out").iterdir()) == []


def test_objects_that_may_not_be_deleted_are_named(url: str, server: Running) -> None:
    server.admin.faults(Fault(on="delete", status=403))
    found = check_store(url)
    assert sorted(e.key for e in open_store(url).list("")) == [KEY, f"{KEY}-new"]
    assert of(found, "left behind").verdict == "ok"
    assert of(found, "left behind").seen == (
        "_embedfleet/probe/doctor and doctor-new stay, 64 KiB: they may not be deleted with these credentials"
    )


def test_an_output_is_found_writable_and_nothing_is_left(url: str, server: Running) -> None:
    assert check_writable(url, "r1") is None
    assert open_store(url).list("") == []
    server.admin.faults(Fault(on="delete", status=403))
    assert check_writable(url, "r1") == f"{KEY}-r1"
    assert check_writable(url, "r1") == f"{KEY}-r1"  # the same once more, and not one for each dry run
    assert [e.key for e in open_store(url).list("")] == [f"{KEY}-r1"]


def test_an_output_that_may_not_be_written_is_refused(url: str, server: Running) -> None:
    server.admin.faults(Fault(on="create,put", status=403))
    with pytest.raises(StoreError):
        check_writable(url, "r1")


def test_unknown_scheme_fails_at_once() -> None:
    (found,) = check_store("ftp://host/out")
    assert (found.name, found.verdict, found.seen) == ("address", "fail", "no store for ftp://")
    assert found.hint


def test_missing_bucket_fails_reach(url: str) -> None:
    (found,) = check_store(url.replace("bucket", "absent"))
    assert (found.name, found.verdict) == ("reach", "fail")
    assert found.seen == f"there is no bucket of {url.replace('bucket', 'absent')}/"


def test_endpoint_that_is_down_fails_reach(url: str, server: Running) -> None:
    server.down()
    (found,) = check_store(url, open_soon)
    assert (found.name, found.verdict) == ("reach", "fail")
    assert "cannot connect to 127.0.0.1:" in found.seen


def test_unknown_credentials_fail_credentials(url: str, server: Running) -> None:
    server.admin.faults(Fault(status=403, code="InvalidAccessKeyId") if url[0] == "s" else Fault(status=401))
    (found,) = check_store(url, open_soon)
    assert (found.name, found.verdict) == ("credentials", "fail")
    assert "set" in (found.hint or "")


@pytest.mark.parametrize(
    ("fault", "name", "before"),
    [
        (Fault(on="list", status=403), "list", []),
        (Fault(on="put", status=403), "write", ["reach", "credentials", "list"]),
        (Fault(on="put", status=403, skip=1), "write", ["reach", "credentials", "list"]),  # may not overwrite
    ],
    ids=["list", "write", "overwrite"],
)
def test_missing_permission_stops_the_checks(
    url: str, server: Running, fault: Fault, name: str, before: list[str]
) -> None:
    server.admin.faults(fault)
    found = check_store(url)
    assert [f.name for f in found if f.name != "left behind"] == [*before, name]
    assert last(found).verdict == "fail"
    assert last(found).seen.startswith("access denied: cannot ")


@pytest.mark.parametrize(
    ("conditions", "seen"),
    [
        ("ignore", "create-only is ignored: the store overwrote what was to be created only if absent"),
        ("lie", "create-only is ignored: the store overwrote what was to be created only if absent"),
        ("refuse", "the store cannot create "),
    ],
)
def test_bucket_without_conditional_writes_fails_create_only(
    url: str, server: Running, conditions: str, seen: str
) -> None:
    server.admin.set(conditions=conditions)
    found = of(check_store(url), "create-only")
    assert found.verdict == "fail"
    assert found.seen.startswith(seen)
    assert "conditional writes" in (found.hint or "")


def test_late_listing_fails(url: str, server: Running) -> None:
    server.admin.set(late=True)
    waits: list[float] = []
    found = of(check_store(url, wait=waits.append), "listing")
    assert (found.verdict, found.seen) == ("fail", "a write did not show in 10 listings, for 4.5 s")
    assert sum(waits) == 4.5


def test_listing_that_shows_a_write_later_fails_with_the_delay(url: str, server: Running) -> None:
    server.admin.set(late=True)
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        server.admin.set(late=len(waits) < 3)

    found = of(check_store(url, wait=wait), "listing")
    assert (found.verdict, found.seen) == ("fail", "a write showed in listing 4, 1.5 s later")


@pytest.mark.parametrize(("hours", "words"), [(2, "behind"), (-2, "ahead of")])
def test_clock_skew_is_a_warning(url: str, server: Running, hours: int, words: str) -> None:
    server.admin.set(skew=hours * 3_600)
    found = of(check_store(url), "clock")
    assert found.verdict == "warn"
    assert float(found.seen.split()[4].replace(",", "")) == pytest.approx(7_200, abs=60)
    assert f"s {words} the store's" in found.seen


def test_clock_skew_is_of_this_machine(url: str) -> None:
    found = of(check_store(url, clock=lambda: datetime.now(UTC) + timedelta(minutes=5)), "clock")
    assert found.verdict == "warn"
    assert "ahead of the store's" in found.seen
    assert "timedatectl" in (found.hint or "")


def test_store_without_a_clock_fails(url: str, server: Running) -> None:
    server.admin.set(date=False)
    (found,) = check_store(url)
    assert found.verdict == "fail"
    assert "does not say what time it is" in found.seen


def test_ignored_ranges_are_a_warning(url: str, server: Running) -> None:
    server.admin.set(ranges=False)
    found = of(check_store(url), "ranges")
    assert (found.verdict, found.seen) == ("warn", "ranges are ignored: 65,529 bytes came for 16")


def test_slow_store_is_a_warning(url: str, server: Running) -> None:
    server.admin.faults(Fault(on="get", seconds=0.6))
    found = of(check_store(url), "reach")
    assert found.verdict == "warn"
    assert "ms a request" in found.seen


def test_object_deleted_meanwhile_fails_ranges(url: str, server: Running) -> None:
    def opened(given: str) -> Store:
        return StoreWithCleanup(
            open_store(given), lambda: server.server.buckets.delete("bucket", f"out/{KEY}")
        )

    found = of(check_store(url, opened), "ranges")
    assert found.verdict == "fail"
    assert "is gone, although embedfleet deletes nothing" in found.seen


class StoreWithCleanup:
    """A bucket whose owner deletes old objects: here at the second request for the time."""

    def __init__(self, inner: Store, clean: Callable[[], object]) -> None:
        self.create, self.put, self.get, self.list = inner.create, inner.put, inner.get, inner.list
        self.inner = inner
        self.clean = clean
        self.asked = 0

    def now(self) -> datetime:
        self.asked += 1
        if self.asked > 1:
            self.clean()
        return self.inner.now()
