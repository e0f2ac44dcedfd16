"""What was read and waits for the engine: bounded, so that a fast reader fills no memory."""

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
    """A queue of windows for one reader and one engine. Closed by either: by the reader when there is no more."""

    def __init__(self, most: int, together: Callable[[T, T], bool] = lambda _one, _next: True) -> None:
        """`most` tokens wait at once; a larger window goes in alone. `together`: whether two may be taken at once."""
        self.most = most
        self.together = together
        self.tokens = 0
        self._items: deque[T] = deque()
        self._ended = False
        self._closed = False
        self._change = threading.Condition()

    def put(self, item: T) -> bool:
        """Wait for room; False when nobody will take it."""
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
        """As many as there are within `tokens` and `pieces`, at least one; [] after `seconds` of none; None at last."""
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
                and self.together(out[-1], self._items[0])
            ):
                out.append(self._items.popleft())
                size, count = size + out[-1].tokens, count + out[-1].pieces
            self.tokens -= size
            self._change.notify_all()
            return out

    def back(self, items: Sequence[T]) -> None:
        """What was taken and is not wanted yet, before all else."""
        with self._change:
            self._items.extendleft(reversed(items))
            self.tokens += sum(item.tokens for item in items)

    def end(self) -> None:
        """No more will come."""
        with self._change:
            self._ended = True
            self._change.notify_all()

    def close(self) -> None:
        """Nobody will take any more."""
        with self._change:
            self._closed = True
            self._items.clear()
            self._change.notify_all()
