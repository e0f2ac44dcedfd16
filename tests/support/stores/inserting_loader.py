"""A loader of Milvus as it is often written, for a test that must fail with it: it inserts, and does not upsert."""

# pymilvus is typed in part
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
import sys
from operator import attrgetter

from pymilvus.grpc_gen.milvus_pb2 import InsertRequest

from launcher.cli.main import main
from launcher.loading.stores import milvus_upsert

if __name__ == "__main__":
    assert hasattr(milvus_upsert, "UpsertRequest")
    assert hasattr(milvus_upsert, "upsert_of")
    milvus_upsert.UpsertRequest, milvus_upsert.upsert_of = InsertRequest, attrgetter("Insert")
    sys.exit(main())
