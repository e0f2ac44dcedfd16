"""Requests to answers, without HTTP: route, cut, ask the cache, embed what is missing, search."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from launcher.serve.batching import MicroBatcher
from launcher.serve.caches.redis_cache import RedisCache
from launcher.serve.caches.semantic_cache import SemanticCache
from launcher.serve.caches.vector_cache import VectorCache, cache_key
from launcher.serve.requests import EmbeddingRequest, RequestRefused, SearchRequest, bad_request
from launcher.serve.routing import Router
from launcher.serve.search_index import SearchIndex
from launcher.serve.serve_metrics import ServeMetrics
from launcher.serve.served_run import Piece, ServedRun, token_count
from launcher.vectors.query_encoder import InputType
from launcher.vectors.search import Hit, SearchResult
from tasks.engines.base import OutsideModel, truncate_dimensions
from tasks.metrics.exposition import render

Floats = NDArray[np.float32]
SEARCH_THREADS = 2


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vectors of a request, and what the answer says of it."""

    run: str
    input_type: str
    vectors: Sequence[Floats]
    tokens: int
    truncated: int  # texts that were cut
    cached: int  # vectors that were known


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """A run as OpenAI lists models: four fields are of that API, the others what a client must know."""

    id: str  # of the run
    object: str = "model"
    created: int = 0
    owned_by: str = "embedfleet"
    model: str
    fingerprint: str | None
    dimensions: int
    max_tokens: int  # of a text
    engine: str
    dtype: str
    prompts: Mapping[InputType, str]
    default_input_type: InputType


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What serves one run."""

    run: ServedRun
    batcher: MicroBatcher
    index: SearchIndex
    semantic: "SemanticCache[tuple[Hit, ...]] | None" = None


@dataclass(slots=True)
class Service:
    """Answers requests for several runs. `default_type`: what a text is where the request does not say."""

    endpoints: Mapping[str, Endpoint]
    router: Router
    cache: VectorCache
    metrics: ServeMetrics
    default_type: InputType = "query"
    _threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(SEARCH_THREADS, "search"))

    async def embed(self, asked: EmbeddingRequest) -> Embedded:
        """The vectors of a request.

        Raises:
            RequestRefused: the request is wrong, or it cannot be answered now.
        """
        endpoint = self.endpoints[self.router.choose(asked.model, asked.fields)]
        run = endpoint.run
        dimensions = run.checked_dimensions(asked.dimensions)
        kind = asked.input_type or self.default_type
        pieces = await self._pieces(run, asked, self.default_type)
        truncated = sum(piece.cut > 0 for piece in pieces)
        tokens = token_count(pieces)
        self.metrics.read(run.name, tokens, truncated)
        vectors, cached = await self._vectors(endpoint, pieces, dimensions)
        return Embedded(run.name, kind, vectors, tokens, truncated, cached)

    async def search(self, asked: SearchRequest) -> SearchResult:
        """The rows of a run that are nearest to a query.

        Raises:
            RequestRefused: as above.
            Problem: a file of the run cannot be read.
        """
        endpoint = self.endpoints[self.router.choose(asked.model, asked.fields)]
        run = endpoint.run
        request = EmbeddingRequest(run.name, (asked.query,), (), None, "float", "query")
        pieces = await self._pieces(run, request, "query")
        self.metrics.read(run.name, token_count(pieces), sum(piece.cut > 0 for piece in pieces))
        vectors, _ = await self._vectors(endpoint, pieces, run.dimensions)
        hits = None if endpoint.semantic is None else endpoint.semantic.get(vectors[0])
        if hits is None or len(hits) < min(asked.k, run.dataset.rows):
            work = partial(endpoint.index.search, vectors[0], asked.k)
            hits = await asyncio.get_running_loop().run_in_executor(self._threads, work)
            if endpoint.semantic is not None:
                endpoint.semantic.put(vectors[0], hits)
        prompt = run.prompts["query"]
        return SearchResult(
            run=run.name,
            output=run.dataset.output,
            query=asked.query,
            model=run.dataset.header.model,
            prompt=prompt.text,
            prompt_from=prompt.source,
            query_tokens_cut=pieces[0].cut,
            vectors=run.dataset.rows,
            hits=hits[: asked.k],
        )

    def models(self) -> list[ServedModel]:
        """The runs, with what a client must know of each."""
        return [self.model(name) for name in self.endpoints]

    def model(self, name: str) -> ServedModel:
        """One of them; `auto` is the first run.

        Raises:
            RequestRefused: no served run has this name (404).
        """
        run = self.endpoints[self.router.choose(name, {})].run
        return ServedModel(
            id=run.name,
            model=run.dataset.header.model,
            fingerprint=run.dataset.header.model_fingerprint,
            dimensions=run.dimensions,
            max_tokens=run.encoder.limit,
            engine=run.encoder.encoder.name,
            dtype=run.encoder.encoder.dtype,
            prompts={kind: prompt.text for kind, prompt in run.prompts.items()},
            default_input_type=self.default_type,
        )

    def page(self) -> str:
        """The metrics."""
        shared = self.cache.shared
        caches = {"memory": (self.cache.hits, self.cache.misses + self.cache.shared_hits)}
        if shared is not None:
            caches["shared"] = (self.cache.shared_hits, self.cache.misses)
        semantic = [one.semantic for one in self.endpoints.values() if one.semantic is not None]
        if semantic:
            caches["semantic"] = (sum(one.hits for one in semantic), sum(one.misses for one in semantic))
        depths = {name: one.batcher.depth for name, one in self.endpoints.items()}
        errors = shared.errors if isinstance(shared, RedisCache) else None
        return render(self.metrics.metrics(depths, caches, errors))

    async def close(self) -> None:
        """End the engines and the caches."""
        for one in self.endpoints.values():
            await one.batcher.close()
        if self.cache.shared is not None:
            await self.cache.shared.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _pieces(self, run: ServedRun, asked: EmbeddingRequest, default: InputType) -> list[Piece]:
        """The inputs as the model reads them, cut in a thread: a long body would hold up other requests for seconds."""
        work = partial(run.pieces, asked, default)
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _vectors(
        self, endpoint: Endpoint, pieces: Sequence[Piece], dimensions: int
    ) -> tuple[list[Floats], int]:
        """The vectors of pieces, from the cache or the engine; how many the cache had."""
        keys = [cache_key(endpoint.run.identity, piece, dimensions) for piece in pieces]
        known = await self.cache.get(keys)
        wanted = {key: piece for key, piece, one in zip(keys, pieces, known, strict=True) if one is None}
        fresh: dict[bytes, bytes] = {}
        if wanted:
            try:
                found = truncate_dimensions(await endpoint.batcher.embed(list(wanted.values())), dimensions)
            except OutsideModel as error:
                raise bad_request(str(error), "input") from error
            if not np.isfinite(found).all():
                raise RequestRefused(500, "the model gave no vector for a text of input", code="no_vector")
            fresh = {
                key: row.astype("<f4", copy=False).tobytes() for key, row in zip(wanted, found, strict=True)
            }
            await self.cache.put(list(fresh.items()))
        rows = [np.frombuffer(one or fresh[key], "<f4") for key, one in zip(keys, known, strict=True)]
        return rows, len(keys) - sum(one is None for one in known)
