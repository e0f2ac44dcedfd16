"""Shards: the id depends only on the content."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.protocol.documents import BadDocument
from tasks.protocol.shard import KINDS, SLAB, Shard, Slice, dump, identify, load
from tasks.stores.base import check_read_key

# File names of this kind of system are bytes: those that are not UTF-8 arrive with lone surrogates.
names = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
)


def readable(name: str) -> bool:
    """Whether a store would read a file of this name."""
    try:
        check_read_key(name)
    except ValueError:
        return False
    return True


sizes = st.integers(0, 2**50)
slices = st.builds(Slice, names, names, st.sampled_from(KINDS), sizes, st.none() | sizes)
pieces = st.lists(
    st.builds(Slice, names.filter(readable), names, st.sampled_from(KINDS), sizes, st.none() | sizes),
    max_size=4,
).map(tuple)


@st.composite
def made_shards(draw: st.DrawFn) -> Shard:
    """A shard whose id is that of its files."""
    files = draw(pieces)
    return Shard(identify(files), draw(st.integers(0, 10**7)), files, draw(sizes), draw(st.none() | sizes))


REVIEWS = Slice("a/reviews.parquet", "512-17", "parquet", 0, 1_000)


@given(made_shards())
def test_a_shard_comes_back_from_its_line(shard: Shard) -> None:
    assert load(dump(shard)) == shard


def test_a_shard_of_other_files_than_its_id_names_is_refused() -> None:
    shard = Shard(identify([REVIEWS]), 0, (replace(REVIEWS, end=999),), 512)
    with pytest.raises(BadDocument, match="its files are not those of the id 8ffd7e61112af25a"):
        load(dump(shard))


@pytest.mark.parametrize("path", ["../precious.txt", "/etc/passwd", "a/../../b", "", "a\x00b"])
def test_a_file_outside_the_corpus_is_refused(path: str) -> None:
    outside = (replace(REVIEWS, path=path),)
    with pytest.raises(BadDocument, match="not a shard: not a key"):
        load(dump(Shard(identify(outside), 0, outside, 512)))


@given(st.lists(slices, max_size=4))
def test_an_id_has_16_hexadecimal_digits(pieces: list[Slice]) -> None:
    assert len(identify(pieces)) == 16
    assert set(identify(pieces)) <= set("0123456789abcdef")


@given(st.lists(slices, max_size=3), st.lists(slices, max_size=3))
def test_other_slices_have_another_id(one: list[Slice], other: list[Slice]) -> None:
    assert (identify(one) == identify(other)) == (one == other)


def test_an_id_is_the_same_on_every_machine_and_in_every_version() -> None:
    assert identify([REVIEWS]) == "8ffd7e61112af25a"


def test_an_id_changes_with_every_part_of_a_slice() -> None:
    changed = [
        replace(REVIEWS, path="a/reviews2.parquet"),
        replace(REVIEWS, version="512-18"),
        replace(REVIEWS, kind="jsonl"),
        replace(REVIEWS, start=1),
        replace(REVIEWS, end=1_001),
        replace(REVIEWS, end=None),
    ]
    assert len({identify([s]) for s in [REVIEWS, *changed]}) == 7


def test_an_id_does_not_mix_up_the_ends_of_neighbouring_parts() -> None:
    assert identify([Slice("ab", "c", "text")]) != identify([Slice("a", "bc", "text")])


def test_the_order_of_slices_counts() -> None:
    other = replace(REVIEWS, start=1_000, end=2_000)
    assert identify([REVIEWS, other]) != identify([other, REVIEWS])


def test_a_slab_holds_a_thousand_shards() -> None:
    slabs = [Shard("0" * 16, position, (), 0).slab for position in (0, SLAB - 1, SLAB, 123 * SLAB)]
    assert slabs == ["00000", "00000", "00001", "00123"]


def test_name_with_half_a_character_has_an_id_of_its_own() -> None:
    """No file system has it; a damaged manifest may."""
    names = ("a", "a\udbff", "a\udcff")
    assert len({identify([Slice(name, "1", "jsonl")]) for name in names}) == len(names)
