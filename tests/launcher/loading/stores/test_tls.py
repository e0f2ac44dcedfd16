"""Servers behind TLS are loaded, by the authorities that the user names, and no other certificate is accepted.

The servers are those of the contract suite; TLS before them is ours.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from launcher.errors import Problem, Usage
from launcher.loading.check import check_store
from launcher.loading.connect import connect
from launcher.loading.loader import load
from launcher.loading.stores.common import tls
from launcher.loading.stores.common.tls import VARIABLE, authorities, check_tls
from launcher.sinks.targets import Target, parse_target
from tests.support.stores.vector_stores import VectorStores
from tests.support.tls_proxy import Authority, behind_tls
from tests.support.vector_datasets import dataset_of

PORTS = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=grpc=)\d+")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def encrypted(
    request: pytest.FixtureRequest, stores: VectorStores, authority: Authority, tmp_path: Path
) -> Iterator[Target]:
    """A new collection of a server behind TLS."""
    kind: str = request.param
    address = stores.address(kind, tmp_path)
    with ExitStack() as stack:
        for port in PORTS.findall(address):
            address = address.replace(port, str(stack.enter_context(behind_tls(int(port), authority))))
        scheme = "rediss" if kind == "redis" else f"{kind}+https"
        yield parse_target(address.replace(f"{kind}://", f"{scheme}://"))


KINDS = [
    pytest.param(kind, marks=pytest.mark.e2e)
    for kind in ("milvus", "qdrant", "redis", "chroma", "opensearch", "elasticsearch", "weaviate")
]


@pytest.mark.parametrize("encrypted", KINDS, indirect=True)
def test_server_with_an_authority_of_its_own_is_loaded(
    encrypted: Target, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = dataset_of(tmp_path, 2, 20)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(Problem, match=r"the certificate of 127\.0\.0\.1:\d+ is not accepted") as refused:
        connect(encrypted)
    assert f"export {VARIABLE}=FILE" in refused.value.hint
    monkeypatch.setenv(VARIABLE, str(authority.file))
    with closing(connect(encrypted)) as store:
        assert load(dataset, encrypted, store).rows_written == 40
        assert check_store(dataset, encrypted, store).faults == ()


def test_certificate_of_another_host_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Authority(tmp_path, "elsewhere.example")
    monkeypatch.setenv(VARIABLE, str(other.file))
    with behind_tls(1, other) as port, pytest.raises(Problem, match="is not accepted: IP address mismatch"):
        check_tls("127.0.0.1", port, "qdrant")


@pytest.mark.parametrize("body", [None, "no certificate"])
def test_file_of_authorities_that_holds_none_is_named(body: str | None, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    if body is not None:
        file.write_text(body)
    with pytest.raises(Usage, match=r"SSL_CERT_FILE: .*authority\.pem holds no certificate"):
        authorities({VARIABLE: str(file)})
    assert authorities({}) is None


def test_server_that_says_nothing_to_a_handshake_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # as Redis, which waits for the end of a line
        port = silent.getsockname()[1]
        with pytest.raises(Problem, match="does not answer in TLS") as found:
            check_tls("127.0.0.1", port, "redis")
        assert found.value.hint == "redis:// is without TLS"
        with pytest.raises(Problem, match="does not answer in TLS"):
            connect(parse_target(f"rediss://127.0.0.1:{port}/docs"))


def test_other_errors_are_left_to_the_client() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    check_tls("127.0.0.1", port, "redis")
