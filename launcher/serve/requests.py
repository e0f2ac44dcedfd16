"""Bodies of requests and of errors as OpenAI's embeddings API has them, read once at the border. Pure."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from launcher.vectors.query_encoder import InputType

MOST_INPUTS = 2_048  # of one request, as OpenAI's API allows
MOST_HITS = 1_000
INPUT_TYPES: Mapping[str, InputType] = {  # ours, and the words of other APIs
    "query": "query",
    "search_query": "query",
    "document": "document",
    "search_document": "document",
    "passage": "document",
}
OURS = {"model", "input", "dimensions", "encoding_format", "input_type", "user"}


class RequestRefused(Exception):  # noqa: N818 - what is answered, with its status
    """A request that is not answered, as an OpenAI error: status, type, code and the parameter that is wrong."""

    def __init__(self, status: int, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def body(self) -> bytes:
        """The JSON of the error."""
        kind = {401: "authentication_error", 429: "rate_limit_error"}.get(
            self.status, "invalid_request_error" if self.status < 500 else "server_error"
        )
        return msgspec.json.encode(
            {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}
        )


def bad_request(message: str, param: str | None = None, code: str = "invalid_value") -> RequestRefused:
    """The error for a request that is wrong."""
    return RequestRefused(400, message, code=code, param=param)


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """What is asked. `texts` or `tokens`, the other is empty; `fields` are all other fields, for routes."""

    model: str
    texts: tuple[str, ...]
    tokens: tuple[tuple[int, ...], ...]
    dimensions: int | None
    encoding: Literal["float", "base64"]
    input_type: InputType | None
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A search in the vectors of a run."""

    model: str
    query: str
    k: int
    fields: Mapping[str, str] = field(default_factory=dict[str, str])


def read_embedding_request(body: bytes) -> EmbeddingRequest:
    """The request that a body holds.

    Raises:
        RequestRefused: the body holds no valid request.
    """
    found = _object(body)
    texts, tokens = _inputs(found.get("input"))
    dimensions = found.get("dimensions")
    if dimensions is not None and (type(dimensions) is not int or dimensions < 1):
        raise bad_request("dimensions must be a whole number above 0", "dimensions")
    encoding = found.get("encoding_format")
    encoding = "float" if encoding is None else encoding
    if encoding not in ("float", "base64"):
        raise bad_request("encoding_format must be float or base64", "encoding_format")
    kind = found.get("input_type")
    if kind is not None and (not isinstance(kind, str) or kind not in INPUT_TYPES):
        raise bad_request("input_type must be query or document", "input_type")
    return EmbeddingRequest(
        model=_model(found),
        texts=texts,
        tokens=tokens,
        dimensions=dimensions,
        encoding=encoding,
        input_type=None if kind is None else INPUT_TYPES[kind],
        fields=_fields(found),
    )


def read_search_request(body: bytes) -> SearchRequest:
    """The search that a body holds.

    Raises:
        RequestRefused: the body holds no valid search.
    """
    found = _object(body)
    query, k = found.get("query"), found.get("k", 10)
    if not isinstance(query, str) or not query.strip():
        raise bad_request("query must be a text", "query")
    if type(k) is not int or not 1 <= k <= MOST_HITS:
        raise bad_request(f"k must be 1 to {MOST_HITS}", "k")
    return SearchRequest(_model(found), query, k, _fields(found))


def encoded(vector: NDArray[np.float32], encoding: str) -> list[float] | str:
    """A vector as the answer has it; base64 is of little-endian float32."""
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4", copy=False).tobytes()).decode()
    return vector.tolist()


def _object(body: bytes) -> dict[str, Any]:
    try:
        found: Any = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request(f"the body is no JSON: {error}", code="invalid_json") from error
    if not isinstance(found, dict):
        raise bad_request("the body is no JSON object", code="invalid_json")
    return cast("dict[str, Any]", found)


def _model(found: Mapping[str, Any]) -> str:
    model = found.get("model", "auto")
    if not isinstance(model, str):
        raise bad_request("model must be the name of a run, or auto", "model")
    return model


def _fields(found: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: value for name, value in found.items() if isinstance(value, str) and name not in OURS - {"user"}
    }


def _inputs(given: Any) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
    if isinstance(given, str):
        return (_text(given),), ()
    if not isinstance(given, list) or not given:
        raise bad_request(
            "input must be a text, a list of texts, token ids, or a list of lists of these", "input"
        )
    items = cast("list[Any]", given)
    if type(items[0]) is int:
        return (), (_ids(items),)
    if len(items) > MOST_INPUTS:
        raise bad_request(f"input has {len(items):,} entries, and {MOST_INPUTS:,} are the most", "input")
    if isinstance(items[0], list):
        return (), tuple(_ids(one) for one in items)
    return tuple(_text(one) for one in items), ()


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given.strip():
        raise bad_request("a text of input is empty, or no text", "input")
    return given


def _ids(given: Any) -> tuple[int, ...]:
    ids = cast("Sequence[Any]", given) if isinstance(given, list) else ()
    if not ids or not all(type(one) is int and 0 <= one < 2**31 for one in ids):
        raise bad_request("token ids must be lists of whole numbers, none of them empty", "input")
    return tuple(ids)
