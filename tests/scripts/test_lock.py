"""The locks of rented machines are whole, and made from today's requirements."""

import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.lock import FOLDER, NAMES, digest

PIN = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; [^\\\n]+)? \\\n"
    r"(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+",
    re.MULTILINE,
)


def pins(name: str) -> dict[str, set[str]]:
    """The versions of each package in a lock; some have several, by platform."""
    found: dict[str, set[str]] = {}
    for pin in PIN.finditer((FOLDER / f"{name}.txt").read_text(encoding="utf-8")):
        found.setdefault(pin["name"], set()).add(pin["version"])
    return found


def requirements(path: Path) -> list[Requirement]:
    found: list[Requirement] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("-r "):
            found += requirements(path.parent / line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_lock_is_made_from_the_requirements_of_today(name: str) -> None:
    first = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()[0]
    assert first.endswith(digest(name)), "the requirements changed: make lock"


@pytest.mark.parametrize("name", NAMES)
def test_lock_pins_every_requirement_within_its_range(name: str) -> None:
    found = pins(name)
    for need in requirements(FOLDER / f"{name}.in"):
        assert found[canonicalize_name(need.name)]
        assert all(need.specifier.contains(version) for version in found[canonicalize_name(need.name)]), need


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_lock_is_a_pin_with_hashes(name: str) -> None:
    text = (FOLDER / f"{name}.txt").read_text(encoding="utf-8")
    assert not PIN.sub("", text.partition("\n")[2])


def test_ranges_of_machines_are_those_of_the_laptop() -> None:
    project = tomllib.loads((FOLDER.parents[1] / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    stores = [*extras["s3"], *extras["gcs"]]  # other extras may need more of the same library
    laptop = {
        need.name: need.specifier
        for line in chain(*extras.values(), project["dependencies"], stores)
        for need in [Requirement(line)]
    }
    for need in requirements(FOLDER / "common.in"):
        assert need.specifier == laptop[need.name], need
