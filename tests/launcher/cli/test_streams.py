"""A command works whatever its standard output and standard error are."""

import os
import subprocess
import sys
from collections.abc import Sequence
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import pytest

from launcher.cli.options.commands import COMMANDS
from launcher.cli.streams import flush_streams, prepare_streams, wrapped_for
from tests.support.cli_runs import COMMAND, environment, in_process, records, write_job
from tests.support.runs import write_jsonl

NAMES = ["é評\u202e", "new\nline", "esc\x1b[2J", "bell\x07", "[red]", "=1+1"]


class Latin(TextIOWrapper):
    """A stream in an encoding with few characters, in memory."""

    def __init__(self, encoding: str) -> None:
        super().__init__(BytesIO(), encoding=encoding)

    @property
    def body(self) -> bytes:
        self.flush()
        assert isinstance(self.buffer, BytesIO)
        return self.buffer.getvalue()


def shell(line: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """A line of sh in which `$E` is the command."""
    return subprocess.run(
        ["sh", "-c", line.replace("$E", " ".join(COMMAND))],
        cwd=folder,
        env=environment(**env),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", b"... \\xe9 \\u8a55 -> \\udc80"),
        ("cp1252", b"\x85 \xe9 \\u8a55 -> \\udc80"),
        ("utf-8", "… é 評 → \\udc80".encode()),
    ],
)
def test_what_an_encoding_lacks_is_replaced(
    monkeypatch: pytest.MonkeyPatch, encoding: str, shown: bytes
) -> None:
    stream = Latin(encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_streams()
    print("… é 評 → \udc80", end="")
    assert stream.body == shown


def test_a_closed_stream_takes_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    prepare_streams()
    print("into nothing")
    assert flush_streams() is None
    sys.stdout.close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run over files of hostile names, some of their rows bad, planned and launched in ASCII."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "in").mkdir()
    for number, name in enumerate(NAMES):
        write_jsonl(folder / "in" / f"{name}.jsonl", records(f"{name}-{number}-", [20] * 2))
        with (folder / "in" / f"{name}.jsonl").open("a") as file:
            file.write('{"id": "\\u001b]0;x\\u0007", "text": ""}\n')
    (folder / "in" / "\x1b[31mnotes.md").touch()
    job = write_job(folder, local="{workers: 1}")
    done = in_process("plan", job, "--on", "local", "--probe", 0, "-o", "plan.json", folder=folder)
    assert done.returncode == 0
    assert_harmless(done.stdout + done.stderr)
    launched = shell("$E launch plan.json", folder, PYTHONIOENCODING="ascii")
    assert launched.returncode == 6, launched.stderr
    assert_harmless(launched.stdout + launched.stderr)
    return folder


def assert_harmless(text: str) -> None:
    """No traceback, and no character that a terminal obeys but line breaks."""
    assert "Traceback" not in text
    assert not {c for c in text if not c.isprintable() and c != "\n"}


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("status", "--json"),
        ("report",),
        ("report", "--md"),
        ("report", "--csv"),
        ("report", "--json"),
        ("report", "--all"),
        ("verify", "--no-embed"),
        ("finish", "--dry-run"),
        ("down", "--verify"),
        ("plan", "job.yaml", "--on", "local", "--probe", "0"),
        ("launch", "plan.json", "--dry-run"),
    ],
)
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_hostile_names_act_on_no_terminal(
    finished: Path, monkeypatch: pytest.MonkeyPatch, words: Sequence[str], encoding: str
) -> None:
    monkeypatch.chdir(finished)
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Latin(encoding))
    from launcher.cli.main import main

    assert main(list(words)) in (0, 6)
    for stream in (sys.stdout, sys.stderr):
        assert isinstance(stream, Latin)
        assert_harmless(stream.body.decode(encoding))


def test_hostile_names_act_in_no_page(finished: Path) -> None:
    pages = list(finished.glob("runs/*/report.html"))
    assert pages
    assert_harmless(pages[0].read_text())


def test_a_row_is_found_by_its_name_in_json(finished: Path) -> None:
    text = in_process("report", "--json", folder=finished).stdout
    assert '"esc\\u001b[2J.jsonl"' in text


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_printed_in_ascii(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    del tmp_path
    from launcher.cli.main import main

    monkeypatch.setattr(sys, "stdout", Latin("ascii"))
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])


@pytest.mark.parametrize("words", ["--help", "status", "plan --help"])
def test_a_reader_that_leaves_is_no_error(finished: Path, words: str) -> None:
    line = f"{{ $E {words}; echo $? >&2; }} | true"
    assert shell(line, finished).stderr in ("0\n", "")


def test_closed_streams_are_no_error(finished: Path) -> None:
    assert shell("$E status >&-; echo $?", finished).stdout == "0\n"
    assert shell("$E status 2>&- >&-; echo $?", finished).stdout == "0\n"
    assert shell("$E plan none.yaml 2>&-; echo $?", finished).stdout == "2\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110
def test_output_that_cannot_be_written_is_an_error(finished: Path) -> None:
    said = shell("$E status >/dev/full; echo $?", finished)
    assert said.stdout == "1\n"
    assert said.stderr.startswith("Error: cannot write the output: No space left on device\nTry: ")


class Terminal(StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_long_lines_break_between_words_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    text = "Error: " + "a message of many words " * 4 + "\nTry: /a/path/that/is/" + "long/" * 12
    lines = wrapped_for(Terminal(), text).splitlines()
    assert [word for line in lines for word in line.split()] == text.split()
    assert all(len(line) <= 50 or " " not in line for line in lines)
    assert wrapped_for(StringIO(), text) == text
