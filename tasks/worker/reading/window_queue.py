"""The bounded queue between reader and engine, measured in tokens, so that a fast reader does not fill the memory."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    @property
    def tokens(self) -> int: ...

    @property
    def pieces(self) -> int: ...


T = TypeVar("T", bound=Sized)


class WindowQueue(Generic[T]):
    """A queue of windows between one reader thread and one engine thread. `end` is the reader's, `close` the engine's."""

    def __init__(self, most: int, together: Callable[[T, T], bool] = lambda _one, _next: True) -> None:
        """`most` tokens wait at once; a larger window goes in alone. `together`: whether two may be taken at once."""
        self.most = most
        self.may_share_batch = together
        self.tokens = 0
        self._items: deque[T] = deque()
        self._ended = False
        self._closed = False
        self._change = threading.Condition()

    def put(self, item: T) -> bool:
        """Wait for room and append; False when the queue is closed."""
        with self._change:
            self._change.wait_for(
                lambda: self._closed or not self._items or self.tokens + item.tokens <= self.most
            )
            if self._closed:
                return False
            self._items.append(item)
            self.tokens += item.tokens
            self._change.notify_all()
            return True

    def take(self, tokens: int, pieces: int, seconds: float) -> list[T] | None:
        """At least one item, and more up to `tokens` and `pieces`; [] after `seconds` without any; None when it ended."""
        until = monotonic() + seconds
        with self._change:
            while not self._items:
                left = until - monotonic()
                if self._ended or left <= 0:
                    return None if self._ended else []
                self._change.wait(left)
            out = [self._items.popleft()]
            size, count = out[0].tokens, out[0].pieces
            while (
                self._items
                and size + self._items[0].tokens <= tokens
                and count + self._items[0].pieces <= pieces
                and self.may_share_batch(out[-1], self._items[0])
            ):
                out.append(self._items.popleft())
                size, count = size + out[-1].tokens, count + out[-1].pieces
            self.tokens -= size
            self._change.notify_all()
            return out

    def put_back(self, items: Sequence[T]) -> None:
        """Return items that were taken and are not used yet to the front."""
        with self._change:
            self._items.extendleft(reversed(items))
            self.tokens += sum(item.tokens for item in items)

    def end(self) -> None:
        """No more items will be put."""
        with self._change:
            self._ended = True
            self._change.notify_all()

    def close(self) -> None:
        """No more items will be taken; what waits is dropped."""
        with self._change:
            self._closed = True
            self._items.clear()
            self._change.notify_all()
