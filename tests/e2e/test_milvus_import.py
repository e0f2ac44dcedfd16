"""Milvus's own bulk import reads what `export --format milvus` writes, and refuses Parquet with an Arrow schema."""

# pymilvus is no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
import time
from pathlib import Path
from typing import Any

import pytest

from launcher.vectors.export import export
from launcher.vectors.export_formats import Format
from tests.support.stores.vector_stores import VectorStores
from tests.support.vector_datasets import dataset_of

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore:.*ORM-style PyMilvus API")]
PATIENCE = 120.0  # seconds of an import


def imported(place: str, file: Path, *, key: bool) -> Any:
    """The state of an import into a new collection when it has ended."""
    from pymilvus import DataType, MilvusClient, connections, utility

    name = f"c{abs(hash(file))}"
    schema = MilvusClient.create_schema(enable_dynamic_field=False)
    if key:
        schema.add_field("key", DataType.VARCHAR, is_primary=True, max_length=200)
    schema.add_field("id", DataType.VARCHAR, max_length=200, is_primary=not key)
    schema.add_field("chunk", DataType.INT32)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=32)
    client = MilvusClient(f"http://{place}")
    client.create_collection(name, schema=schema)
    host, _, port = place.partition(":")
    connections.connect("imports", host=host, port=port)
    job = utility.do_bulk_insert(name, [str(file)], using="imports")
    end = time.monotonic() + PATIENCE
    while True:
        state = utility.get_bulk_insert_state(job, using="imports")
        if state.state_name in ("Completed", "Failed"):
            connections.disconnect("imports")
            client.close()
            return state
        assert time.monotonic() < end, state
        time.sleep(0.5)


@pytest.mark.parametrize("how", ["milvus", "parquet"])
def test_milvus_imports_what_is_written_for_it_alone(
    how: Format, stores: VectorStores, tmp_path: Path
) -> None:
    place = stores.place("milvus")
    file = tmp_path / "rows.parquet"
    export(dataset_of(tmp_path / "out", 2, 500), file, how=how)
    found = imported(place, file, key=how == "milvus")
    if how == "milvus":
        assert (found.state_name, found.row_count) == ("Completed", 1_000)
    else:
        assert found.state_name == "Failed"
        assert "fixed_size_list" in found.failed_reason
