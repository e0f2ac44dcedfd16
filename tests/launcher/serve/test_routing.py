"""Which run answers, by its name or by rules."""

import pytest

from launcher.errors import Usage
from launcher.serve.requests import RequestRefused
from launcher.serve.routing import Rule, parse_rule, router


def test_rules_are_read() -> None:
    assert parse_rule("domain=law:contracts-1f") == Rule("domain", "law", "contracts-1f")
    assert parse_rule("url=https://a:docs") == Rule("url", "https://a", "docs")
    for wrong in ("domain", "domain=law", "=law:docs", "domain=:docs", "domain=law:"):
        with pytest.raises(ValueError, match="FIELD=VALUE:RUN"):
            parse_rule(wrong)


def test_name_before_rule_before_the_first_run() -> None:
    found = router(["docs-1", "law-1"], [Rule("domain", "law", "law")])
    assert found.choose("docs-1", {"domain": "law"}) == "docs-1"
    assert found.choose("auto", {"domain": "law"}) == "law-1"
    assert found.choose("auto", {"domain": "x"}) == "docs-1"
    with pytest.raises(RequestRefused) as refused:
        found.choose("gpt", {})
    assert (refused.value.status, refused.value.code) == (404, "model_not_found")


def test_rule_for_a_run_that_is_not_served_is_refused() -> None:
    with pytest.raises(Usage, match="names run sport, which is not served"):
        router(["docs-1"], [Rule("a", "b", "sport")])
    with pytest.raises(Usage, match="not served"):
        router(["docs-1", "docs-2"], [Rule("a", "b", "docs")])
