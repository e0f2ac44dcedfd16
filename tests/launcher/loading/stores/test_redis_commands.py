"""Rows as commands of Redis's protocol, read back by its rules."""

import numpy as np

from launcher.loading.stores.redis_commands import transaction


def commands_in(sent: bytes) -> list[list[bytes]]:
    """The commands of a buffer: arrays of bulk strings, each with its length before it."""
    found: list[list[bytes]] = []
    at = 0

    def number(mark: bytes) -> int:
        nonlocal at
        end = sent.index(b"\r\n", at)
        assert sent[at : at + 1] == mark
        at, value = end + 2, int(sent[at + 1 : end])
        return value

    while at < len(sent):
        words: list[bytes] = []
        for _ in range(number(b"*")):
            length = number(b"$")
            words.append(sent[at : at + length])
            assert sent[at + length : at + length + 2] == b"\r\n"
            at += length + 2
        found.append(words)
    return found


VECTORS = np.arange(6, dtype=np.float32).reshape(2, 3)
KEPT = {"title": ["á\r\n*1", None], "lang": [None, ""]}


def test_each_row_is_one_hash_with_the_fields_that_it_has() -> None:
    sent, count = transaction(["i:a:0", "i:b:12"], ["a", "b"], [0, 12], VECTORS.tobytes(), KEPT, fresh=False)
    first, second = (row.tobytes() for row in VECTORS)
    assert count == 2
    assert commands_in(sent) == [
        [b"MULTI"],
        [b"HSET", b"i:a:0", b"id", b"a", b"chunk", b"0", b"title", "á\r\n*1".encode(), b"vector", first],
        [b"HSET", b"i:b:12", b"id", b"b", b"chunk", b"12", b"lang", b"", b"vector", second],
        [b"EXEC"],
    ]


def test_hashes_that_may_be_there_are_deleted_before() -> None:
    sent, count = transaction(["i:a:0", "i:b:0"], ["a", "b"], [0, 0], VECTORS.tobytes(), {}, fresh=True)
    assert count == 4
    assert [command[:2] for command in commands_in(sent)] == [
        [b"MULTI"],
        *([word, key] for key in (b"i:a:0", b"i:b:0") for word in (b"DEL", b"HSET")),
        [b"EXEC"],
    ]
