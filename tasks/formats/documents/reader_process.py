"""Ask a child process for the text of a file: what hangs, crashes or eats memory there does no harm here.

One child serves all files of this process, so that starting it costs nothing per file. It is started when the first file
comes, and again when one has ended it.
"""

import atexit
import json
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

from tasks.formats.documents.file_text import FileText, NoTextError
from tasks.protocol.shard import Kind

ROOT = Path(__file__).parents[3]  # of the package `tasks`, which the child imports
MODULE = "tasks.formats.documents.child"
MAX_CPU_SECONDS = 60.0  # of processor time, for a file
END_SECONDS = 5.0


class ReaderProcess:
    """A child that reads files, started when it is needed. Safe to use from several threads, one file at a time."""

    def __init__(self, seconds: float = MAX_CPU_SECONDS) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def text_of(self, kind: Kind, body: bytes) -> FileText:
        """The text and title of a file.

        Raises:
            NoTextError: it has none, or reading it ended the child.
        """
        with self._lock:
            answer = self._ask(kind, body)
        if "error" in answer:
            raise NoTextError(str(answer["error"]))
        return FileText(answer["text"], answer["title"])

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _ask(self, kind: Kind, body: bytes) -> dict[str, Any]:
        child = self._child = self._child or _start(self._seconds)
        source, answers = cast("IO[bytes]", child.stdin), cast("IO[bytes]", child.stdout)
        try:
            source.write(f"{kind} {len(body)}\n".encode())
            source.write(body)
            source.flush()
            line = answers.readline()
        except BrokenPipeError:
            line = b""
        if line.endswith(b"\n"):
            return json.loads(line)
        raise NoTextError(end_reason(self._end(), self._seconds))

    def _end(self) -> int:
        """End the child; return how it ended."""
        child, self._child = self._child, None
        if child is None:
            return 0
        for pipe in (child.stdin, child.stdout):
            with suppress(BrokenPipeError):
                cast("IO[bytes]", pipe).close()
        try:
            return child.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()


def _start(seconds: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", MODULE, str(seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )


def end_reason(code: int, seconds: float) -> str:
    """What the end of the child says of the file."""
    if code == -signal.SIGPROF:
        return f"takes more than {seconds:g} s of processor time to read"
    how = f"signal {-code}" if code < 0 else f"status {code}"
    return f"its reader crashed ({how}): the file is broken, or needs too much memory"


READER = ReaderProcess()
atexit.register(READER.close)
