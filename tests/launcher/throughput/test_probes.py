"""Probes: how fast this machine is by the engine that will do the work, which is loaded once."""

from pathlib import Path

import pytest

from launcher.errors import Problem
from launcher.throughput import probes as module
from launcher.throughput.local_machine import PROBE_ERROR, LocalSpeed, ProbeRequest, WorkerSlots
from launcher.throughput.probes import loaded_probes, measure

TEXTS = [f"{n} small words in a row" for n in range(200)]


def asked(model: str = "hash", engine: str = "hash") -> ProbeRequest:
    return ProbeRequest(model, engine, TEXTS, None, None, "")


def refusal(question: ProbeRequest) -> Problem:
    with pytest.raises(Problem) as caught:
        measure(question, WorkerSlots(1, 1, 0), 0.1)
    return caught.value


@pytest.fixture(scope="module")
def measured() -> LocalSpeed:
    return measure(asked(), WorkerSlots(2, 1, 0), 0.1)


def test_engine_that_measured_says_what_it_is(measured: LocalSpeed) -> None:
    assert (measured.engine, measured.device, measured.dtype) == ("hash", "cpu", "float32")
    assert measured.dimensions == 32


def test_speed_is_a_range_about_its_middle(measured: LocalSpeed) -> None:
    speed = measured.tokens_per_second
    assert 0 < speed.low <= speed.mid / PROBE_ERROR
    assert speed.high >= speed.mid * PROBE_ERROR


def test_probe_lasts_as_long_as_asked_or_one_stretch(measured: LocalSpeed) -> None:
    assert 0.6 < measured.seconds < 10
    assert measured.load_seconds > 0


def test_slow_engine_is_measured_as_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "0.1")  # 10,000 tokens a second, and two workers
    found = measure(asked(), WorkerSlots(2, 1, 0), 0.1)
    assert 10_000 < found.tokens_per_second.mid <= 20_000


def test_model_that_does_not_exist_is_named(tmp_path: Path) -> None:
    problem = refusal(asked(str(tmp_path / "no-such-model"), "torch"))
    assert "no-such-model" in str(problem)
    assert problem.hint


def test_engine_that_crashes_gives_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDFLEET_HASH_SECONDS", "soon")
    assert str(refusal(asked())) == (
        "the speed probe died: ValueError: could not convert string to float: 'soon'"
    )


def test_output_of_a_library_during_loading_does_not_stop_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chatter = "import sys\nprint('hello')\nprint('x' * 200_000, file=sys.stderr)\n"
    (tmp_path / "sitecustomize.py").write_text(chatter, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    asked = ProbeRequest("hash", "hash", ["a fine book"] * 50, None, None, "")
    assert measure(asked, WorkerSlots(1, 1, 0), 0.1).engine == "hash"


def test_machine_without_a_gpu_is_kept_as_cpu(measured: LocalSpeed) -> None:
    assert measured.gpu == "cpu"
    assert measured.flops_per_second is None  # not asked for


def test_what_was_embedded_is_listed_by_lengths_and_texts(measured: LocalSpeed) -> None:
    (share, tokens), *more = measured.lengths
    assert (share, tokens, more) == (1.0, 8.0, [])  # six words and two special tokens
    assert measured.texts_per_second == pytest.approx(measured.tokens_per_second.mid / 8)
    assert measured.tokens_per_text == 8


def test_workers_add_up_to_the_machine(measured: LocalSpeed) -> None:
    assert len(measured.each) == 2
    assert sum(one.mid for one in measured.each) == pytest.approx(measured.tokens_per_second.mid)


def test_products_are_timed_in_all_slots_at_once(minilm: str) -> None:
    question = ProbeRequest(minilm, "torch", TEXTS, None, None, "")
    with loaded_probes(question, WorkerSlots(1, 1, 0)) as probes:
        found = probes.measure(0.1, ceiling=0.1)
    assert found.flops_per_second is not None
    assert found.flops_per_second > 1e8


def test_every_stage_of_loading_is_said_once(minilm: str) -> None:
    said: list[str] = []
    with loaded_probes(asked(minilm, "torch"), WorkerSlots(2, 1, 0), said.append) as probes:
        assert probes.load_seconds > 0
    words = [line.partition(": ")[2] for line in said]  # a busy machine is so slow that a stage is said again
    of_torch = [module.STAGE_WORDS[stage] for stage in ("load", "warm_up")]
    assert [one for one in words if not one.startswith("still ")] == of_torch


def test_slow_stage_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMINDER_SECONDS", 0.05)
    said: list[str] = []
    with loaded_probes(asked(), WorkerSlots(1, 1, 0), said.append):
        before = len(said)
    assert any("still starting the interpreter" in line for line in said[:before])
    assert len(said) == before  # nothing is said once it is loaded


def test_probes_end_with_their_block() -> None:
    with loaded_probes(asked(), WorkerSlots(2, 1, 0)) as probes:
        assert all(one.process.poll() is None for one in probes.processes)
    assert all(one.process.poll() is not None for one in probes.processes)
