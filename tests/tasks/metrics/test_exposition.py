"""The text format of Prometheus: names, labels, escapes and the buckets of a histogram."""

import math

from tasks.metrics.exposition import Histogram, Metric, Sample, counter, gauge, render


def test_page_has_help_type_and_samples() -> None:
    page = render((counter("a_total", "What it counts.", 3, {"run": "r"}), gauge("b", "A size.", 1.5)))
    assert page == (
        '# HELP a_total What it counts.\n# TYPE a_total counter\na_total{run="r"} 3\n'
        "# HELP b A size.\n# TYPE b gauge\nb 1.5\n"
    )


def test_what_is_unknown_is_absent_and_zero_is_not() -> None:
    assert render((gauge("a", "x", None), counter("b_total", "x", None))) == ""
    assert render((gauge("a", "x", 0),)).endswith("\na 0\n")


def test_labels_and_help_are_escaped() -> None:
    page = render((Metric("a", "gauge", "one\ntwo \\", (Sample(1, {"run": 'q"\\\n'}),)),))
    assert page.splitlines() == ["# HELP a one\\ntwo \\\\", "# TYPE a gauge", 'a{run="q\\"\\\\\\n"} 1']


def test_numbers_that_are_no_numbers_are_as_prometheus_writes_them() -> None:
    samples = (Sample(math.inf), Sample(-math.inf), Sample(math.nan), Sample(2.0**60))
    lines = render((Metric("a", "gauge", "x", samples),)).splitlines()[2:]
    assert lines == ["a +Inf", "a -Inf", "a NaN", "a 1.152921504606847e+18"]


def test_buckets_hold_all_that_is_at_most_their_bound() -> None:
    histogram = Histogram((0.1, 1))
    for value in (0.05, 0.1, 0.5, 2):
        histogram.observe(value)
    page = render((Metric("a", "histogram", "x", histogram.samples({"path": "/p"})),))
    assert page.splitlines()[2:] == [
        'a_bucket{path="/p",le="0.1"} 2',
        'a_bucket{path="/p",le="1"} 3',
        'a_bucket{path="/p",le="+Inf"} 4',
        'a_sum{path="/p"} 2.65',
        'a_count{path="/p"} 4',
    ]
