"""What was examined, as values, JSON and text."""

from launcher.diagnostics.checks import Check, checks_text, to_json, worst

FINE = Check("skypilot", "ok", "0.14.1")
ODD = Check("prices", "warn", "31 days old", hint="embedfleet prices refresh")
BAD = Check("aws", "fail", "no credentials", hint="aws configure")


def test_the_worst_check_is_the_verdict() -> None:
    assert worst([]) == "ok"
    assert worst([FINE]) == "ok"
    assert worst([FINE, ODD]) == "warn"
    assert worst([ODD, BAD, FINE]) == "fail"


def test_checks_in_json_keep_their_order_and_their_hints() -> None:
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


def test_checks_as_text_say_what_to_do_under_what_is_not_ok() -> None:
    assert checks_text([FINE, BAD]).splitlines() == [
        "ok    skypilot  0.14.1",
        "fail  aws       no credentials",
        "                Try: aws configure",
    ]
