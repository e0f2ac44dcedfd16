"""`embedfleet serve`: queries of a run over HTTP, the check of any such server, and the YAML of a rented one."""

import os
from argparse import Namespace
from collections.abc import Sequence

from launcher.cli.commands.serve_check import check, key_of
from launcher.cli.commands.serve_write import write_service
from launcher.cli.console import say
from launcher.cli.named_dataset import named_dataset
from launcher.errors import Usage
from launcher.evaluation.judgments import read_queries
from launcher.serve.batching import MicroBatcher
from launcher.serve.caches.redis_cache import open_redis
from launcher.serve.caches.semantic_cache import SemanticCache, wrong_first_hits
from launcher.serve.caches.vector_cache import VectorCache
from launcher.serve.routing import Rule, parse_rule, router
from launcher.serve.search_index import SearchIndex
from launcher.serve.serve_metrics import ServeMetrics
from launcher.serve.served_run import ServedRun, load_served_run
from launcher.serve.server import bind, check_access, check_installed, run_server
from launcher.serve.service import Endpoint, Service
from launcher.vectors.read_dataset import Dataset
from launcher.vectors.search import Hit
from tasks.metrics.server import is_loopback

CACHE_VARIABLE = "EMBEDFLEET_CACHE_URL"


def serve(arguments: Namespace) -> int:
    """Serve the runs until SIGTERM or Ctrl-C; check another server, or write the YAML of a rented one."""
    if arguments.check is not None:
        return check(arguments)
    if arguments.write is not None:
        return write_service(arguments)
    check_installed()
    key = key_of(arguments.key)
    check_access(arguments.host, key)
    if arguments.semantic_cache is not None and arguments.queries is None:
        raise Usage(
            "--semantic-cache without queries of yours: how often it is wrong is not known",
            hint="--queries FILE.jsonl, a sample of your queries in their order",
        )
    queries = [] if arguments.queries is None else list(read_queries(arguments.queries).values())
    cache = _cache(arguments)
    datasets = _datasets(arguments)
    routes = router([one.run for one in datasets], [_rule(word) for word in arguments.route])
    listener = bind(arguments.host, arguments.port)
    try:
        service = Service(
            endpoints={one.run: _endpoint(one, arguments) for one in datasets},
            router=routes,
            cache=cache,
            metrics=ServeMetrics(),
            default_type=arguments.input_type,
        )
        _connect_metrics(service)
        for endpoint in service.endpoints.values():
            if arguments.semantic_cache is not None:
                _measure_semantic_cache(endpoint, queries, arguments.semantic_cache)
            say(_line(endpoint.run))
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        say(f"serving at http://{shown}:{port}/v1 (OpenAI), /search, /metrics; Ctrl-C or SIGTERM ends it")
        if is_loopback(arguments.host) and key is None:
            say("only this machine reaches it")
        from launcher.serve.app import Gate, make_app  # noqa: PLC0415 - starlette is optional: checked above

        run_server(make_app(service, Gate(key)), listener)
    finally:
        listener.close()
    say("ended")
    return 0


def _datasets(arguments: Namespace) -> list[Dataset]:
    names: Sequence[str | None] = arguments.run or [None]
    found = [named_dataset(Namespace(run=name, runs=arguments.runs)) for name in names]
    twice = [one.run for place, one in enumerate(found) if one.run in {other.run for other in found[:place]}]
    if twice:
        raise Usage(f"run {twice[0]} is named twice", hint="name every run once")
    return found


def _rule(word: str) -> Rule:
    try:
        return parse_rule(word)
    except ValueError as error:
        raise Usage(f"--route {word[:60]}: no rule", hint=str(error)) from error


def _endpoint(dataset: Dataset, arguments: Namespace) -> Endpoint:
    say(f"loading {dataset.header.model} of run {dataset.run}")
    run = load_served_run(dataset, engine=arguments.engine, threads=arguments.threads)
    batcher = MicroBatcher(
        run.encoder.encode,
        window=arguments.window_ms / 1_000,
        most_waiting=arguments.queue,
        timeout=arguments.timeout,
    )
    semantic = None
    if arguments.semantic_cache is not None:
        semantic = SemanticCache[tuple[Hit, ...]](arguments.semantic_cache, run.dimensions)
    return Endpoint(run, batcher, SearchIndex(dataset), semantic)


def _connect_metrics(service: Service) -> None:
    for name, endpoint in service.endpoints.items():
        endpoint.batcher.observe = lambda pieces, name=name: service.metrics.batch(name, pieces)


def _cache(arguments: Namespace) -> VectorCache:
    url = arguments.cache_url or os.environ.get(CACHE_VARIABLE)
    shared = open_redis(url, from_environment=arguments.cache_url is None, tell=say) if url else None
    return VectorCache(arguments.cache_mb * 2**20, shared)


def _measure_semantic_cache(endpoint: Endpoint, queries: Sequence[str], threshold: float) -> None:
    """Say how often the cache of similar queries would have been wrong."""
    run = endpoint.run
    prompt = run.prompts["query"].text
    pieces = run.encoder.pieces(queries, prompt)
    vectors = run.encoder.encode([piece.ids[0] for piece in pieces], prompt)
    found = wrong_first_hits(list(vectors), lambda query: endpoint.index.search(query, 1)[0].id, threshold)
    wrong = (
        "no hit to judge"
        if found.wrong_share is None
        else f"{100 * found.wrong_share:.1f} % of these have another first result"
    )
    say(
        f"semantic cache of {run.name}: threshold {threshold:g}; of your {found.queries:,} queries "
        f"{100 * found.hit_share:.1f} % would be answered by it, {wrong}"
    )


def _line(run: ServedRun) -> str:
    header, engine = run.dataset.header, run.encoder.encoder
    prompts = {kind: prompt.text for kind, prompt in run.prompts.items()}
    return (
        f"{run.name}: {header.model}, {run.dimensions} dimensions, at most {run.encoder.limit:,} tokens, {engine.name} "
        f"in {engine.dtype} on {engine.device}; prompts: query {prompts['query']!r}, document {prompts['document']!r}"
    )
