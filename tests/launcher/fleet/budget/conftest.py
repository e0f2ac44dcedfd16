"""New folders for the laptops of tests that Hypothesis repeats."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """New, empty folders without end."""
    base, numbers = tmp_path_factory.mktemp("laptops"), count()

    def folders() -> Iterator[Path]:
        while True:
            path = base / str(next(numbers))
            path.mkdir()
            yield path

    return folders()
