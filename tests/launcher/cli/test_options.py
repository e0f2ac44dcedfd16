"""The command line's options: types of values, completion scripts, and where each command is carried out."""

import argparse
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path

import pytest

from launcher.cli.options import (
    COMMANDS,
    bench_seconds,
    dollars,
    moment,
    names,
    positive,
    probe_seconds,
    since,
)
from tests.support.cli_runs import in_process

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("target", COMMANDS.values())
def test_command_target_is_a_function(target: str) -> None:
    module, _, function = target.partition(":")
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize(("word", "usd"), [("25", "25"), ("$25.50", "25.50"), ("0.01", "0.01")])
def test_dollars_are_exact(word: str, usd: str) -> None:
    assert dollars(word) == Decimal(usd)


@pytest.mark.parametrize("word", ["0", "-1", "nan", "inf", "much", ""])
def test_dollars_refuse_what_is_no_amount_above_zero(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give dollars above 0"):
        dollars(word)


@pytest.mark.parametrize(
    ("word", "ago"), [("7d", timedelta(days=7)), ("12h", timedelta(hours=12)), ("2w", timedelta(14))]
)
def test_moment_can_be_an_age(word: str, ago: timedelta) -> None:
    assert moment(word, NOON) == NOON - ago


def test_moment_without_a_zone_is_utc() -> None:
    assert moment("2026-02-28", NOON) == datetime(2026, 2, 28, tzinfo=UTC)


def test_since_keeps_its_text() -> None:
    assert since("7d") == "7d"


@pytest.mark.parametrize("word", ["soon", "99999999d", "9999999999999d", "²d"])
def test_since_refuses_what_is_no_time(word: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give a date"):
        since(word)


def test_names_are_split_at_commas() -> None:
    assert names(" L4, A100-80GB,") == ("L4", "A100-80GB")
    with pytest.raises(argparse.ArgumentTypeError):
        names(",")


def test_numbers_out_of_range_are_refused() -> None:
    assert (positive("3"), probe_seconds("0"), bench_seconds("0.5")) == (3, 0.0, 0.5)
    for refuse, word in (
        (positive, "0"),
        (probe_seconds, "601"),
        (bench_seconds, "0"),
        (bench_seconds, "long"),
    ):
        with pytest.raises(argparse.ArgumentTypeError):
            refuse(word)


# --- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_script_names_every_command(shell: str, tmp_path: Path) -> None:
    printed = in_process("--print-completion", shell, folder=tmp_path)
    assert (printed.returncode, printed.stderr) == (0, "")
    assert all(name in printed.stdout for name in COMMANDS)


@pytest.mark.parametrize(("shell", "flags"), [("bash", ["-n"]), ("zsh", ["-n"])])
def test_completion_script_is_valid_syntax(shell: str, flags: list[str], tmp_path: Path) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    script = tmp_path / "completion"
    script.write_text(in_process("--print-completion", shell, folder=tmp_path).stdout, encoding="utf-8")
    checked = subprocess.run([program, *flags, script], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_bash_completion_completes_commands_options_and_files(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    (tmp_path / "job.yaml").touch()
    script = in_process("--print-completion", "bash", folder=tmp_path).stdout

    def completions(*words: str) -> set[str]:
        quoted = " ".join(f"'{word}'" for word in ("embedfleet", *words))
        ask = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}; _shtab_embedfleet"
        program = f"{script}\n{ask}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(
            [bash, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return set(done.stdout.split())

    assert completions("re") == {"report", "resume"}
    assert "--price-book" in completions("plan", "--pri")
    assert "job.yaml" in completions("plan", "jo")
