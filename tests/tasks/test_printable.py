"""Foreign text is shown with its control characters escaped."""

import sys
import unicodedata
from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.printable import log_in_utf8, plain, plain_lines


def test_control_characters_are_escaped() -> None:
    assert plain("a\x1b[2Jb\nc\u202ed\x07\udc80") == r"a\x1b[2Jb\nc\u202ed\x07\udc80"


@pytest.mark.parametrize("text", ["naïve 評論 обзор", "10\u00a0000\u3000元", ""])
def test_letters_and_spaces_of_every_script_are_kept(text: str) -> None:
    assert plain(text) == text


def test_lines_stay_lines() -> None:
    assert plain_lines("one\ntwo\r\n\x1b[0m") == "one\ntwo\\r\n\\x1b[0m"


@given(st.text(st.characters()))  # surrogates, too
def test_nothing_that_acts_is_left(text: str) -> None:
    shown = plain(text)
    shown.encode()
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_a_log_takes_every_name(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(raw, encoding="ascii"))
    log_in_utf8()
    print("é \udc80", flush=True)
    assert raw.getvalue() == "é \\udc80\n".encode()
