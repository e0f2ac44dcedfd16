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


def numbers(first: int, count: int) -> list[Piece]:
    return [Piece((number,), "") for number in range(first, first + count)]


def test_large_request_is_embedded_in_turn_with_others() -> None:
    batches: list[list[int]] = []
    begun, others_wait = threading.Event(), threading.Event()

    def encode(ids: Sequence[Sequence[int]], _prompt: str) -> Vectors:
        batches.append([one[0] for one in ids])
        begun.set()
        assert others_wait.wait(10)
        return np.asarray(ids, np.float32)

    async def use() -> None:
        batcher = MicroBatcher(encode, window=0.0, most_tokens=10)
        large = asyncio.create_task(batcher.embed(numbers(0, 45)))
        assert await asyncio.to_thread(begun.wait, 10)
        small = asyncio.create_task(batcher.embed(numbers(100, 2)))
        await asyncio.sleep(0)  # it waits from here on
        assert batcher.depth == 47
        others_wait.set()
        assert np.asarray(await large).ravel().tolist() == list(range(45))
        assert np.asarray(await small).ravel().tolist() == [100.0, 101.0]
        await batcher.close()

    asyncio.run(use())
    assert [len(batch) for batch in batches] == [10, 10, 10, 10, 7]
    assert any(100 in batch for batch in batches[:3])


def test_piece_that_is_larger_than_a_batch_is_embedded_alone() -> None:
    batches: list[int] = []

    def encode(ids: Sequence[Sequence[int]], _prompt: str) -> Vectors:
        batches.append(len(ids))
        return np.asarray([[one[0]] for one in ids], np.float32)

    async def use() -> None:
        batcher = MicroBatcher(encode, window=0.0, most_tokens=2)
        found = await batcher.embed([Piece((1, 1, 1), ""), Piece((2,), ""), Piece((3,), "")])
        assert found.ravel().tolist() == [1.0, 2.0, 3.0]
        await batcher.close()

    asyncio.run(use())
    assert batches == [1, 2]


def test_what_is_left_of_a_request_whose_time_is_over_is_not_embedded() -> None:
    embedded: list[int] = []
    late = threading.Event()

    def encode(ids: Sequence[Sequence[int]], _prompt: str) -> Vectors:
        embedded.extend(one[0] for one in ids)
        assert late.wait(10)
        return np.asarray(ids, np.float32)

    async def use() -> None:
        batcher = MicroBatcher(encode, window=0.0, most_tokens=10, timeout=0.2)
        with pytest.raises(RequestRefused, match=r"not embedded within 0.2 seconds: 0 of 1,000 texts were"):
            await batcher.embed(numbers(0, 1_000))
        late.set()
        assert (await batcher.embed(numbers(5_000, 1))).ravel().tolist() == [5_000.0]
        await batcher.close()

    asyncio.run(use())
    assert embedded == [*range(10), 5_000]


def test_large_requests_shut_out_no_small_one() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def encode(ids: Sequence[Sequence[int]], _prompt: str) -> Vectors:
        begun.set()
        assert go_on.wait(10)
        return np.asarray(ids, np.float32)

    async def use() -> None:
        batcher = MicroBatcher(encode, window=0.0, most_tokens=10, most_waiting=50)
        large = [asyncio.create_task(batcher.embed(numbers(0, 100))) for _ in range(2)]
        assert await asyncio.to_thread(begun.wait, 10)
        assert batcher.depth == 200
        with pytest.raises(RequestRefused, match="200 texts wait already"):  # 4 times 50
            await batcher.embed(numbers(0, 100))
        small = [asyncio.create_task(batcher.embed(numbers(n, 1))) for n in range(20)]
        await asyncio.sleep(
            0
        )  # with the ten that are embedded, and the next ten of each large one, they are 50
        with pytest.raises(RequestRefused, match="220 texts wait already"):
            await batcher.embed(numbers(0, 1))
        go_on.set()
        assert [len(found) for found in await asyncio.gather(*small, *large)] == [1] * 20 + [100] * 2
        await batcher.close()

    asyncio.run(use())
