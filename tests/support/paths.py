"""Where the tests find the repository, their golden files and the figures that are shared beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
DATA = ROOT / "tests" / "data"
SHARED = (
    ROOT.parent / "shared"
)  # not in the repository: tests that use it skip with a reason where it is absent
