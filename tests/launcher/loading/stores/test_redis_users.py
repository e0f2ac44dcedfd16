"""A server of Redis with users, for real: what one may not do is named, and a wrong password as that."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from launcher.errors import Problem
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.sinks.targets import parse_target
from tests.support.stores.loaded_rows import Grown, assert_holds
from tests.support.stores.redisearch import running_redisearch

pytestmark = pytest.mark.e2e

USERS = {
    "ann": ("~*", "&*", "+@all"),
    "reader": ("~*", "+@read", "+INFO", "+FT.INFO", "+FT._LIST"),
}


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    with running_redisearch() as found, redis.Redis(port=int(found.partition(":")[2])) as client:
        for name, may in USERS.items():
            client.execute_command("ACL", "SETUSER", name, "on", ">a-password", *may)  # pyright: ignore[reportUnknownMemberType]
        client.execute_command("ACL", "SETUSER", "default", "off")  # pyright: ignore[reportUnknownMemberType]
        yield found


def test_user_with_a_password_loads_a_run_and_a_difference(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "a-password")
    grown, target = Grown(tmp_path), parse_target(f"redis://ann@{place}/docs")
    for run, options in ((grown.first, LoadOptions()), (grown.second, LoadOptions(since="run-1"))):
        with closing(connect(target, "SECRET")) as store:
            load(run, target, store, options)
            assert_holds(store, run)


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("reader", "a-password", "does not permit it: .*'FT.CREATE'"),
        ("ann", "another", "refuses the user: invalid username-password pair"),
        ("", None, "refuses the user: Authentication required"),
    ],
)
def test_user_that_may_not_is_told_why(
    user: str, password: str | None, said: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if password is not None:
        monkeypatch.setenv("SECRET", password)
    target = parse_target(f"redis://{user}{'@' if user else ''}{place}/other")
    with (
        pytest.raises(Problem, match=said) as refused,
        closing(connect(target, None if password is None else "SECRET")) as store,
    ):
        load(Grown(tmp_path).first, target, store)
    assert "another" not in str(refused.value)
