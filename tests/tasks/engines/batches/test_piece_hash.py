"""The hash of a piece is stable: it is stored with vectors and read by later versions."""

from array import array

from tasks.engines.batches.piece_hash import HASH_BYTES, piece_hash


def test_the_hash_is_the_same_for_ever_and_for_every_sequence() -> None:
    assert piece_hash([101, 7592, 102]).hex() == "702448e2493059d5c9de4092f08fb9b3"
    assert piece_hash(array("i", [101, 7592, 102])) == piece_hash((101, 7592, 102))
    assert len(piece_hash([])) == HASH_BYTES


def test_other_ids_and_another_order_have_another_hash() -> None:
    assert len({piece_hash(ids) for ids in ([1, 2], [2, 1], [1], [1, 2, 0], [])}) == 5
