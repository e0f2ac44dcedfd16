"""Elasticsearch 8.15 or newer: `dense_vector` in an HNSW of int8, compared by the inner product, bits by Hamming.

For a cosine Elasticsearch scales what it stores; vectors have length 1 as they are. The graph holds int8, which is
Elasticsearch's own default; the floats stay beside it. Since 9.2 the source of a document no longer holds its vector,
so that vectors are read by `fields`.
"""

# the client is an extra, and no part of `dev`
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from elasticsearch import ApiError, TransportError, UnsupportedProductError
from elasticsearch import Elasticsearch as Client

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

# Not those of the client's own version, which a server of another one refuses.
JSON, LINES = "application/json", "application/x-ndjson"


class _Api:
    """The client of Elasticsearch, request by request."""

    def __init__(self, target: Target, secret: str | None) -> None:
        scheme = "https" if target.options.get("tls") else "http"
        authorities = checked_authorities(target, PORT, "elasticsearch")
        about: Json = {} if authorities is None else {"ca_certs": authorities}
        if target.user:
            about["basic_auth"] = (target.user, secret or "")
        elif secret:
            about["api_key"] = secret
        # It logs each failure that it tries again; ours are said once.
        logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
        self._client: Any = Client(
            f"{scheme}://{target.host or 'localhost'}:{target.port or PORT}",
            connections_per_node=REQUESTS,
            request_timeout=TIMEOUT,
            max_retries=RETRIES,
            retry_on_timeout=True,
            retry_on_status=(),  # a busy server is asked again by fewer and smaller requests
            **about,
        )

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"accept": JSON}
        if body is not None:
            headers["content-type"] = LINES if isinstance(body, list) else JSON
        try:
            return self._client.perform_request(method, path, headers=headers, body=body).body
        except UnsupportedProductError as error:
            raise ServerError(
                200, "it is no Elasticsearch: opensearch:// is the address of an OpenSearch"
            ) from error
        except ApiError as error:
            raise ServerError(int(error.status_code), said_in(error.body)) from error
        except TransportError as error:
            raise UnreachableError(str(error)[:300]) from error

    def close(self) -> None:
        self._client.close()


class Elasticsearch(SearchEngine):
    """An index of Elasticsearch behind an alias."""

    product = "Elasticsearch"
    most_dimensions: ClassVar[Mapping[Element, int]] = {"float32": 4_096, "bits": 32_768}

    def vector_field(self, schema: Schema, spec: IndexSpec) -> Json:
        """`dense_vector`; of bits whole bytes."""
        bits = schema.element == "bits"
        dimensions = (schema.dimensions + 7) // 8 * 8 if bits else schema.dimensions
        field: Json = {"type": "dense_vector", "dims": dimensions, "index": spec.kind != "none"}
        if bits:
            field["element_type"] = "bit"
        if spec.kind == "none":
            return field
        graph = {"m": spec.m, "ef_construction": spec.ef_construction}
        return field | {
            "similarity": "l2_norm" if bits else "max_inner_product",
            "index_options": {"type": "hnsw" if bits else "int8_hnsw", **graph},
        }

    def settings(self, spec: IndexSpec) -> Json:
        """None of its own."""
        del spec
        return {}

    def numbers(self, vector: Vectors) -> Any:
        """Numbers; packed bits as hexadecimal digits."""
        return vector.tobytes().hex() if vector.dtype == np.uint8 else vector.tolist()

    def stored(self, found: Any, *, bits: bool) -> Vectors:
        """A stored vector; bits, which come as hexadecimal digits or signed bytes, are packed."""
        if not bits:
            return np.asarray(found, np.float32).ravel()
        first = found[0] if isinstance(found, list) and found and isinstance(found[0], str) else found
        if isinstance(first, str):
            return np.frombuffer(bytes.fromhex(first), np.uint8)
        return np.asarray(first, np.int8).ravel().view(np.uint8)

    def vectors_of(self, index: str, ids: Sequence[str]) -> list[tuple[Key, Any]]:
        """Vectors by a search for their ids, because a document's source may not hold the vector."""
        body = {
            "size": len(ids),
            "query": {"ids": {"values": list(ids)}},
            "_source": ["id", "chunk"],
            "fields": ["vector"],
        }
        hits = self._api.ask("POST", f"/{index}/_search", body)["hits"]["hits"]
        return [
            (Key(hit["_source"]["id"], int(hit["_source"]["chunk"])), hit["fields"]["vector"]) for hit in hits
        ]

    def query(self, vector: Vectors, k: int, *, exact: bool) -> Json:
        """`knn`, or a script over all documents."""
        numbers = self.numbers(vector)
        if not exact and self._has_graph():
            ask = {"field": "vector", "query_vector": numbers, "k": k, "num_candidates": max(EF_SEARCH, k)}
            return {"knn": ask}
        if vector.dtype == np.uint8:  # a score is above 0
            source = "params.most - hamming(params.v, 'vector')"
            parameters: Json = {"v": numbers, "most": vector.size * 8 + 1}
        else:
            source, parameters = "dotProduct(params.v, 'vector') + 2", {"v": numbers}
        script = {"source": source, "params": parameters}
        return {"query": {"script_score": {"query": {"match_all": {}}, "script": script}}}

    def describe_index(self, schema: Schema, index: IndexSpec) -> str:
        """The graph holds int8."""
        quantized = " of int8, beside the floats" if index.kind == "hnsw" and schema.element != "bits" else ""
        return super().describe_index(schema, index) + quantized

    def _has_graph(self) -> bool:
        if self._schema is not None:
            return self._index.kind != "none"
        name = self.collection()
        found = self._api.ask("GET", f"/{name}/_mapping")
        return bool(found[name]["mappings"]["properties"]["vector"].get("index", True))


def open_elasticsearch(target: Target, secret: str | None) -> Elasticsearch:
    """The index that a target names. The secret is the password of its user, or an API key."""
    return Elasticsearch(target, _Api(target, secret))
