"""The constants that docs/speed-model.md prints are those of the code."""

import re
from importlib import import_module

import pytest

from launcher.planning.offers.candidates import PIPELINE_EFFICIENCY
from launcher.throughput.predict import ENGINES, SIZE_ERRORS
from launcher.throughput.spread import P90
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "speed-model.md").read_text(encoding="utf-8")
CONSTANTS = re.findall(r"^\| `([\w.]+):(\w+)` \| ([\d.e-]+) \|", PAGE, re.MULTILINE)
ENGINE_ROWS = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|", PAGE, re.MULTILINE)
SIZE_ROWS = re.findall(r"^\| (\w+) \| ([\d.]+) \| [^|]*weights", PAGE, re.MULTILINE)


def test_page_lists_constants_and_engines() -> None:
    assert len(CONSTANTS) >= 15
    assert {name for name, *_ in ENGINE_ROWS} == set(ENGINES)


@pytest.mark.parametrize(("module", "name", "value"), CONSTANTS)
def test_constant_has_the_printed_value(module: str, name: str, value: str) -> None:
    assert getattr(import_module(module), name) == pytest.approx(float(value))


@pytest.mark.parametrize(("engine", "milliseconds", "moved", "error"), ENGINE_ROWS)
def test_engine_has_the_printed_costs(engine: str, milliseconds: str, moved: str, error: str) -> None:
    cost = ENGINES[engine]
    assert cost.host_seconds * 1e3 == pytest.approx(float(milliseconds))
    assert (cost.bytes_per_value, cost.error_factor) == (float(moved), float(error))


def test_errors_by_size_are_those_of_the_code() -> None:
    assert {name: float(factor) for name, factor in SIZE_ROWS} == SIZE_ERRORS


def test_printed_interval_and_pipeline_factors_are_those_of_the_code() -> None:
    assert f"{SIZE_ERRORS['small']} ** {P90} = {SIZE_ERRORS['small'] ** P90:.2f}" in PAGE
    assert (
        f"{PIPELINE_EFFICIENCY.low} to {PIPELINE_EFFICIENCY.high}, {PIPELINE_EFFICIENCY.mid} at the median"
        in PAGE
    )
