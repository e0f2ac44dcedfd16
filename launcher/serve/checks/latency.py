"""How long a server takes for one text, as a client sees it: percentiles at several numbers of clients."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from launcher.documents.serve_check import Latency
from launcher.serve.checks.client import EmbeddingClient, ServerRefused
from launcher.throughput.spread import quantile

CLIENTS = (1, 8, 32)
REQUESTS = 200  # at each number of clients
MOST_SECONDS = 30.0  # of each


def measure_latency(
    client_of: Callable[[], EmbeddingClient],
    texts: Sequence[str],
    clients: int,
    most_seconds: float = MOST_SECONDS,
) -> Latency:
    """Ask for each text, one a request, with so many clients at once. `client_of` makes a client."""
    local = threading.local()
    opened: list[EmbeddingClient] = []
    end = time.monotonic() + most_seconds

    def ask(text: str) -> float | None:
        if time.monotonic() > end:
            return None
        if not hasattr(local, "client"):
            local.client = client_of()
            opened.append(local.client)
        start = time.perf_counter()
        try:
            local.client.embed([text])
        except ServerRefused:
            return -1.0
        return time.perf_counter() - start

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = [seconds for seconds in pool.map(ask, texts) if seconds is not None]
    took = time.perf_counter() - begun
    for client in opened:
        client.close()
    good = [seconds for seconds in found if seconds >= 0]
    return Latency(
        clients=clients,
        requests=len(found),
        failed=len(found) - len(good),
        p50_ms=_quantile_ms(good, 0.5),
        p95_ms=_quantile_ms(good, 0.95),
        p99_ms=_quantile_ms(good, 0.99),
        requests_per_second=round(len(good) / took, 2) if took else 0.0,
    )


def _quantile_ms(seconds: Sequence[float], share: float) -> float | None:
    found = quantile(seconds, share)
    return None if found is None else round(1_000 * found, 2)
