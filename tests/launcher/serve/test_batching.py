"""A batch whose engine fails when nobody waits any more."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from launcher.serve.batching import MicroBatcher
from launcher.serve.requests import RequestRefused
from launcher.serve.served_run import Piece
from tasks.engines.base import Vectors


def test_failure_that_nobody_waits_for_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    late = threading.Event()

    def encode(_ids: Sequence[Sequence[int]], _prompt: str) -> Vectors:
        late.wait(10)
        raise MemoryError("the engine broke")

    async def use() -> None:
        batcher = MicroBatcher(encode, window=0.0, timeout=0.2)
        with pytest.raises(RequestRefused, match="not embedded within"):
            await batcher.embed([Piece((1,), "")])
        late.set()
        with pytest.raises(MemoryError):  # the next batch, whose request hears of it itself
            await batcher.embed([Piece((2,), "")])
        await batcher.close()

    asyncio.run(use())
    assert capfd.readouterr().err.count("MemoryError: the engine broke") == 1
