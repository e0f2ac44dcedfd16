"""Measured speeds: recorded once, found by model, GPU and engine."""

from dataclasses import replace

from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MeasuredSpeed
from tests.support.ledger_values import NOON, later

SPEED = MeasuredSpeed(
    "minilm", "L4", "torch", 90.5, 100.0, 120.25, "run r1", NOON, {"texts": 400, "mix": [[1, 2]]}
)


def test_speed_is_read_back_as_measured_and_once(empty_ledger: Ledger) -> None:
    empty_ledger.speeds.record(SPEED)
    empty_ledger.speeds.record(SPEED)
    assert empty_ledger.speeds.matching() == [SPEED]


def test_speeds_are_filtered_and_ordered_newest_first(empty_ledger: Ledger) -> None:
    newer, other = replace(SPEED, at=later(1)), replace(SPEED, gpu="H100")
    for speed in (SPEED, newer, other):
        empty_ledger.speeds.record(speed)
    assert empty_ledger.speeds.matching(model="minilm", gpu="L4", engine="torch") == [newer, SPEED]
    assert empty_ledger.speeds.matching(gpu="H100") == [other]
    assert empty_ledger.speeds.matching(engine="vllm") == []
