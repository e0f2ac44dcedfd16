"""docs/exit-codes.md has every exit status of the command line and of workers, and no other."""

import re

import launcher.errors
from tasks.errors import Problem
from tasks.protocol.messages import exit_codes
from tests.support.paths import ROOT

TEXT = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
LAUNCHER, WORKERS = TEXT.split("\n## Workers\n")
INTERRUPTED_BY_SHELL = 130


def documented(text: str) -> set[int]:
    return {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}


def test_every_status_of_a_command_is_documented() -> None:
    kinds = [
        kind
        for kind in vars(launcher.errors).values()
        if isinstance(kind, type) and issubclass(kind, Problem)
    ]
    codes = {kind.code for kind in kinds}
    assert INTERRUPTED_BY_SHELL in codes
    assert documented(LAUNCHER) == codes | {0}


def test_confirmation_is_status_4() -> None:
    assert launcher.errors.ConfirmationNeeded.code == 4
    assert "| 4 | confirmation needed" in LAUNCHER


def test_statuses_of_workers_are_documented() -> None:
    codes = {value for value in vars(exit_codes).values() if isinstance(value, int)}
    assert codes
    for code in codes:
        assert re.search(rf"\b{code}\b", WORKERS)
