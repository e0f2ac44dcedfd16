"""The cache of vectors in Redis or Valkey: raw bytes under short keys, with a time to live.

A server that is away or slow is left alone for some seconds (a circuit breaker), and the vectors are computed: no
request fails by it. The first failure after an answer is reported, and all are counted.
"""
# redis is typed in part, and optional
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false

import importlib.util
import time
from collections.abc import Callable, Sequence
from typing import Any

from launcher.errors import Usage
from launcher.jobs.paths import holds_credentials

PREFIX = b"embedfleet:v1:"
TIMEOUT_SECONDS = 0.25  # of an answer: a vector is embedded in less than a few of these
REST_SECONDS = 5.0  # after a failure
KEPT_SECONDS = 30 * 86_400


def ignore(_line: str) -> None:
    """Report nothing."""


class RedisCache:
    """A `SharedCache`. `errors` counts calls that raised one of `failures`; `tell` hears of the first of a row."""

    def __init__(
        self, client: Any, failures: tuple[type[Exception], ...], tell: Callable[[str], None] = ignore
    ) -> None:
        self.errors = 0
        self._client = client
        self._failures = failures
        self._tell = tell
        self._away = False
        self._again = 0.0  # by the monotonic clock

    async def get(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of these keys; all None where the server does not answer."""
        if time.monotonic() >= self._again:
            try:
                found = list(await self._client.mget([PREFIX + key for key in keys]))
            except self._failures as error:
                self._failed(error)
            else:
                self._away = False
                return found
        return [None] * len(keys)

    async def put(self, entries: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep values, for a month."""
        if time.monotonic() < self._again:
            return
        try:
            async with self._client.pipeline(transaction=False) as pipe:
                for key, value in entries:
                    pipe.set(PREFIX + key, value, ex=KEPT_SECONDS)
                await pipe.execute()
        except self._failures as error:
            self._failed(error)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    def _failed(self, error: Exception) -> None:
        self.errors += 1
        self._again = time.monotonic() + REST_SECONDS
        if not self._away:
            self._away = True
            self._tell(
                f"the shared cache fails, and vectors are computed: {str(error) or type(error).__name__}"
            )


def open_redis(url: str, *, from_environment: bool, tell: Callable[[str], None] = ignore) -> RedisCache:
    """The cache at redis://HOST:PORT/DB. It is not asked for anything yet; `tell` hears when it begins to fail.

    Raises:
        Usage: the client is not installed, the URL is none, or it holds a password and stands on the command line.
    """
    if importlib.util.find_spec("redis") is None:
        raise Usage("the client of Redis is not installed here", hint="pip install 'embedfleet[redis]'")
    if holds_credentials(url) and not from_environment:
        raise Usage(
            "the address of the cache holds a password, and other users see command lines",
            hint="put it into $EMBEDFLEET_CACHE_URL, and leave --cache-url out",
        )
    import redis.asyncio  # noqa: PLC0415 - optional
    import redis.exceptions  # noqa: PLC0415

    try:
        client: Any = redis.asyncio.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            decode_responses=False,
        )
    except ValueError as error:
        raise Usage(
            "the address of the cache is none of Redis", hint="such as redis://127.0.0.1:6379/0"
        ) from error
    return RedisCache(client, (redis.exceptions.RedisError, OSError), tell)
