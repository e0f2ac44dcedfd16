"""The command line's options: completion scripts, and where each command is carried out."""

import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from launcher.cli.options.commands import COMMANDS
from tests.support.cli_runs import in_process


@pytest.mark.parametrize("target", COMMANDS.values())
def test_command_target_is_a_function(target: str) -> None:
    module, _, function = target.partition(":")
    assert callable(getattr(import_module(module), function))


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
