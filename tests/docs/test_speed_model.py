"""The constants that docs/speed-model.md prints are those of the code."""

import re
from importlib import import_module

import pytest

from launcher.planning.candidates import PIPELINE_EFFICIENCY
from launcher.throughput.predict import ENGINES, ERROR_FACTOR
from launcher.throughput.spread import P90
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "speed-model.md").read_text(encoding="utf-8")
CONSTANTS = re.findall(r"^\| `([\w.]+):(\w+)` \| ([\d.e-]+) \|", PAGE, re.MULTILINE)
ENGINE_ROWS = re.findall(r"^\| ([\w-]+) \| ([\d.]+) \| ([\d.]+) \|", PAGE, re.MULTILINE)


def test_page_lists_constants_and_engines() -> None:
    assert len(CONSTANTS) >= 15
    assert {name for name, _, _ in ENGINE_ROWS} == set(ENGINES)


@pytest.mark.parametrize(("module", "name", "value"), CONSTANTS)
def test_constant_has_the_printed_value(module: str, name: str, value: str) -> None:
    assert getattr(import_module(module), name) == pytest.approx(float(value))


@pytest.mark.parametrize(("engine", "milliseconds", "share"), ENGINE_ROWS)
def test_engine_has_the_printed_host_time_and_efficiency(engine: str, milliseconds: str, share: str) -> None:
    assert ENGINES[engine].host_seconds * 1e3 == pytest.approx(float(milliseconds))
    assert ENGINES[engine].efficiency == pytest.approx(float(share))


def test_printed_interval_and_pipeline_factors_are_those_of_the_code() -> None:
    assert f"{ERROR_FACTOR} ** {P90} = {ERROR_FACTOR**P90:.2f}" in PAGE
    assert (
        f"{PIPELINE_EFFICIENCY.low} to {PIPELINE_EFFICIENCY.high}, {PIPELINE_EFFICIENCY.mid} at the median"
        in PAGE
    )
