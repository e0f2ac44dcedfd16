"""The workflow of docs/pull-requests.md: pinned, with few rights, and with commands that exist."""

import re
from typing import Any, cast

import yaml

from launcher.cli.main import parser
from tests.support.paths import ROOT


def workflow() -> dict[Any, Any]:
    text = (ROOT / "docs" / "pull-requests.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- workflow: .*?-->\n```yaml\n(.*?)```", text, re.DOTALL)
    assert found
    return cast("dict[Any, Any]", yaml.safe_load(found[1]))


def steps() -> list[dict[str, Any]]:
    return cast("list[dict[str, Any]]", workflow()["jobs"]["plan"]["steps"])


def test_actions_are_pinned_to_commits() -> None:
    used = [step["uses"] for step in steps() if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", name) for name in used)


def test_rights_are_those_of_a_comment() -> None:
    body = workflow()
    assert body["permissions"] == {}
    assert body["jobs"]["plan"]["permissions"] == {"contents": "read", "pull-requests": "write"}
    assert list(body[True]) == ["pull_request"]  # YAML 1.1 reads the key `on` as true


def test_values_of_the_pull_request_are_no_text_of_scripts() -> None:
    assert not [step for step in steps() if "${{" in step.get("run", "")]


def test_commands_are_those_of_this_version() -> None:
    script = "\n".join(step["run"] for step in steps() if "run" in step)
    commands = re.findall(r"embedfleet ((?:plan|diff) [^>;|\n]*)", script)
    assert len(commands) == 3
    for command in commands:
        parser().parse_args(command.split())
