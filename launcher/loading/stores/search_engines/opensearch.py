"""OpenSearch with its k-NN plugin: `knn_vector` in an HNSW of faiss, compared by the inner product, bits by Hamming.

For a cosine faiss scales what it stores; vectors have length 1 as they are.
"""

# opensearch-py is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import numpy as np
from opensearchpy import OpenSearch as Client
from opensearchpy.exceptions import ConnectionError as LostError
from opensearchpy.exceptions import OpenSearchException, TransportError

from launcher.loading.stores.common.tls import checked_authorities
from launcher.loading.stores.search_engines.search_engine import (
    EF_SEARCH,
    PORT,
    REQUESTS,
    RETRIES,
    TIMEOUT,
    Json,
    SearchEngine,
    ServerError,
    UnreachableError,
    said_in,
)
from launcher.loading.vector_store import Element, Key, Schema, Vectors
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import Target


class _Api:
    """opensearch-py, request by request."""

    def __init__(self, target: Target, password: str | None) -> None:
        # It logs each answer that is an error, also for an index that is not there; ours are said once.
        logging.getLogger("opensearch").setLevel(logging.CRITICAL)
        self._client: Any = Client(
            hosts=[{"host": target.host or "localhost", "port": target.port or PORT}],
            use_ssl=bool(target.options.get("tls")),
            ca_certs=checked_authorities(target, PORT, "opensearch"),
            http_auth=(target.user, password or "") if target.user else None,
            pool_maxsize=REQUESTS,
            timeout=TIMEOUT,
            max_retries=RETRIES,
            retry_on_timeout=True,
            retry_on_status=(),  # a busy server is asked again by fewer and smaller requests
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        try:
            if isinstance(body, list):
                where, _, asked = path.partition("?")
                options = dict(parse_qsl(asked))
                return self._client.bulk(body=body, index=where.split("/")[1], params=options)
            return self._client.transport.perform_request(method, path, body=body)
        except LostError as error:
            raise UnreachableError(str(error.info or error.error)[:300]) from error
        except TransportError as error:
            raise ServerError(
                int(error.status_code), said_in(error.info or {"error": error.error})
            ) from error
        except OpenSearchException as error:
            raise ServerError(200, f"an answer that its client cannot read: {error}") from error

    def close(self) -> None:
        self._client.close()


class OpenSearch(SearchEngine):
    """An index of OpenSearch behind an alias."""

    product = "OpenSearch"
    most_dimensions: ClassVar[Mapping[Element, int]] = {"float32": 16_000, "bits": 16_000}

    def vector_field(self, schema: Schema, spec: IndexSpec) -> Json:
        """`knn_vector`; of bits whole bytes."""
        bits = schema.element == "bits"
        field: Json = {
            "type": "knn_vector",
            "dimension": _bytes_of(schema.dimensions) * 8 if bits else schema.dimensions,
        }
        if bits:
            field["data_type"] = "binary"
        if spec.kind == "none":
            return field
        return field | {
            "method": {
                "name": "hnsw",
                "engine": "faiss",
                "space_type": _space(bits=bits),
                "parameters": {"m": spec.m, "ef_construction": spec.ef_construction},
            }
        }

    def settings(self, spec: IndexSpec) -> Json:
        """Settings of an index: without `knn` no graph is built."""
        return {"knn": spec.kind != "none"}

    def numbers(self, vector: Vectors) -> list[Any]:
        """Numbers; packed bits as signed bytes."""
        return (vector.view(np.int8) if vector.dtype == np.uint8 else vector).tolist()

    def stored(self, found: Any, *, bits: bool) -> Vectors:
        """A stored vector; bits, which come as signed bytes, are packed."""
        return np.asarray(found, np.int8).view(np.uint8) if bits else np.asarray(found, np.float32)

    def vectors_of(self, index: str, ids: Sequence[str]) -> list[tuple[Key, Any]]:
        """Vectors by their ids, from the sources of the documents."""
        found = self._api.ask("POST", f"/{index}/_mget", {"ids": list(ids)})
        sources = [one["_source"] for one in found["docs"] if one.get("found")]
        return [(Key(one["id"], int(one["chunk"])), one["vector"]) for one in sources]

    def query(self, vector: Vectors, k: int, *, exact: bool) -> Json:
        """`knn`, or the script of the plugin over all documents."""
        numbers = self.numbers(vector)
        if not exact and self._has_graph():
            ask = {"vector": numbers, "k": k, "method_parameters": {"ef_search": max(EF_SEARCH, k)}}
            return {"query": {"knn": {"vector": ask}}}
        space = "hammingbit" if vector.dtype == np.uint8 else "innerproduct"
        script = {
            "lang": "knn",
            "source": "knn_score",
            "params": {"field": "vector", "query_value": numbers, "space_type": space},
        }
        return {"query": {"script_score": {"query": {"match_all": {}}, "script": script}}}

    def _has_graph(self) -> bool:
        if self._schema is not None:
            return self._index.kind != "none"
        name = self.collection()
        found = self._api.ask("GET", f"/{name}/_mapping")
        return "method" in found[name]["mappings"]["properties"]["vector"]


def open_opensearch(target: Target, secret: str | None) -> OpenSearch:
    """The index that a target names. The secret is the password of its user."""
    return OpenSearch(target, _Api(target, secret))


def _space(*, bits: bool) -> str:
    return "hamming" if bits else "innerproduct"


def _bytes_of(dimensions: int) -> int:
    return (dimensions + 7) // 8
