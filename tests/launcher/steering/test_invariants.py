"""The invariants of docs/steering.md: each has a test that names its number."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMED = re.compile(
    r"^# Invariant (\d+) of docs/steering\.md\n(?:@.*\n|    .*\n|\)\n)*def test_", re.MULTILINE
)


def test_every_invariant_has_a_test_that_names_it() -> None:
    section = (ROOT / "docs" / "steering.md").read_text().partition("## Invariants")[2].partition("\n## ")[0]
    listed = {int(number) for number in re.findall(r"^(\d+)\. ", section, re.MULTILINE)}
    named = {
        int(number)
        for path in (ROOT / "tests").rglob("test_*.py")
        for number in NAMED.findall(path.read_text())
    }
    assert listed == set(range(1, 16))
    assert named == listed
