"""A wire fake of Weaviate 1.33, as far as `load` uses it: REST for collections and aliases, gRPC for objects.

The gRPC service is the one that weaviate-client is generated from (its own stubs), the REST documents are written from
that client's types and Weaviate's documentation: names begin with a large letter, a batch replaces an object whole under
its UUID and says errors object by object, a query finds 10,000 objects at most, an alias is no collection. It was never
compared with a Weaviate server.
"""

# weaviate-client is no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false
import importlib.util
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from threading import Thread
from typing import Any
from uuid import UUID

import pytest

from tests.support.faults import Faults
from tests.support.json_server import Handler, Json, RefusedError
from tests.support.server_process import server_process
from tests.support.stores.weaviate_engine import Engine, uuids_of


@contextmanager
def running_weaviate() -> Generator[str, None, None]:
    """Host and port of an empty server and `?grpc=` its other port. It ends with this process."""
    if importlib.util.find_spec("weaviate") is None:
        pytest.skip("no client of Weaviate here: make e2e-load installs it (tests/e2e/vector-stores.txt)")
    start = "from tests.support.stores.weaviate_server import main; main()"
    with server_process([sys.executable, "-c", start]) as ports:
        yield f"127.0.0.1:{ports[0]}?grpc={ports[1]}"


def _result(uuid: str, properties: Json, vector: Any, asked: Any, vectors: Any) -> Any:
    """An object as a query answers it."""
    from weaviate.proto.v1 import base_pb2, properties_pb2, search_get_pb2

    value = properties_pb2.Value
    fields = {
        name: value(text_value=held) if isinstance(held, str) else value(int_value=held)
        for name, held in properties.items()
        if asked is None or asked.return_all_nonref_properties or name in asked.non_ref_properties
    }
    single = base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32
    return search_get_pb2.SearchResult(
        properties=search_get_pb2.PropertiesResult(non_ref_props=properties_pb2.Properties(fields=fields)),
        metadata=search_get_pb2.MetadataResult(
            id_as_bytes=UUID(uuid).bytes,
            vectors=[
                base_pb2.Vectors(name=name, vector_bytes=vector.tobytes(), type=single) for name in vectors
            ],
        ),
    )


def _servicer(engine: Engine, faults: Faults) -> Any:
    """The gRPC service over the stubs of the client."""
    import grpc  # pyright: ignore[reportMissingModuleSource]
    from weaviate.proto.v1 import (
        aggregate_pb2,
        batch_delete_pb2,
        batch_pb2,
        search_get_pb2,
        weaviate_pb2_grpc,
    )

    late = "put batch: shard one: context deadline exceeded"  # as a server says of objects that it had no time for
    code = grpc.StatusCode

    class Servicer(weaviate_pb2_grpc.WeaviateServicer):
        def BatchObjects(self, request: Any, context: Any) -> Any:  # noqa: N802 - the service's name
            fault = faults.take()
            if fault == "busy":
                context.abort(code.RESOURCE_EXHAUSTED, "too many requests")
            if fault == "unavailable":
                context.abort(code.UNAVAILABLE, "unavailable")
            objects = list(request.objects)
            whole = len(objects) // 2 if fault == "partial" else len(objects)
            with engine.lock:
                errors = engine.put(objects[:whole])
            errors |= dict.fromkeys(range(whole, len(objects)), late)
            if fault == "lost":
                context.abort(code.UNAVAILABLE, "Socket closed")
            one = batch_pb2.BatchObjectsReply.BatchError
            said = [one(index=position, error=text) for position, text in errors.items()]
            return batch_pb2.BatchObjectsReply(took=0.0, errors=said)

        def BatchDelete(self, request: Any, context: Any) -> Any:  # noqa: N802
            del context
            with engine.lock:
                gone = engine.delete(request.collection, uuids_of(request.filters))
            return batch_delete_pb2.BatchDeleteReply(matches=gone, successful=gone)

        def Aggregate(self, request: Any, context: Any) -> Any:  # noqa: N802
            del context
            with engine.lock:
                counted = len(engine.named(request.collection).objects)
            return aggregate_pb2.AggregateReply(
                single_result=aggregate_pb2.AggregateReply.Single(objects_count=counted)
            )

        def Search(self, request: Any, context: Any) -> Any:  # noqa: N802
            try:
                with engine.lock:
                    found = engine.found(request)
            except RefusedError as refused:
                context.abort(code.UNKNOWN, str(refused))
                raise
            asked = request.properties if request.HasField("properties") else None
            vectors = list(request.metadata.vectors)
            if request.metadata.vector:
                vectors = list(engine.named(request.collection).document["vectorConfig"])
            return search_get_pb2.SearchReply(results=[_result(*row, asked, vectors) for row in found])

    return Servicer()


def main() -> None:
    """Serve until standard input ends."""
    import grpc  # pyright: ignore[reportMissingModuleSource]
    from weaviate.proto.v1 import weaviate_pb2_grpc

    engine = Engine()
    Handler.service = engine
    remote = grpc.server(ThreadPoolExecutor(16), options=[("grpc.max_receive_message_length", 104_858_000)])
    weaviate_pb2_grpc.add_WeaviateServicer_to_server(_servicer(engine, Handler.faults), remote)
    port = remote.add_insecure_port("127.0.0.1:0")
    remote.start()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        print(f"ports {server.server_port} {port}", flush=True)
        sys.stdin.read()
        server.shutdown()
    remote.stop(None)
