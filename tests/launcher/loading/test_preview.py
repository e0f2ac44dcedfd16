"""What a load would take: the sizes, hours and dollars of `embedfleet size`, of the rows that would be written."""

from contextlib import closing
from pathlib import Path

from launcher.index_sizes.size import VectorSet
from launcher.index_sizes.sizes import sizes
from launcher.loading.connect import connect
from launcher.loading.documents import LoadPreview
from launcher.loading.loader import LoadOptions
from launcher.loading.preview import preview
from launcher.sinks.index import IndexSpec
from launcher.sinks.targets import parse_target
from tests.support.vector_datasets import dataset_of


def previewed(folder: Path, rows: int, options: LoadOptions) -> LoadPreview:
    dataset = dataset_of(folder / "out", 2, rows // 2)
    target = parse_target(str(folder / "docs.lance"))
    with closing(connect(target)) as store:
        return preview(dataset, target, store, options)


def test_figures_are_those_of_size(tmp_path: Path) -> None:
    found = previewed(tmp_path, 6_000, LoadOptions(index=IndexSpec(m=24)))
    (wanted,), _ = sizes(VectorSet(6_000, 32, "float32", 24), ["lance-sq"])
    assert (found.disk_bytes, found.ram_bytes) == (wanted.disk_bytes, None)
    assert found.build_core_hours == wanted.build_core_hours is not None
    assert found.hours == wanted.load_hours is not None
    assert found.usd == wanted.load_usd is not None
    assert found.usd_per_month == wanted.usd_per_month is not None


def test_index_that_size_does_not_know_is_unknown(tmp_path: Path) -> None:
    found = previewed(tmp_path, 60, LoadOptions())  # too few for an index
    assert (found.disk_bytes, found.build_core_hours, found.hours, found.usd) == (None, None, None, None)
