"""The order in which CI runs the slow suites."""

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def suites() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ci_suites", ROOT / ".ci" / "suites.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def names(suites: ModuleType, changed: list[str] | None, commits: int) -> list[str]:
    return [suite.name for suite in suites.order(suites.SUITES, changed, commits)]


def test_every_suite_is_named_once_whatever_changed(suites: ModuleType) -> None:
    everything = sorted(suite.name for suite in suites.SUITES)
    for commits in range(20):
        assert sorted(names(suites, None, commits)) == everything
        assert sorted(names(suites, ["tasks/worker/leases/claims.py", "README.md"], commits)) == everything


def test_contract_suite_runs_first_every_time(suites: ModuleType) -> None:
    assert {names(suites, ["launcher/fleet/scheduling/policy.py"], n)[0] for n in range(20)} == {"e2e-stores"}


def test_suites_whose_code_changed_come_before_the_others(suites: ModuleType) -> None:
    for commits in range(20):
        assert set(names(suites, ["launcher/fleet/backends/skypilot.py"], commits)[1:6]) == {
            "e2e-sky",
            "e2e-fleet",
            "e2e-aws",
            "e2e-steering",
            "e2e-rented-load",
        }


def test_every_suite_comes_first_within_as_many_commits_as_there_are(suites: ModuleType) -> None:
    others = {suite.name for suite in suites.SUITES if not suite.always}
    assert {names(suites, [], commits)[1] for commits in range(100, 100 + len(others))} == others


def test_every_suite_is_a_make_target_and_every_pattern_matches_a_file(suites: ModuleType) -> None:
    targets = set(
        re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {suite.name for suite in suites.SUITES} <= targets
    for pattern in {pattern for suite in suites.SUITES for pattern in suite.paths}:
        assert any(ROOT.glob(pattern)), pattern
