"""A shard whose input cannot be read now is given back with what is done of it, and set aside only in the end."""

from pathlib import Path

import pytest

from launcher.output.verification.verify import verify
from tasks.formats import reread
from tasks.stores.folder import FolderStore
from tasks.worker import engine_schedule
from tasks.worker.leases import claims
from tests.support.flaky_share import Share
from tests.support.runs import corpus, ids_out, launch, receipts_of
from tests.support.workers import make_worker

DOCUMENTS = 600


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reread, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(claims, "PUT_OFF_SECONDS", 0.05)
    monkeypatch.setattr(engine_schedule, "FIRST_ENGINE_TOKENS", 1_000)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def test_what_was_read_before_a_long_outage_is_not_read_again_in_vain(files: Path, tmp_path: Path) -> None:
    """The share fails for as long as two workers try; the third attempt at the shard reads the rest."""
    names = corpus(files, 1, DOCUMENTS)
    store = FolderStore(tmp_path / "out")
    header = launch(store, files, 1)
    share = Share(files, 2 * reread.ATTEMPTS)
    make_worker(store, header, tmp_path / "s", corpus=share).run()
    assert sorted(ids_out(store, header)) == sorted(names)
    (receipt,) = receipts_of(store, header)
    assert (receipt.failed_rows, receipt.fault, receipt.generation) == (0, None, 3)


def test_an_outage_without_end_sets_the_rest_aside_and_what_was_read_stays(
    files: Path, tmp_path: Path
) -> None:
    names = corpus(files, 2, DOCUMENTS)
    store = FolderStore(tmp_path / "out")
    header = launch(store, files, 2)
    share = Share(files, 10**9)
    make_worker(store, header, tmp_path / "s", corpus=share).run()
    done = ids_out(store, header)
    assert 0 < len(done) < len(names)
    assert len(set(done)) == len(done)
    found = receipts_of(store, header)
    assert [(one.failed_rows, one.cut_short) for one in found] == [(1, 1)] * 2
    verdict = verify(store, header, 0, embed_again=False, progress=lambda _done, _all: None)
    assert verdict.faults == ()
