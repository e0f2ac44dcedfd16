"""The mutants of `make chaos` still change what they say they change: the suite itself takes minutes, this a moment."""

import pytest

from tests.chaos.mutants import MUTANTS, Mutant
from tests.support.paths import ROOT


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_safeguard_that_a_mutant_removes_is_there_once(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1
