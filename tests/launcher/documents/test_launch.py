"""How a launch ended, as a document."""

from pathlib import Path

from launcher.documents.encode import to_json
from launcher.documents.launch import detached_document, done_document
from launcher.errors import DeadlineMissed, FailedRows
from tests.launcher.documents.test_status import REPORT


def test_a_run_that_goes_on_has_no_report_yet() -> None:
    left = "6 of 10 shards of run r1 are left; 1 machine goes on\nembedfleet resume r1"
    document = detached_document(REPORT, "s3://b/out", left)
    assert (document.outcome, document.code, document.state) == ("detached", 0, "RUNNING")
    assert document.message == "6 of 10 shards of run r1 are left; 1 machine goes on"
    assert document.hint == "embedfleet resume r1"
    assert (document.report, document.page, document.load) == (None, None, None)


def test_what_is_wrong_with_a_finished_run_has_its_exit_status() -> None:
    def outcome(problem: FailedRows | DeadlineMissed | None) -> tuple[str, int, str | None]:
        paths = {"saved": Path("r/report.json"), "page": Path("r/report.html")}
        found = done_document(REPORT, "out", problem, **paths, load="ef.load()")
        assert found.report == str(Path.cwd() / "r" / "report.json")
        return found.outcome, found.code, found.hint

    assert outcome(None) == ("done", 0, None)
    assert outcome(FailedRows("1 row", hint="look")) == ("failed_rows", 6, "look")
    assert outcome(DeadlineMissed("late", hint="why")) == ("late", 7, "why")


def test_unknown_dollars_are_null_and_known_ones_text() -> None:
    body = to_json(detached_document(REPORT, "out", "it goes on"))
    assert (body["schema"], body["usd_known"]) == ("embedfleet/launch/1", "0.0000005")
    assert (body["usd_per_million_tokens"], body["hint"]) == (None, None)
