"""Each package's `__init__` docstring is its map: one line a module, complete and without strangers."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = sorted(
    path.parent.relative_to(ROOT)
    for top in ("embedfleet", "launcher", "tasks", "pricing")
    for path in (ROOT / top).rglob("__init__.py")
)


def docstring(package: Path) -> str:
    return ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8"))) or ""


def members(package: Path) -> set[str]:
    """The modules and sub-packages that stand in this folder."""
    found = {path.stem for path in (ROOT / package).glob("*.py")} - {"__init__"}
    return found | {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_every_package_lists_its_modules(package: Path) -> None:
    named = re.findall(r"^ *(\w+): ", docstring(package), re.MULTILINE)
    assert sorted(set(named) - {"Imports"}) == sorted(members(package))
    assert len(named) == len(set(named))


@pytest.mark.parametrize("package", PACKAGES, ids=str)
def test_every_package_says_what_it_does_and_what_it_may_import(package: Path) -> None:
    text = docstring(package)
    assert re.match(r"[A-Z].{20,}\.$", text.partition("\n")[0])
    assert re.search(r"^Imports: ", text, re.MULTILINE)
