"""Bytes of vectors in PostgreSQL with pgvector: the HNSW index, which pays by the page, and the table with its TOAST.

Pure. Both are as PostgreSQL writes them when rows are only added: a page holds whole tuples, so a vector that is a
little too long costs twice as much. docs/sizes.md has the measurements.
"""

from math import ceil, floor
from typing import Literal

from pricing.charges.vector_stores import number

Element = Literal["vector", "halfvec", "bit"]

BITS: dict[Element, int] = {"vector": 32, "halfvec": 16, "bit": 1}
TYPE_HEADER = 8  # bytes of a value before its numbers: length and dimensions
ALIGN = 8
TUPLE_HEADER, POINTER = 24, 4  # bytes of a row, and of its place in the page
PAGE_HEADER = 24
TOAST_ABOVE = 2_032  # bytes of a row above which its vector moves out of it
CHUNK = 1_996  # bytes of a piece of it at most
CHUNK_HEADER = TUPLE_HEADER + 12
TOAST_POINTER = 18
LEAF_FILL = 0.9  # of the pages of a B-tree
SIMULATED_ROWS = 600


def index_bytes(dimensions: int, element: Element, m: int) -> float:
    """Bytes an indexed vector: a page by the number of vectors that fit in it, or two pages for one."""
    page, room = number("pgvector", "page_bytes"), number("pgvector", "page_room")
    each = node_bytes(dimensions, element, m)
    return page * ceil(each / room) if each > room else page / floor(room / each)


def node_bytes(dimensions: int, element: Element, m: int) -> int:
    """Bytes of a vector with its neighbours and item pointers in the index."""
    neighbours = number("pgvector", "neighbour_header") + number("pgvector", "neighbour_bytes") * m
    return round(
        number("pgvector", "tuple_overhead")
        + _numbers(dimensions, element)
        + _aligned(neighbours)
        + number("pgvector", "line_pointers")
    )


def most_dimensions(element: Element) -> int:
    """The most dimensions that an index takes."""
    return round(number("pgvector", f"{element}_most_dims"))


def fewer_dimensions(dimensions: int, element: Element, m: int, step: int = 16) -> int | None:
    """The most dimensions, a multiple of `step`, with which a page holds one vector more; None: no page would."""
    room = number("pgvector", "page_room")
    each = node_bytes(dimensions, element, m)
    most = room / (floor(room / each) + 1) if each <= room else room
    spare = most - (each - _numbers(dimensions, element))
    fewer = floor(spare * 8 / BITS[element]) // step * step
    return fewer if fewer > 0 else None


def table_bytes(dimensions: int, element: Element, id_bytes: float) -> float:
    """Bytes a row of the table `(id text, chunk integer, embedding)`: row, TOAST with its index, and primary key."""
    value = TYPE_HEADER + _numbers(dimensions, element)
    before = _aligned(1 + id_bytes, 4) + 4
    key = (_aligned(8 + _aligned(1 + id_bytes, 4) + 4) + POINTER) / LEAF_FILL
    inline = _aligned(TUPLE_HEADER + before + value)
    if inline <= TOAST_ABOVE:
        return _paged([inline + POINTER]) + key
    row = _aligned(TUPLE_HEADER + before + TOAST_POINTER) + POINTER
    rest = value - 4  # the length is not stored again
    pieces = [min(CHUNK, rest - start) for start in range(0, round(rest), CHUNK)]
    out = [_aligned(CHUNK_HEADER + piece) + POINTER for piece in pieces]
    toast_index = len(pieces) * (16 + POINTER) / LEAF_FILL
    return _paged([row]) + _paged(out) + toast_index + key


def _numbers(dimensions: int, element: Element) -> int:
    return -(-dimensions * BITS[element] // 8)


def _aligned(amount: float, to: int = ALIGN) -> int:
    return ceil(amount / to) * to


def _paged(tuples: list[int]) -> float:
    """Bytes of pages for each group of tuples, when groups are added one after another.

    A tuple goes to the last page that was written, else to one that is known to have room, else to a new one.
    """
    page, room = (
        round(number("pgvector", "page_bytes")),
        round(number("pgvector", "page_bytes")) - PAGE_HEADER,
    )
    free: list[int] = [room]
    last = 0
    for _ in range(SIMULATED_ROWS):
        for size in tuples:
            if free[last] < size:
                last = next((n for n, left in enumerate(free) if left >= size), len(free))
                if last == len(free):
                    free.append(room)
            free[last] -= size
    return len(free) * page / SIMULATED_ROWS
