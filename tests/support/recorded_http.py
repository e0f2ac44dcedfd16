"""An `Http` that answers from the files of `tests/data/prices`, and remembers what it was asked."""

from collections.abc import Callable, Mapping

from tests.support.paths import DATA

PRICES = DATA / "prices"

Answer = Callable[[str, Mapping[str, str]], bytes]


class Recorded:
    """What it does not know, `answer` raises; so a source's whole talk can be read off `asked`."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[str, dict[str, str], dict[str, str]]] = []

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        self.asked.append((url, dict(params or {}), dict(headers or {})))
        return self.answer(url, params or {})


def body(name: str) -> bytes:
    return (PRICES / name).read_bytes()
