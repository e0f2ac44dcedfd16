from dataclasses import replace

from launcher.reports.document import LengthFigures, MapPoint, ReportDocument, RowFailure, VectorHealth
from launcher.reports.html.report_page.report import report_page
from launcher.reports.html.report_page.report_texts import OPEN_FAILURES
from tests.support import sample_report
from tests.support.html_reader import Reader
from tests.support.sample_report import EVIL

HEALTH = VectorHealth(
    sampled=100, total=5_000, dimensions=384, length_least=1.0, length_median=1.0, length_most=1.0, not_finite=0,
    zero=0, constant_dimensions=0, duplicates=3, mean_cosine=0.1, explained=0.2,
    map=(MapPoint(id="a", chunk=0, x=0.5, y=-1.0, text=EVIL), MapPoint(id=EVIL, chunk=2, x=-1.0, y=1.0)),
)  # fmt: skip


def page(**changes: object) -> str:
    report: ReportDocument = replace(sample_report.document(), **changes)  # pyright: ignore[reportArgumentType]
    return report_page(report, "")


def test_failed_rows_are_counted_by_the_first_words_of_their_reason() -> None:
    failures = (
        RowFailure("a.jsonl", 1, "not a string: 'text' is int 12", "r1"),
        RowFailure("a.jsonl", 2, "not a string: 'text' is int 13", "r2"),
        RowFailure("a.jsonl", 9, "broken JSON line: at 3", None, rows=4),
    )
    text = Reader(page(failures=failures)).text
    assert "broken JSON line466.7 %a.jsonl, position 9" in text
    assert "not a string233.3 %a.jsonl, position 1 (r1)" in text


def test_many_failed_rows_are_folded_away() -> None:
    failures = tuple(RowFailure("a", n, "no text", None) for n in range(OPEN_FAILURES + 1))
    assert "<details>" in page(failures=failures, instead=())
    assert "<details>" not in page(failures=failures[:OPEN_FAILURES], instead=())


def test_vectors_have_their_figures_and_a_map_whose_texts_stay_text() -> None:
    found = Reader(page(vectors=HEALTH))
    assert "A sample of 100 of 5k stored vectors" in found.text
    assert "3 of 100" in found.text
    assert EVIL in found.text
    assert "script" not in found.tags


def test_fault_of_vectors_is_marked() -> None:
    assert '<span class="bad">2 of 100</span>' in page(vectors=replace(HEALTH, not_finite=2))
    assert '<span class="bad">' not in page(vectors=HEALTH)


def test_lengths_show_the_cut_and_what_it_loses() -> None:
    lengths = LengthFigures(documents=((0.5, 100.0), (0.5, 700.0)), chunks=(), longest=512, chunked=False)
    text = Reader(page(lengths=lengths)).text
    assert "cut at 512 tokens" in text
    assert "What is beyond 512 tokens is cut off." in text
    assert "becomes several chunks" in Reader(page(lengths=replace(lengths, chunked=True))).text


def test_hosted_apis_are_folded_away_on_this_machine_alone() -> None:
    sample = sample_report.document()
    one = replace(sample.instead[0], group="other api", name="apt embed")
    local = replace(sample.fleet, places=("local",))
    assert "<summary>1 hosted API</summary>" in page(instead=(one,), fleet=local, failures=())
    assert "<summary>" not in page(instead=(one,), failures=())


def test_speed_of_each_worker_is_inside_its_shards() -> None:
    text = Reader(page()).text
    assert "Speed of each worker" in text
