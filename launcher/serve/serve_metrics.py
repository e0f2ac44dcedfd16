"""What the server counts, as metrics of Prometheus. docs/serve.md lists the names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.metrics.exposition import Histogram, Metric, Sample, counter

# seconds: from a cache hit to the time limit
REQUEST_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCH_BOUNDS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)


@dataclass(slots=True)
class ServeMetrics:
    """Counts of one server. It is changed from the event loop, and by engine threads through histograms alone."""

    requests: dict[tuple[str, int], Histogram] = field(default_factory=dict[tuple[str, int], Histogram])
    batches: dict[str, Histogram] = field(default_factory=dict[str, Histogram])
    tokens: dict[str, int] = field(default_factory=dict[str, int])
    truncated: dict[str, int] = field(default_factory=dict[str, int])

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request by its route and status."""
        self.requests.setdefault((path, status), Histogram(REQUEST_BOUNDS)).observe(seconds)

    def batch(self, run: str, pieces: int) -> None:
        """Count a batch."""
        self.batches.setdefault(run, Histogram(BATCH_BOUNDS)).observe(pieces)

    def read(self, run: str, tokens: int, truncated: int) -> None:
        """Count what was asked."""
        self.tokens[run] = self.tokens.get(run, 0) + tokens
        self.truncated[run] = self.truncated.get(run, 0) + truncated

    def metrics(
        self, depths: Mapping[str, int], caches: Mapping[str, tuple[int, int]], redis_errors: int | None
    ) -> tuple[Metric, ...]:
        """All metrics. `depths`: of the queues, by run; `caches`: hits and misses, by the name of the cache."""
        return (
            Metric("embedfleet_serve_request_seconds", "histogram", "Time of requests, by route and status.",
                   tuple(sample for (path, status), one in sorted(self.requests.items())
                         for sample in one.samples({"path": path, "status": str(status)}))),
            Metric("embedfleet_serve_batch_size", "histogram", "Texts that were embedded together.",
                   tuple(sample for run, one in sorted(self.batches.items()) for sample in one.samples({"run": run}))),
            Metric("embedfleet_serve_queue_depth", "gauge", "Texts that wait or are being embedded.",
                   tuple(Sample(depth, {"run": run}) for run, depth in depths.items())),
            Metric("embedfleet_serve_tokens_total", "counter", "Tokens of the texts that were asked for.",
                   _by_run(self.tokens)),
            Metric("embedfleet_serve_truncated_total", "counter", "Texts that were too long and were cut.",
                   _by_run(self.truncated)),
            Metric("embedfleet_serve_cache_hits_total", "counter", "What a cache gave.",
                   tuple(Sample(hits, {"cache": name}) for name, (hits, _) in caches.items())),
            Metric("embedfleet_serve_cache_misses_total", "counter", "What a cache was asked for and did not have.",
                   tuple(Sample(misses, {"cache": name}) for name, (_, misses) in caches.items())),
            counter("embedfleet_serve_redis_errors_total", "Calls of the shared cache that failed.", redis_errors),
        )  # fmt: skip


def _by_run(counts: Mapping[str, int]) -> tuple[Sample, ...]:
    return tuple(Sample(count, {"run": run}) for run, count in sorted(counts.items()))
