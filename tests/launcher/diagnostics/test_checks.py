"""Checks as values, JSON and text."""

from launcher.diagnostics.checks import Check, checks_text, to_json, worst

FINE = Check("skypilot", "ok", "0.14.1")
ODD = Check("prices", "warn", "31 days old", hint="embedfleet prices refresh")
BAD = Check("aws", "fail", "no credentials", hint="aws configure")


def test_verdict_is_that_of_the_worst_check() -> None:
    assert worst([]) == "ok"
    assert worst([FINE]) == "ok"
    assert worst([FINE, ODD]) == "warn"
    assert worst([ODD, BAD, FINE]) == "fail"


def test_json_keeps_order_and_hints() -> None:
    body = to_json([BAD, FINE])
    assert body["schema"] == "embedfleet/doctor/1"
    assert body["verdict"] == "fail"
    assert body["checks"][0] == {
        "name": "aws",
        "verdict": "fail",
        "seen": "no credentials",
        "hint": "aws configure",
    }
    assert body["checks"][1]["hint"] is None


def test_text_has_the_hint_below_its_check() -> None:
    assert checks_text([FINE, BAD]).splitlines() == [
        "ok      skypilot  0.14.1",
        "fail    aws       no credentials",
        "                  Try: aws configure",
    ]


def test_lines_break_between_words_within_a_terminal() -> None:
    long = Check(
        "model", "warn", "embedded by vllm or torch or packed", "set `engine: torch` in the job file"
    )
    text = checks_text([long], columns=46)
    assert text.splitlines() == [
        "warn    model  embedded by vllm or torch or",
        "               packed",
        "               Try: set `engine: torch` in the",
        "               job file",
    ]
    assert checks_text([long]).count("\n") == 1
