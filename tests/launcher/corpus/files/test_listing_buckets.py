"""The listing of a corpus in a bucket."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launcher.corpus.files.listing import Listing, find_files
from launcher.errors import Problem
from tasks.stores.base import Entry, check_prefix
from tasks.stores.memory import MemoryStore
from tests.support.input_files import left_out, names
from tests.support.runs import NOON


class Below:
    """A part of a bucket, as a store opened at a prefix shows it."""

    def __init__(self, bucket: MemoryStore, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix

    def list(self, prefix: str, after: str = "") -> list[Entry]:
        check_prefix(prefix)
        full = self.bucket.list(self.prefix + prefix, self.prefix + after if after else "")
        return [replace(e, key=e.key.removeprefix(self.prefix)) for e in full]


def in_bucket(path: str, *keys: str, body: bytes = b'{"text": "one"}\n') -> Listing:
    """The listing of s3://b/PATH where these objects are."""
    bucket = MemoryStore()
    for key in keys:
        bucket.blobs[key], bucket.versions[key] = (body, NOON), "1"

    def opened(url: str) -> Any:
        prefix = url.removeprefix("s3://b").strip("/")
        return Below(bucket, f"{prefix}/" if prefix else "")

    return find_files(f"s3://b/{path}", Path("/nowhere"), opened)


def test_bucket_prefix_lists_all_below_it() -> None:
    found = in_bucket("reviews", "reviews/a.jsonl", "reviews/2026/b.parquet", "reviews2/c.jsonl", "d.jsonl")
    assert (found.root, names(found)) == ("s3://b/reviews", ["2026/b.parquet", "a.jsonl"])


def test_whole_bucket_is_listed() -> None:
    found = in_bucket("", "a.jsonl", "x/b.jsonl")
    assert (found.root, names(found)) == ("s3://b", ["a.jsonl", "x/b.jsonl"])


def test_key_of_an_object_lists_that_object() -> None:
    found = in_bucket("in/a.jsonl", "in/a.jsonl", "in/a.jsonl.gz", "in/b.jsonl")
    assert (found.root, names(found)) == ("s3://b/in", ["a.jsonl"])


@pytest.mark.parametrize(
    ("glob", "root", "wanted"),
    [
        ("in/*.jsonl", "s3://b/in", ["a.jsonl", "b.jsonl"]),
        ("in/a*", "s3://b/in", ["a.jsonl"]),
        ("in/**/*.jsonl", "s3://b/in", ["a.jsonl", "b.jsonl", "x/y/c.jsonl"]),
        ("in/**", "s3://b/in", ["a.jsonl", "b.jsonl", "x/d.txt", "x/y/c.jsonl"]),
        ("in/x/*", "s3://b/in/x", ["d.txt", "y/c.jsonl"]),
        ("i[mn]/x/?.txt", "s3://b", ["in/x/d.txt"]),
    ],
)
def test_glob_in_a_bucket_matches_as_in_a_folder(glob: str, root: str, wanted: list[str]) -> None:
    found = in_bucket(glob, "in/a.jsonl", "in/b.jsonl", "in/x/y/c.jsonl", "in/x/d.txt", "other/a.jsonl")
    assert (found.root, names(found)) == (root, wanted)


def test_existing_object_with_brackets_is_no_glob() -> None:
    assert names(in_bucket("a[1].jsonl", "a[1].jsonl", "a1.jsonl")) == ["a[1].jsonl"]


def test_folder_markers_and_hidden_objects_are_ignored() -> None:
    found = in_bucket("in", "in/", "in/x/", "in/_SUCCESS", "in/.a.jsonl", "in/x/a.jsonl", "in/b.json")
    assert names(found) == ["x/a.jsonl"]
    assert left_out(found) == {"hidden .jsonl": 1, ".json beside other formats": 1, "hidden file": 1}


@pytest.mark.parametrize("key", ["in/../a.jsonl", "in//../a.jsonl", "in/a\0.jsonl"])
def test_object_key_that_is_no_path_is_skipped(key: str) -> None:
    assert names(in_bucket("in", key, "in/good.jsonl")) == ["good.jsonl"]


@pytest.mark.parametrize("path", ["in", "in/*.jsonl", "gone.jsonl"])
def test_empty_bucket_prefix_is_a_problem_with_its_url(path: str) -> None:
    with pytest.raises(Problem, match=re.escape(f"no corpus at s3://b/{path}")):
        in_bucket(path, "other/a.jsonl")


def test_dots_in_a_bucket_path_are_refused() -> None:
    with pytest.raises(Problem, match=r"no path in a bucket has \. or \.\. in it"):
        in_bucket("in/../other", "other/a.jsonl")


def test_the_log_of_a_table_in_a_bucket_is_named() -> None:
    listing = in_bucket("t", "t/_delta_log/0.json", "t/metadata/v1.metadata.json", "t/data/a.jsonl")
    assert left_out(listing) == {
        "Delta log (rows that it deletes are read)": 1,
        "Iceberg metadata (rows that it deletes are read)": 1,
    }
    assert names(listing) == ["data/a.jsonl"]
