"""A batch whose engine fails: those that are not the reason get their vectors."""

import asyncio
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from launcher.serve.batching import MicroBatcher
from launcher.serve.requests import RequestRefused
from launcher.serve.served_run import Piece
from tasks.engines.base import OutsideModel, Vectors


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


def test_request_that_the_engine_fails_on_harms_no_other_of_its_batch() -> None:
    batches: list[int] = []

    def encode(ids: Sequence[Sequence[int]], _prompt: str) -> Vectors:
        batches.append(len(ids))
        if any(99 in one for one in ids):
            raise OutsideModel("the token 99, and the model knows 10")
        return np.asarray(ids, np.float32)

    async def use() -> None:
        batcher = MicroBatcher(encode, window=0.05)
        asked = [batcher.embed([Piece((number,), "")]) for number in (1, 99, 3)]
        one, bad, three = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(bad, OutsideModel)
        assert [np.asarray(found).tolist() for found in (one, three)] == [[[1.0]], [[3.0]]]
        await batcher.close()

    asyncio.run(use())
    assert batches == [3, 1, 1, 1]
