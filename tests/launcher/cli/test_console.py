"""What commands print, and where."""

import json
from decimal import Decimal
from io import StringIO

import pytest

from launcher.cli.console import LEAST_WIDTH, WIDTH, follow, say, show, steps


class BrokenStream(StringIO):
    """A pipe whose reader is gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(text)


def test_show_prints_decimals_of_json_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    show({"usd": Decimal("1.50")}, str, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"usd": "1.5"}


def test_show_renders_text(capsys: pytest.CaptureFixture[str]) -> None:
    show({"n": 1}, lambda body: f"n is {body['n']}", as_json=False)
    assert capsys.readouterr().out == "n is 1\n"


def test_say_prints_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("reading")
    assert capsys.readouterr() == ("", "reading\n")


def test_a_name_with_a_line_break_begins_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("not read: a\nError: forged\r\x85b")
    assert capsys.readouterr().err == "not read: a\\nError: forged\\r\\x85b\n"


def test_say_survives_a_closed_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", BrokenStream())
    say("reading")


def test_follow_prints_one_json_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    follow([{"n": 1}, {"n": 2}], str, as_json=True)
    assert [json.loads(line)["n"] for line in capsys.readouterr().out.splitlines()] == [1, 2]


def test_follow_prints_each_text_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    follow([{"n": 1}, {"n": 2}], lambda body: f"n is {body['n']}", as_json=False)
    assert capsys.readouterr().out == "n is 1\nn is 2\n"


def test_steps_print_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with steps("checking") as step:
        step(1, 2)
        step(2, 2)
    assert capsys.readouterr() == ("", "")


def test_steps_draw_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stderr", screen)
    with steps("checking shards") as step:
        step(1, 2)
        step(2, 2)
    assert "checking shards" in screen.getvalue()
    assert "2/2" in screen.getvalue()


@pytest.mark.parametrize(
    ("said", "width"),
    [(None, WIDTH), ("", WIDTH), ("0", WIDTH), ("wide", WIDTH), ("120", 120), ("7", LEAST_WIDTH)],
)
def test_what_is_no_terminal_is_as_wide_as_columns_says_or_100(
    said: str | None, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if said is not None:
        monkeypatch.setenv("COLUMNS", said)
    show("word " * 100, lambda text: text, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert width - 5 < max(map(len, lines)) <= width
