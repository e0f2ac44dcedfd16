"""`embedfleet serve` as a process: it answers, and ends well on SIGTERM while a request is in hand."""

import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.cli_runs import COMMAND, environment, in_process, wait
from tests.support.vector_runs import run_of_dtype


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("served")
    run_of_dtype(found, "float32")
    return found


class Serving:
    """The command, its words, and a client of it."""

    def __init__(self, folder: Path, *words: str, **env: str) -> None:
        self.log = folder / "serve.log"
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [*COMMAND, "serve", "out", "--port", "0", *words],
                cwd=folder,
                env=environment(**env),
                stderr=log,
            )
        wait(lambda: "serving at" in self.said() or self.child.poll() is not None)
        address = re.search(r"serving at (http://\S+)/v1", self.said())
        assert address, self.said()
        self.client = httpx.Client(base_url=address[1], timeout=30, trust_env=False)

    def said(self) -> str:
        return self.log.read_text()

    def close(self) -> None:
        self.client.close()
        self.child.kill()
        self.child.wait()


@pytest.fixture
def served(folder: Path) -> Iterator[Serving]:
    found = Serving(folder, EMBEDFLEET_HASH_SECONDS="400")
    yield found
    found.close()


def test_request_in_hand_is_answered_when_the_server_is_told_to_end(served: Serving) -> None:
    assert served.client.get("/health").status_code == 200
    answers: list[int] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            served.client.post("/v1/embeddings", json={"input": "one text"}).status_code
        )
    )
    asking.start()
    wait(lambda: " 1\n" in _depth(served))
    served.child.send_signal(signal.SIGTERM)
    asking.join()
    assert (answers, served.child.wait(30)) == ([200], 0)
    assert served.said().splitlines()[-1] == "ended"


def _depth(served: Serving) -> str:
    page = httpx.get(served.client.base_url.copy_with(path="/metrics"), trust_env=False).text
    return "".join(
        f"{line}\n" for line in page.splitlines() if line.startswith("embedfleet_serve_queue_depth{")
    )


def test_semantic_cache_says_its_error_at_the_start(folder: Path) -> None:
    (folder / "q.jsonl").write_text("".join(f'{{"_id": "{n}", "text": "query {n % 3}"}}\n' for n in range(9)))
    served = Serving(folder, "--semantic-cache", "0.95", "--queries", "q.jsonl")
    try:
        assert (
            "threshold 0.95; of your 9 queries 66.7 % would be answered by it, 0.0 % of these"
            in served.said()
        )
    finally:
        served.close()


def test_wrong_words_are_two_lines(folder: Path) -> None:
    for words, env, what in (
        (["--host", "0.0.0.0"], {}, "there is no key"),
        (["--key", "NOT_THERE"], {}, "$NOT_THERE is not set"),
        (["--key", "KEY"], {"KEY": "short"}, "has 5 letters"),
        (["--route", "nonsense"], {}, "no rule"),
        (["--route", "a=b:other"], {}, "not served"),
        (["--semantic-cache", "0.9"], {}, "without queries of yours"),
        (["--semantic-cache", "9", "--queries", "q.jsonl"], {}, "no cosine"),
        (["--timeout", "-1"], {}, "give seconds above 0"),
        (["--window-ms", "x"], {}, "--window-ms"),
        (["--cache-url", "redis://u:p@h/0"], {}, "holds a password"),
        (["--cache-url", "http://127.0.0.1"], {}, "none of Redis"),
        (["--semantic-cache", "0.9", "--queries", "none.jsonl"], {}, "none.jsonl"),
        (["out"], {}, "named twice"),
    ):  # fmt: skip
        done = in_process("serve", "out", *words, "--port", "0", folder=folder, **env)
        assert (done.returncode, what in done.stderr) == (2, True), (words, done.stderr)
        assert (len(done.stderr.splitlines()[-2:]), "loading" in done.stderr) == (2, False)
