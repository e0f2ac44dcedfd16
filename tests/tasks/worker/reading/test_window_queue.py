"""What waits for the engine is bounded, comes in order, and nobody waits for ever."""

import threading
import time
from dataclasses import dataclass

from tasks.worker.reading.window_queue import WindowQueue


@dataclass(frozen=True)
class Part:
    name: str
    tokens: int
    pieces: int = 1


def names(parts: list[Part] | None) -> list[str] | None:
    return None if parts is None else [part.name for part in parts]


def filled(*parts: Part, most: int = 1_000) -> WindowQueue[Part]:
    queue = WindowQueue[Part](most)
    for part in parts:
        assert queue.put(part)
    return queue


def test_ready_items_are_taken_in_order() -> None:
    queue = filled(Part("a", 10), Part("b", 20), Part("c", 30))
    assert names(queue.take(100, 100, 0)) == ["a", "b", "c"]
    assert queue.tokens == 0


def test_no_more_tokens_are_taken_together_than_asked_for() -> None:
    queue = filled(Part("a", 10), Part("b", 20), Part("c", 30))
    assert names(queue.take(35, 100, 0)) == ["a", "b"]
    assert queue.tokens == 30


def test_no_more_pieces_are_taken_together_than_asked_for() -> None:
    queue = filled(Part("a", 1, 5), Part("b", 1, 5), Part("c", 1, 5))
    assert names(queue.take(100, 10, 0)) == ["a", "b"]


def test_item_larger_than_the_limit_is_taken_alone() -> None:
    assert names(filled(Part("a", 500), Part("b", 1)).take(100, 100, 0)) == ["a"]


def test_nothing_ready_is_an_empty_list_after_the_time_given() -> None:
    assert WindowQueue[Part](10).take(1, 1, 0.01) == []


def test_end_comes_after_the_last_item() -> None:
    queue = filled(Part("a", 1))
    queue.end()
    assert names(queue.take(10, 10, 0)) == ["a"]
    assert queue.take(10, 10, 5) is None


def test_full_queue_blocks_the_reader() -> None:
    queue = filled(Part("a", 8), most=10)
    put = threading.Thread(target=queue.put, args=(Part("b", 8),))
    put.start()
    put.join(0.05)
    assert put.is_alive()
    assert queue.tokens == 8
    assert names(queue.take(100, 100, 0)) == ["a"]
    put.join(5)
    assert not put.is_alive()
    assert queue.tokens == 8


def test_item_larger_than_the_queue_goes_in_alone() -> None:
    assert names(filled(Part("a", 50), most=10).take(100, 100, 0)) == ["a"]


def test_closed_queue_frees_the_reader_and_takes_nothing() -> None:
    queue = filled(Part("a", 8), most=10)
    answers: list[bool] = []
    put = threading.Thread(target=lambda: answers.append(queue.put(Part("b", 8))))
    put.start()
    time.sleep(0.02)
    queue.close()
    put.join(5)
    assert answers == [False]
