"""A Milvus with users, behind TLS, by a database of its own: a token reaches both connections of a load.

In a session of its own: two servers of the wheel do not run beside each other.
"""

# pymilvus is typed in part
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.loader import LoadOptions, load
from launcher.loading.stores.common.tls import VARIABLE
from launcher.sinks.targets import Target, parse_target
from tests.support.stores.loaded_rows import Grown, assert_holds
from tests.support.stores.milvus import running_milvus
from tests.support.tls_proxy import Authority, behind_tls

pytestmark = pytest.mark.e2e

ROOT, USER = "root:Milvus", "loader:a-password-of-a-loader"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A collection in a database where USER may do all, and in no other."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with pytest.MonkeyPatch.context() as patch, running_milvus(users=True) as place:
        from pymilvus import MilvusClient

        client = MilvusClient(f"http://{place}", token=ROOT)
        client.create_database("library")
        client.close()
        own = MilvusClient(f"http://{place}", token=ROOT, db_name="library")
        own.create_user(*USER.split(":"))
        own.create_role("loads")
        for kind in ("Global", "Collection"):
            own.grant_privilege("loads", kind, "*", "*", db_name="library")
        own.grant_role("loader", "loads")
        own.close()
        with behind_tls(int(place.partition(":")[2]), authority) as port:
            patch.setenv(VARIABLE, str(authority.file))
            yield parse_target(f"milvus+https://127.0.0.1:{port}/library/docs")


@pytest.mark.parametrize("token", [ROOT, USER])
def test_token_reaches_every_request_of_a_load(
    token: str, target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", token)
    grown = Grown(tmp_path)
    with closing(connect(target, "TOKEN")) as store:
        load(grown.first, target, store, LoadOptions(replace=True))
        assert_holds(store, grown.first)
    with closing(connect(target, "TOKEN")) as store:
        load(grown.second, target, store, LoadOptions(since="run-1"))
        assert check_store(grown.second, target, store).faults == ()


@pytest.mark.parametrize("token", [None, "loader:another-password"])
def test_server_that_refuses_the_token_is_named(
    token: str | None, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token is not None:
        monkeypatch.setenv("TOKEN", token)
    with pytest.raises(Problem, match="Milvus refuses the user") as refused:
        connect(target, None if token is None else "TOKEN")
    assert "--secret NAME" in refused.value.hint
    assert "another-password" not in str(refused.value)


def test_database_where_the_user_may_nothing_is_refused(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", USER)
    other = parse_target(target.shown.replace("/library/", "/"))
    with (
        pytest.raises(Problem, match="Milvus does not permit it: PrivilegeCreateCollection"),
        closing(connect(other, "TOKEN")) as store,
    ):
        load(Grown(tmp_path).first, other, store)
