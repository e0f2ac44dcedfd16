"""Rows as upserts of Milvus, made of columns: its client makes a Python float of each number, and JSON of each row.

The messages and the service are those that pymilvus was generated with (milvus-proto), over a connection of their own.
"""

# pymilvus is typed in part
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportMissingImports=false, reportMissingModuleSource=false
import base64
import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from pymilvus.client.utils import check_status
from pymilvus.grpc_gen import schema_pb2
from pymilvus.grpc_gen.milvus_pb2 import UpsertRequest
from pymilvus.grpc_gen.milvus_pb2_grpc import MilvusServiceStub

from launcher.loading.vector_store import Rows, Vectors, text_of_key

DYNAMIC_FIELD = "$meta"  # Milvus's own name
REQUEST_SECONDS = 300.0
AWAY_SECONDS, LONGEST_WAIT = 120.0, 3.0  # that a server which starts again may take; between two tries
OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
FLOATS_TAG = 0x0A  # of FloatArray's field `data`, packed: field 1, length-delimited


def upsert_of(service: Any) -> Callable[..., Any]:
    """The call of a MilvusServiceStub that writes rows under their keys."""
    return service.Upsert


class Upserts:
    """A connection that writes rows. Safe to use from several threads."""

    def __init__(self, place: str, *, tls: bool, roots: str | None, token: str, database: str) -> None:
        self._database = database
        self._channel = (
            grpc.secure_channel(place, _credentials(roots), OPTIONS)
            if tls
            else grpc.insecure_channel(place, OPTIONS)
        )
        secret = base64.b64encode(token.encode()).decode()
        # A server with users looks up in the metadata what they may do in which database.
        self._metadata = [("authorization", secret)] if token else []
        self._metadata += [("dbname", database)] if database else []
        self._call = upsert_of(MilvusServiceStub(self._channel))

    def send(self, collection: str, rows: Rows) -> None:
        """Write rows; a server that does not answer for a while is asked again, because it has each key once.

        Raises:
            grpc.RpcError, MilvusException: it stays away, or refuses them.
        """
        request = upsert_request(collection, self._database, rows)
        end, wait = time.monotonic() + AWAY_SECONDS, 0.1
        while True:
            try:
                answer = self._call(
                    request, timeout=REQUEST_SECONDS, metadata=self._metadata, wait_for_ready=False
                )
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() >= end:  # pyright: ignore[reportAttributeAccessIssue]
                    raise
            else:
                check_status(answer.status)
                return
            time.sleep(random.uniform(0, wait))  # noqa: S311 - jitter
            wait = min(LONGEST_WAIT, 2 * wait)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()


def _credentials(roots: str | None) -> Any:
    """Of a file of authorities; None: those of gRPC."""
    return grpc.ssl_channel_credentials(None if roots is None else Path(roots).read_bytes())


def upsert_request(collection: str, database: str, rows: Rows) -> Any:
    """The request that writes these rows; kept columns are dynamic fields, and a row has none where it has None."""
    names = [json.dumps(name, ensure_ascii=False) for name in rows.kept]
    columns = zip(*rows.kept.values(), strict=True) if names else iter([()] * len(rows))
    return UpsertRequest(
        collection_name=collection,
        db_name=database,
        num_rows=len(rows),
        fields_data=[
            _texts("key", list(map(text_of_key, rows.keys()))),
            _texts("id", list(rows.ids)),
            schema_pb2.FieldData(
                field_name="chunk",
                type=schema_pb2.DataType.Int32,
                scalars=schema_pb2.ScalarField(int_data=schema_pb2.IntArray(data=list(rows.chunks))),
            ),
            _vectors(rows.vectors),
            schema_pb2.FieldData(
                field_name=DYNAMIC_FIELD,
                type=schema_pb2.DataType.JSON,
                is_dynamic=True,
                scalars=schema_pb2.ScalarField(
                    json_data=schema_pb2.JSONArray(data=[_object(names, values) for values in columns])
                ),
            ),
        ],
    )


def _texts(name: str, values: list[str]) -> Any:
    scalars = schema_pb2.ScalarField(string_data=schema_pb2.StringArray(data=values))
    return schema_pb2.FieldData(field_name=name, type=schema_pb2.DataType.VarChar, scalars=scalars)


def _vectors(vectors: Vectors) -> Any:
    if vectors.dtype == np.uint8:
        kind, width = schema_pb2.DataType.BinaryVector, 8 * vectors.shape[1]
        field = schema_pb2.VectorField(dim=width, binary_vector=vectors.tobytes())
    else:
        kind, width = schema_pb2.DataType.FloatVector, vectors.shape[1]
        body = vectors.astype("<f4", copy=False).tobytes()
        packed = bytes([FLOATS_TAG]) + _varint(len(body)) + body
        field = schema_pb2.VectorField(dim=width, float_vector=schema_pb2.FloatArray.FromString(packed))
    return schema_pb2.FieldData(field_name="vector", type=kind, vectors=field)


def _object(names: list[str], values: tuple[str | None, ...]) -> bytes:
    """A JSON object of the values that are there."""
    pairs = (
        f"{name}:{json.dumps(value, ensure_ascii=False)}"
        for name, value in zip(names, values, strict=True)
        if value is not None
    )
    return f"{{{','.join(pairs)}}}".encode()


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: 7 bits a byte, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
