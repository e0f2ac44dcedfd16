"""`embedfleet speed`: its JSON, its table and its usage errors."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from rich.console import Console

from launcher.cli.commands import speed as speeds
from launcher.cli.main import parser
from launcher.errors import Usage
from launcher.ledger.ledger import Ledger
from launcher.ledger.records import MeasuredSpeed
from launcher.reports.terminal.speed import speed_text
from launcher.throughput.model_shapes import shape
from launcher.throughput.predict import flops_per_token
from launcher.throughput.table import SpeedRow, gpu_rows
from pricing.gpu import gpu, gpus

BASE = shape("BAAI/bge-base-en-v1.5")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ask(folder: Path, *words: str) -> int:
    return speeds.run(parser().parse_args(["speed", "--runs", str(folder), *words]))


def answer(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> list[dict[str, Any]]:
    assert ask(folder, *words, "--json") == 0
    return json.loads(capsys.readouterr().out)


def rows_of(body: list[dict[str, Any]]) -> list[SpeedRow]:
    return msgspec.convert(body, list[SpeedRow])


def screen(body: list[SpeedRow], width: int = 110) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(speed_text(body))
    return out.getvalue()


def test_json_has_an_object_for_each_gpu_and_length(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = answer(capsys, tmp_path, "--model", BASE.name, "--gpu", "L4,A100-80GB", "--tokens", "128,512")
    assert [(r["gpu"], r["tokens"]) for r in found] == [
        ("L4", 128),
        ("L4", 512),
        ("A100-80GB", 128),
        ("A100-80GB", 512),
    ]


def test_nothing_is_cut_on_80_columns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("--model", BASE.name, "--gpu", "L4,A100-80GB,A10G", "--tokens", "128,512")
    shown = screen(rows_of(answer(capsys, tmp_path, *words)), width=80)
    assert max(map(len, shown.splitlines())) <= 80
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    assert all(word in shown for word in ("A100-80GB", "A10G", "bfloat16", "predicted"))


def test_json_has_speed_range_and_source(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (found,) = answer(capsys, tmp_path, "--model", BASE.name, "--gpu", "L4", "--tokens", "512")
    rate = found["tokens_per_second"]
    assert 0 < rate["low"] < rate["mid"] < rate["high"]
    assert (found["model"], found["engine"], found["dtype"]) == (BASE.name, "vllm", "bfloat16")
    assert 0 < found["share_of_ceiling"] < 0.83
    assert found["source"].startswith("predicted: ceiling 58 TFLOPS")
    assert (found["fits"], found["reason"]) == (True, None)


def test_without_gpu_option_all_gpus_are_listed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = answer(capsys, tmp_path, "--model", BASE.name, "--tokens", "512")
    assert [r["gpu"] for r in found] == [g.name for g in gpus()]


def test_gpu_under_two_of_its_names_is_listed_once(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = answer(
        capsys, tmp_path, "--model", BASE.name, "--gpu", "A100-80, nvidia a100 80gb", "--tokens", "9"
    )
    assert [r["gpu"] for r in found] == ["A100-80GB"]


def test_model_that_does_not_fit_has_no_speed_and_a_reason(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seven = "Alibaba-NLP/gte-Qwen2-7B-instruct"
    (found,) = answer(capsys, tmp_path, "--model", seven, "--gpu", "T4", "--tokens", "512")
    assert (found["tokens_per_second"], found["share_of_ceiling"], found["source"]) == (None, None, None)
    assert found["reason"].startswith("needs 1")
    assert not found["fits"]


def test_gpu_without_a_ceiling_has_no_speed_and_a_reason() -> None:
    (found,) = gpu_rows(BASE, [gpu("MI210")], [512], "vllm")
    assert found.tokens_per_second is None
    assert found.reason == "no kernel ceiling is known of MI210 in bfloat16"


def test_length_above_the_models_maximum_is_noted() -> None:
    (found,) = gpu_rows(BASE, [gpu("L4")], [513], "vllm")
    assert found.note == "the model takes 512 tokens by default"


def test_model_that_fits_only_with_short_texts_is_noted() -> None:
    (found,) = gpu_rows(shape("Qwen/Qwen3-Embedding-8B"), [gpu("L4")], [512], "vllm")
    assert found.fits
    assert found.note == "texts of 32,768 tokens, the model's maximum, would not fit"


def test_measured_speed_goes_before_a_predicted_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        detail = {"lengths": [[1, 512]]}
        ledger.speeds.record(MeasuredSpeed(BASE.name, "L4", "vllm", 9e4, 1e5, 1.1e5, "run r", at, detail))
    (found,) = answer(capsys, tmp_path, "--model", BASE.name, "--gpu", "L4", "--tokens", "512")
    assert found["tokens_per_second"] == {"low": 9e4, "mid": 1e5, "high": 1.1e5}
    assert found["source"] == "measured 2026-03-01: run r"


def test_no_ledger_is_created(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    answer(capsys, tmp_path / "runs", "--model", BASE.name, "--gpu", "L4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    ["layers=12,hidden=768", '{"layers": 12, "hidden": 768}', '{"name": "x", "layers": 12, "hidden": 768}'],
)
def test_model_can_be_given_by_its_shape(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str
) -> None:
    (given,) = answer(capsys, tmp_path, "--model", words, "--gpu", "L4", "--tokens", "512")
    (known,) = answer(capsys, tmp_path, "--model", BASE.name, "--gpu", "L4", "--tokens", "512")
    assert given["tokens_per_second"] == known["tokens_per_second"]


def test_model_can_be_a_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = {
        "model_type": "bert",
        "num_hidden_layers": 12,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "vocab_size": 30522,
    }
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (found,) = answer(capsys, tmp_path, "--model", str(tmp_path / "mine"), "--gpu", "L4", "--tokens", "512")
    assert found["model"] == "mine"
    assert found["tokens_per_second"]["mid"] > 100_000


def test_dtype_option_is_used(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--model", BASE.name, "--gpu", "L4", "--tokens", "512", "--dtype", "float32"]
    (found,) = answer(capsys, tmp_path, *words)
    assert found["dtype"] == "float32"
    assert "float32 ceiling" in found["source"]


@pytest.mark.parametrize(
    ("words", "what", "hint"),
    [
        (["--model", "BAAI/bge-base-en"], "--model: unknown model", "pass --model BAAI/bge-base-en-v1.5"),
        (["--model", "zzz"], "--model: unknown model 'zzz'", "layers=24,hidden=1024"),
        (["--model", "layers=12"], "the shape of model lacks hidden", "give at least layers and hidden"),
        (["--model", "layers=12,hidden=wide"], "hidden: 'wide', which is not a size", "a whole number"),
        (["--model", "{layers: 12"], "--model is not JSON", "pass --model layers=24"),
        (["--model", BASE.name, "--gpu", "L44"], "--gpu: no GPU 'L44' is known", "pass --gpu L4"),
        (["--model", BASE.name, "--gpu", ","], "--gpu names no GPU", "leave it out for all"),
        (["--model", BASE.name, "--tokens", "0"], "'0' is not a length", "from 1 to 1,000,000"),
        (["--model", BASE.name, "--tokens", "long"], "'long' is not a length", "such as --tokens 128,512"),
        (["--model", BASE.name, "--tokens", ""], "--tokens names no length", "pass --tokens 128,512"),
        (["--model", BASE.name, "--engine", "vlm"], "'vlm' is unknown", "pass --engine vllm"),
    ],
)
def test_usage_error_has_a_hint(tmp_path: Path, words: list[str], what: str, hint: str) -> None:
    with pytest.raises(Usage) as refusal:
        ask(tmp_path, *words)
    assert what in str(refusal.value)
    assert hint in refusal.value.hint
    assert refusal.value.code == 2
    assert "\n" not in f"{refusal.value}{refusal.value.hint}"


def test_table_shows_ranges_and_gpus_that_do_not_run() -> None:
    shown = screen(gpu_rows(BASE, [gpu("L4"), gpu("V100")], [128, 512], "vllm"))
    assert "tok/s at 128" in shown
    assert " to " in shown.splitlines()[2]
    assert "no speed on V100: vllm needs compute capability 7.5, V100 has 7.0" in shown


def test_table_of_all_gpus_fits_110_columns() -> None:
    shown = screen(gpu_rows(BASE, gpus(), [128, 512], "vllm"))
    assert max(map(len, shown.splitlines())) <= 110
    assert "…" not in shown


def test_table_without_a_gpu_that_runs_has_the_reason() -> None:
    shown = screen(gpu_rows(BASE, [gpu("P100")], [128], "vllm"))
    assert "no speed on P100" in shown
    assert "tok/s at" not in shown


# --- the processors of this machine

MINILM = "sentence-transformers/all-MiniLM-L6-v2"


def benched(folder: Path, model: str = MINILM, engine: str = "torch", **detail: Any) -> None:
    """A ledger in which bench has recorded 4,000 tokens/s of the processors, on texts of 256 tokens."""
    detail = {"lengths": [[1.0, 256.0]], "dtype": "bfloat16"} | detail
    seen = MeasuredSpeed(model, "cpu", engine, 3_500.0, 4_000.0, 4_500.0, "bench on box cpu", NOON, detail)
    with Ledger.open(folder / "ledger.db") as ledger:
        ledger.speeds.record(seen)


def test_processors_have_the_speed_that_bench_measured(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    benched(tmp_path)
    (found,) = answer(capsys, tmp_path, "--model", MINILM, "--gpu", "cpu", "--tokens", "256")
    assert found["tokens_per_second"] == {"low": 3_500.0, "mid": 4_000.0, "high": 4_500.0}
    assert (found["engine"], found["dtype"]) == ("torch", "bfloat16")
    assert found["source"] == "measured 2026-03-01: bench on box cpu"


def test_measured_speed_is_scaled_by_flops_to_other_lengths(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    benched(tmp_path)
    (found,) = answer(capsys, tmp_path, "--model", MINILM, "--gpu", "cpu", "--tokens", "512")
    mini = shape(MINILM)
    ratio = flops_per_token(mini, 256) / flops_per_token(mini, 512)
    assert found["tokens_per_second"]["mid"] == pytest.approx(4_000 * ratio, abs=0.1)
    assert found["source"].endswith(f", x{ratio:.2f} for other lengths")


def test_processors_without_a_measurement_have_a_hint(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (found,) = answer(capsys, tmp_path, "--model", MINILM, "--gpu", "cpu", "--tokens", "256")
    assert found["tokens_per_second"] is None
    assert found["reason"] == f"never measured here: embedfleet bench --model {MINILM} does it"
    assert "by any engine" in screen(rows_of([found]))


def test_measurement_of_another_engine_is_not_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    benched(tmp_path)
    asked = ("--model", MINILM, "--gpu", "cpu", "--tokens", "256", "--engine", "vllm")
    assert answer(capsys, tmp_path, *asked)[0]["tokens_per_second"] is None


def test_measured_processors_are_listed_without_gpu_option(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked = ("--model", MINILM, "--tokens", "256")
    assert "cpu" not in [row["gpu"] for row in answer(capsys, tmp_path, *asked)]
    benched(tmp_path)
    assert answer(capsys, tmp_path, *asked)[-1]["gpu"] == "cpu"


def test_table_shows_processors_with_gpus(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    benched(tmp_path)
    shown = screen(rows_of(answer(capsys, tmp_path, "--model", MINILM, "--gpu", "L4,cpu", "--tokens", "256")))
    assert "by vllm or torch, per GPU" in shown
    line = next(line for line in shown.splitlines() if line.startswith("cpu "))
    assert line.split()[1:] == ["bfloat16", "4k", "(3.5k", "to", "4.5k)", "?", "?", "measured"]
