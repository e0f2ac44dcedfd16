"""What `make release` refuses, and the section of the changelog that it takes for the tag's message."""

from datetime import date
from pathlib import Path

import pytest

from launcher import __version__
from launcher.errors import Problem
from scripts.release import check_clean, check_contents, check_version, ordered, release_notes, sections_of
from tests.support.paths import ROOT

TODAY = date(2027, 2, 1)
CHANGELOG = """\
# Changelog

## [Unreleased]

## [0.2.0] - 2027-01-31

### Added

- A thing.

## [0.1.0] - 2026-11-01

- The first.
"""


def test_notes_are_the_section_of_the_version() -> None:
    assert release_notes(CHANGELOG, "0.2.0", TODAY) == "### Added\n\n- A thing."


def test_unreleased_section_may_be_absent() -> None:
    assert release_notes(CHANGELOG.replace("## [Unreleased]\n\n", ""), "0.2.0", TODAY)


@pytest.mark.parametrize(
    ("old", "new", "version", "said"),
    [
        ("## [Unreleased]\n", "## [Unreleased]\n\n- A change.\n", "0.2.0", r"still lists changes"),
        ("", "", "0.3.0", r"newest section of CHANGELOG.md is 0.2.0, not 0.3.0"),
        ("", "", "0.1.0", r"newest section of CHANGELOG.md is 0.2.0, not 0.1.0"),
        (" - 2027-01-31", "", "0.2.0", r"is dated nowhere"),
        ("2027-01-31", "2027-02-02", "0.2.0", r"is dated 2027-02-02"),
        ("2027-01-31", "soon", "0.2.0", r"is dated soon"),
        ("### Added\n\n- A thing.\n", "", "0.2.0", r"is empty"),
    ],
)
def test_changelog_that_is_not_ready_is_refused(old: str, new: str, version: str, said: str) -> None:
    with pytest.raises(Problem, match=said):
        release_notes(CHANGELOG.replace(old, new, 1), version, TODAY)


def test_changelog_without_sections_is_refused() -> None:
    with pytest.raises(Problem, match="is missing"):
        release_notes("# Changelog\n", "0.2.0", TODAY)


@pytest.mark.parametrize("version", ["0.2", "v0.2.0", "0.2.0.dev1", "0.2.0-rc1", ""])
def test_malformed_version_is_refused(version: str) -> None:
    with pytest.raises(Problem, match="no release version"):
        check_version(version, [])


@pytest.mark.parametrize("tag", ["v0.2.0", "v0.2.1", "v1.0.0rc1"])
def test_version_that_is_not_above_every_tag_is_refused(tag: str) -> None:
    with pytest.raises(Problem, match=f"not above the newest tag, {tag}"):
        check_version("0.2.0", ["v0.1.0", tag])


def test_version_above_every_tag_passes() -> None:
    check_version("0.10.0", ["v0.9.0", "v0.10.0rc2", "vendored"])


def test_prereleases_sort_before_their_release() -> None:
    shuffled = ["1.0.0", "1.0.1a1", "1.0.0rc2", "1.0.0b1", "1.0.0a1", "1.0.0rc1"]
    in_order = ["1.0.0a1", "1.0.0b1", "1.0.0rc1", "1.0.0rc2", "1.0.0", "1.0.1a1"]
    assert sorted(shuffled, key=lambda name: ordered(name) or ()) == in_order


def test_uncommitted_change_is_refused_by_name() -> None:
    with pytest.raises(Problem, match=r"2 uncommitted changes; the first: M README.md"):
        check_clean(" M README.md\n?? notes.txt\n")


def test_wheel_with_all_tracked_files_and_metadata_passes() -> None:
    check_contents(["tasks/clock.py", "embedfleet-0.2.0.dist-info/METADATA"], ["tasks/clock.py"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "lacks pricing/snapshot/gpus.csv"),
        (["pricing/snapshot/gpus.csv", "tests/conftest.py"], "holds tests/conftest.py"),
    ],
)
def test_wheel_with_other_files_is_refused(names: list[str], said: str) -> None:
    with pytest.raises(Problem, match=said):
        check_contents(names, ["pricing/snapshot/gpus.csv"])


def test_version_is_written_in_one_place() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'dynamic = ["version"]' in text
    assert 'path = "launcher/__init__.py"' in text
    assert f'version = "{__version__}"' not in text


def test_changelog_of_the_repository_can_be_parsed() -> None:
    sections = sections_of(Path(ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert sections
    assert all(name == "Unreleased" or ordered(name) for name, _, _ in sections)
