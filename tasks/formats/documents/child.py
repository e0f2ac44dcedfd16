"""Read the text of HTML, PDF and DOCX files for another process: `python -m tasks.formats.documents.child SECONDS`.

One file after the other. On standard input each is a line with its format and the number of its bytes, then the bytes. On
standard output its answer is a line of JSON: `{"text": ..., "title": ...}`, or `{"error": ...}`. A file that takes
too long ends this process by a signal, whatever it is doing; one that needs too much memory fails in it. The process
ends when its input does.
"""

import json
import resource
import signal
import sys
from typing import BinaryIO

from tasks.formats.documents.file_text import FileText, NoTextError

MAX_MEMORY_BYTES = 3 * 2**30  # address space, in which this process itself takes a few hundred MiB


def serve(source: BinaryIO, answers: BinaryIO, seconds: float) -> None:
    """Answer until the input ends. `seconds` is the processor time that a file may take."""
    while line := source.readline():
        kind, size = line.split()
        body = source.read(int(size))
        signal.setitimer(signal.ITIMER_PROF, seconds)
        answer = _answer(kind.decode(), body)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(answer + b"\n")
        answers.flush()


def _answer(kind: str, body: bytes) -> bytes:
    try:
        found = _text(kind, body)
        return json.dumps({"text": found.text, "title": found.title}).encode()
    except NoTextError as error:
        return json.dumps({"error": str(error)}).encode()
    except MemoryError:
        return json.dumps({"error": f"needs more than {MAX_MEMORY_BYTES / 2**30:.0f} GiB of memory"}).encode()
    except Exception as error:  # noqa: BLE001 - the libraries raise what they like; the file is set aside with it
        return json.dumps({"error": f"cannot be read: {type(error).__name__}: {error}"[:500]}).encode()


def _text(kind: str, body: bytes) -> FileText:
    # Each library is loaded when a file needs it.
    if kind == "html":
        from tasks.formats.documents.html_text import html_text as read  # noqa: PLC0415
    elif kind == "docx":
        from tasks.formats.documents.docx_text import docx_text as read  # noqa: PLC0415
    else:
        from tasks.formats.documents.pdf_text import pdf_text as read  # noqa: PLC0415
    return read(body)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    if most == resource.RLIM_INFINITY or most > MAX_MEMORY_BYTES:  # else this machine allows less already
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # of the terminal: the process that asks decides when this one ends
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no answer
    serve(sys.stdin.buffer, answers, float(sys.argv[1]))
