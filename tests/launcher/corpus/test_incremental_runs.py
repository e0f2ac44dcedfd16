"""Which earlier runs count: those with the very same model, whole, and with their files."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from launcher.corpus.files.listing import find_files
from launcher.corpus.incremental import VECTOR_SETTINGS, NewFiles, select_new_files
from launcher.output.dataset import write_dataset
from tasks.protocol import documents, manifest
from tasks.protocol.keys import dataset_key, manifest_header_key, manifest_slab_key
from tasks.protocol.manifest import Header
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import receipts_of

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


class Earlier:
    """A finished run of three files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = FolderStore(folder / "out")
        self.header = finished_run(self.store, folder)
        write_dataset(self.store, self.header, receipts_of(self.store, self.header))
        self.said: list[str] = []

    def model(self, name: str, fingerprint: str | None) -> None:
        """Let the run have had this model."""
        self.header = replace(self.header, model=name, model_fingerprint=fingerprint)
        self.store.put(manifest_header_key("run-1"), documents.encode(self.header, manifest.SCHEMA))

    def plan(self, fingerprint: str | None) -> NewFiles:
        settings = {name: getattr(self.header, name) for name in VECTOR_SETTINGS}
        settings["model_fingerprint"] = fingerprint
        listing = find_files(str(self.folder / "in"), self.folder)
        return select_new_files(listing, self.store, settings, None, self.said.append)


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    return Earlier(tmp_path)


def new(found: NewFiles) -> int:
    return len(found.listing.files)


def test_files_of_the_same_model_are_not_embedded_again(earlier: Earlier) -> None:
    earlier.model("m", ONE)
    found = earlier.plan(ONE)
    assert (new(found), found.same, earlier.said) == (0, True, [])


def test_files_of_another_model_of_the_same_name_are_embedded_again(earlier: Earlier) -> None:
    earlier.model("m", ONE)
    found = earlier.plan(OTHER)
    assert (new(found), found.kept) == (3, ())
    assert "run run-1 was made with another model of the same name" in earlier.said[0]
    assert "fingerprint sha256:111111111111, now sha256:222222222222" in earlier.said[0]


def test_run_of_an_earlier_version_counts_and_that_is_said(earlier: Earlier) -> None:
    earlier.model("m", None)
    found = earlier.plan(ONE)
    assert (new(found), found.same) == (0, False)
    assert "did not record which weights m had" in earlier.said[0]


def test_model_that_is_not_known_now_is_another_one(earlier: Earlier) -> None:
    earlier.model("m", ONE)
    assert new(earlier.plan(None)) == 3
    assert "now unknown" in earlier.said[0]


def test_the_hash_model_needs_no_fingerprint(earlier: Earlier) -> None:
    assert (new(earlier.plan(None)), earlier.said) == (0, [])


def no_header(earlier: Earlier) -> None:
    (earlier.store.root / manifest_header_key("run-1")).unlink()


def damaged_header(earlier: Earlier) -> None:
    earlier.store.put(manifest_header_key("run-1"), b"{")


def no_slab(earlier: Earlier) -> None:
    (earlier.store.root / manifest_slab_key("run-1", 0)).unlink()


def damaged_slab(earlier: Earlier) -> None:
    earlier.store.put(manifest_slab_key("run-1", 0), b"[]\n")


def empty_dataset(earlier: Earlier) -> None:
    earlier.store.put(dataset_key("run-1"), b"")


def damaged_dataset(earlier: Earlier) -> None:
    earlier.store.put(dataset_key("run-1"), b"PAR1 and not Parquet PAR1")


@pytest.mark.parametrize(
    "damage", [no_header, damaged_header, no_slab, damaged_slab, empty_dataset, damaged_dataset]
)
def test_damaged_run_does_not_count_and_that_is_said(
    earlier: Earlier, damage: Callable[[Earlier], None]
) -> None:
    damage(earlier)
    assert new(earlier.plan(None)) == 3
    assert earlier.said[0].startswith("run run-1 is damaged, so its vectors are not used: ")


def test_files_whose_vectors_are_gone_are_embedded_again(earlier: Earlier) -> None:
    key = next(one for one in receipts_of(earlier.store, earlier.header) if one.position == 1).key
    assert key
    (earlier.store.root / key).unlink()
    found = earlier.plan(None)
    assert [file.path for file in found.listing.files] == ["1.jsonl"]
    assert earlier.said == [
        f"1 shard of run run-1 is embedded again, because files are gone or of another size: {key}"
    ]


def test_run_without_any_vectors_does_not_count(earlier: Earlier) -> None:
    shutil.rmtree(earlier.store.root / "data")
    assert new(earlier.plan(None)) == 3
    assert "3 shards of run run-1 are embedded again" in earlier.said[0]


def test_header_of_the_model_is_kept_in_the_dataset(earlier: Earlier) -> None:
    header: Header = replace(earlier.header, model_fingerprint=ONE)
    write_dataset(earlier.store, header, [])
    assert ONE.encode() in (earlier.store.root / dataset_key("run-1")).read_bytes()
