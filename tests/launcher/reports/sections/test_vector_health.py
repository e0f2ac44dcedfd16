from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from launcher.output.vector_sample import SampledVectors, sample_vectors
from launcher.reports.sections.vector_health import MAP_POINTS, look_at_vectors, project, vector_health
from tasks.protocol.manifest import read_header
from tasks.stores.folder import FolderStore
from tests.support.finished_run import finished_run
from tests.support.runs import receipts_of

Vectors = NDArray[np.float32]


def sample(vectors: Vectors) -> SampledVectors:
    n = len(vectors)
    return SampledVectors(tuple(f"d{i}" for i in range(n)), (0,) * n, ("s",) * n, vectors, 10 * n)


def unit(rows: int, dimensions: int = 8) -> Vectors:
    made = np.random.default_rng(1).normal(size=(rows, dimensions)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_good_vectors_have_length_1_and_no_faults() -> None:
    found = vector_health(sample(unit(200)))
    assert (found.length_least, found.length_median, found.length_most) == (1.0, 1.0, 1.0)
    assert (found.not_finite, found.zero, found.constant_dimensions, found.duplicates) == (0, 0, 0, 0)
    assert found.mean_cosine is not None
    assert abs(found.mean_cosine) < 0.05
    assert (found.sampled, found.total, found.dimensions) == (200, 2_000, 8)


def test_nan_zero_duplicate_and_constant_dimension_are_counted() -> None:
    vectors = unit(50)
    vectors[:, 3] = 0.25
    vectors[7] = vectors[8]
    vectors[9, 0] = np.nan
    vectors[10] = 0
    found = vector_health(sample(vectors))
    assert (found.not_finite, found.zero, found.duplicates) == (1, 1, 1)
    assert vector_health(sample(vectors[11:])).constant_dimensions == 1


def test_vectors_that_are_all_alike_have_a_mean_cosine_near_1() -> None:
    found = vector_health(sample(unit(1).repeat(30, axis=0)))
    assert found.mean_cosine == pytest.approx(1.0, abs=1e-3)
    assert found.duplicates == 29


def test_sample_of_no_finite_vector_has_no_map() -> None:
    found = vector_health(sample(np.full((5, 4), np.nan, np.float32)))
    assert (found.not_finite, found.map, found.mean_cosine) == (5, (), None)


def test_map_tells_two_groups_apart_and_is_the_same_each_time() -> None:
    vectors = np.concatenate([unit(30) * 0.01 + 1, unit(30) * 0.01 - 1])
    found = vector_health(sample(vectors))
    first, second = ([p.x for p in found.map[a:b]] for a, b in ((0, 30), (30, 60)))
    assert max(first) < min(second) or max(second) < min(first)
    assert found == vector_health(sample(vectors))
    assert all(abs(p.x) <= 1 and abs(p.y) <= 1 for p in found.map)


def test_map_is_bounded() -> None:
    assert len(vector_health(sample(unit(3 * MAP_POINTS))).map) == MAP_POINTS


def test_components_hold_their_share_of_the_variance() -> None:
    flat = np.zeros((40, 6), np.float32)
    flat[:, :2] = unit(40, 2)
    places, explained = project(flat)
    assert explained == pytest.approx(1.0)
    assert places.shape == (40, 2)
    assert project(np.ones((4, 3), np.float32))[1] == 0.0


def test_vectors_of_a_run_are_sampled_from_all_shards_with_their_texts(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    header = finished_run(store, tmp_path)
    done = receipts_of(store, header)
    found = sample_vectors(store, done, rows=9)
    assert found
    assert len(found.ids) == 9
    assert len(set(found.shards)) == 3
    assert found.total == 30
    health = look_at_vectors(store, header.run, done)
    assert health
    assert health.sampled == 30
    assert all(point.text for point in health.map)
    assert read_header(store, header.run).corpus == str(tmp_path / "in")


def test_files_that_are_gone_or_damaged_are_left_out(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "out")
    header = finished_run(store, tmp_path)
    done = receipts_of(store, header)
    (tmp_path / "out" / done[0].files[0][0]).unlink()
    (tmp_path / "out" / done[1].files[0][0]).write_bytes(b"PAR1 no")
    found = sample_vectors(store, done)
    assert found
    assert set(found.shards) == {done[2].shard}
    assert sample_vectors(store, []) is None
