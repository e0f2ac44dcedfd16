"""Hours of a load: where a rate was measured, as it was measured; elsewhere unknown."""

import pytest

from launcher.index_sizes.load_times import load_hours
from launcher.index_sizes.size import Hours, VectorSet

MEASURED = VectorSet(20_000, 384, "float32")


def test_writing_takes_what_was_measured() -> None:
    found = load_hours(MEASURED, "redis", None)
    assert found is not None
    assert found.low * 3600 == pytest.approx(20_000 / 9_500)
    assert found.high * 3600 == pytest.approx(20_000 / 5_300)


def test_build_is_by_two_cores_or_by_one() -> None:
    bare, built = (load_hours(MEASURED, "pgvector", build) for build in (None, Hours(2, 4)))
    assert bare is not None
    assert built is not None
    assert (built.low - bare.low, built.high - bare.high) == (pytest.approx(1), pytest.approx(4))


def test_store_that_was_not_measured_is_unknown() -> None:
    assert load_hours(MEASURED, "opensearch", Hours(1, 2)) is None
