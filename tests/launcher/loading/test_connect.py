"""Stores whose client is not installed: two lines that say what to install, whichever of its packages is missing."""

import sys

import pytest

from launcher.errors import Usage
from launcher.loading.connect import connect
from launcher.sinks.targets import parse_target


@pytest.mark.parametrize("package", ["pymilvus", "grpc"])
def test_missing_client_names_its_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] in ("pymilvus", "grpc")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "launcher.loading.stores.milvus", raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(Usage, match="pymilvus, the client of milvus, is not installed here") as found:
        connect(parse_target("milvus://localhost/docs"))
    assert found.value.hint == "pip install 'embedfleet[milvus]'"
