"""A loader of Milvus as it is often written, for a test that must fail with it: it inserts, and does not upsert."""

# pymilvus is typed in part
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
import sys

from pymilvus import MilvusClient

from launcher.cli.main import main

if __name__ == "__main__":
    MilvusClient.upsert = MilvusClient.insert
    sys.exit(main())
