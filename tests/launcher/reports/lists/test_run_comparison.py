from dataclasses import replace
from decimal import Decimal

from launcher.reports.lists.run_comparison import compare_runs
from tests.support import sample_report


def test_run_compared_with_itself_has_no_difference() -> None:
    document = sample_report.document()
    found = compare_runs(document, document)
    assert {part.difference for part in found.parts} == {Decimal(0)}
    assert all(figure.one == figure.other for figure in found.figures)
    assert found.known


def test_difference_of_a_part_is_the_others_minus_the_ones() -> None:
    one = sample_report.document()
    known = replace(one.spend.known, lost=one.spend.known.lost + 2)
    other = replace(one, spend=replace(one.spend, known=known))
    found = {part.part: part.difference for part in compare_runs(one, other).parts}
    assert found == dict.fromkeys(found, Decimal(0)) | {"lost": Decimal(2)}


def test_parts_of_the_cost_end_with_other_charges() -> None:
    document = sample_report.document()
    assert [part.part for part in compare_runs(document, document).parts][-1] == "other"
