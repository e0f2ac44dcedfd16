"""The check of a server: ours passes, and each known way to be wrong is named, by a small server that does it."""

import json
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from launcher.output.dataset import write_dataset
from launcher.vectors.query_encoder import RunEncoder, load_run_encoder
from launcher.vectors.read_dataset import Dataset, open_dataset
from scripts.schemas import FOLDER
from tasks.engines.load import load_encoder
from tasks.protocol import manifest
from tasks.stores.folder import FolderStore
from tests.support.cli_runs import in_process
from tests.support.runs import header_of, receipts_of, shard_of, whole, write_jsonl
from tests.support.serving import service_of, serving
from tests.support.workers import make_worker

pytestmark = pytest.mark.slow
PROMPT, LIMIT = "passage: ", 40
Ids = list[int]


@dataclass(frozen=True)
class Served:
    """A run of a real model, its folder, and the model as a wrong server uses it."""

    folder: Path
    dataset: Dataset
    encoder: RunEncoder


@pytest.fixture(scope="module")
def run(minilm: str, tmp_path_factory: pytest.TempPathFactory) -> Served:
    folder = tmp_path_factory.mktemp("checked")
    (folder / "in").mkdir()
    words = ("leases", "tides", "bread", "receipts", "trains", "moons", "snow")
    texts = [
        f"Text {n} of {words[n % 7]}: " + " ".join(words[(n * k) % 7] for k in range(1, 4 + n * 3))
        for n in range(30)
    ]
    write_jsonl(folder / "in" / "a.jsonl", ({"id": str(n), "text": text} for n, text in enumerate(texts)))
    store = FolderStore(folder / "out")
    header = header_of(
        folder / "in", 1, model=minilm, engine="torch", tokens=LIMIT, prompt=PROMPT, query_prompt="query: "
    )
    manifest.write(store, header, [shard_of([whole(folder / "in", "a.jsonl", "jsonl")])])
    make_worker(store, header, folder / "scratch", load_encoder("torch", minilm, threads=1)).run()
    write_dataset(store, header, receipts_of(store, header))
    dataset = open_dataset(str(folder / "out"))
    return Served(folder, dataset, load_run_encoder(header, threads=1))


@contextmanager
def wrong_server(
    run: Served,
    ids_of: Callable[[RunEncoder, str], Ids],
    change: Callable[[Any], Any] = lambda vector: vector,
) -> Generator[str, None, None]:
    """A server that embeds texts as `ids_of` cuts them, and changes each vector; its address."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer({"data": [{"id": "theirs"}]})

        def do_POST(self) -> None:
            given = json.loads(self.rfile.read(int(self.headers["content-length"])))
            assert given["model"] == "theirs"
            with lock:
                vectors = run.encoder.encode([ids_of(run.encoder, text) for text in given["input"]], PROMPT)
            rows = [{"index": n, "embedding": change(row).tolist()} for n, row in enumerate(vectors)]
            self.answer({"data": rows[::-1]})  # in another order: `index` counts

        def answer(self, body: object) -> None:
            text = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - its name there

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def right(encoder: RunEncoder, text: str) -> Ids:
    return list(encoder.pieces([text], PROMPT)[0].ids[0])


def dressed(encoder: RunEncoder, text: str) -> Ids:
    tokenizer = encoder.encoder.tokenizer
    return [*tokenizer.prefix_ids, *tokenizer.ids([PROMPT + text])[0], *tokenizer.suffix_ids]


def uncut(encoder: RunEncoder, text: str) -> Ids:
    return dressed(encoder, text)[:512]


def left(encoder: RunEncoder, text: str) -> Ids:
    return dressed(encoder, text)[-LIMIT:]


def end_cut(encoder: RunEncoder, text: str) -> Ids:
    return dressed(encoder, text)[:LIMIT]


def bare(encoder: RunEncoder, text: str) -> Ids:
    return encoder.encoder.tokenizer.ids([PROMPT + text])[0][:LIMIT]


def unprompted(encoder: RunEncoder, text: str) -> Ids:
    return list(encoder.pieces([text], "")[0].ids[0])


def as_query(encoder: RunEncoder, text: str) -> Ids:
    return list(encoder.pieces([text], "query: ")[0].ids[0])


def check(run: Served, url: str, *words: str) -> tuple[int, dict[str, Any], str]:
    """The exit status, the document and stderr of the command."""
    done = in_process("serve", "out", "--check", url, "--no-latency", "--json", *words, folder=run.folder)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_our_server_is_equal_by_texts_and_by_token_ids(run: Served) -> None:
    schema = json.loads((FOLDER / "serve-check.json").read_text())
    validator: Any = jsonschema.Draft202012Validator(schema)
    service = service_of(run.dataset, cache_bytes=2**24)  # which holds all that is asked for here
    with serving(service) as client:
        url = str(client.base_url)
        for words in ([], ["--send-tokens"]):
            status, found, said = check(run, url, *words)
            assert (status, found["equal"], found["rows"]) == (0, True, 30), said
            assert found["least_cosine"] >= found["least_enough"] >= 0.999
            validator.validate(found)
        for _ in range(2):  # as text, with times, which are not those of the cache, also the second time
            known = service.cache.hits
            done = in_process("serve", "out", "--check", url, folder=run.folder)
            assert (done.returncode, "equal" in done.stdout, "p95 ms" in done.stdout) == (0, True, True), (
                done.stderr
            )
            assert service.cache.hits - known == 30  # the texts that are compared, which were asked for above
        status, found, _ = check(run, url, "--send-prompt")  # the server puts it there as well
        assert (status, found["mistakes"][0]["name"], "twice" in found["mistakes"][0]["what"]) == (
            1,
            "wrong prompt",
            True,
        )


def test_server_that_does_all_right_is_equal(run: Served) -> None:
    with wrong_server(run, right) as url:
        assert check(run, url)[0] == 0


@pytest.mark.parametrize(
    ("ids_of", "name"),
    [
        (uncut, "no truncation"),
        (left, "wrong truncation side"),
        (end_cut, "end token cut off"),
        (bare, "no special tokens"),
        (unprompted, "wrong prompt"),
        (as_query, "wrong prompt"),
    ],
)
def test_each_wrong_way_is_named(ids_of: Callable[[RunEncoder, str], Ids], name: str, run: Served) -> None:
    with wrong_server(run, ids_of) as url:
        status, found, said = check(run, url)
    assert (status, found["equal"], found["mistakes"][0]["name"]) == (1, False, name)
    first = found["mistakes"][0]
    assert first["explains"] == first["of"] > 0
    assert said.splitlines()[-2:] == [
        f"Error: the server's vectors are not those of run run-1: {name}", f"Try: {first['hint']}",
    ]  # fmt: skip


def test_lengths_and_dimensions_are_named(run: Served) -> None:
    with wrong_server(run, right, lambda vector: vector * 3) as url:
        status, found, _ = check(run, url)
        assert (status, found["mistakes"][0]["name"]) == (1, "missing normalisation")
        assert found["least_cosine"] >= 0.999
    with wrong_server(run, right, lambda vector: vector[:128]) as url:
        status, found, _ = check(run, url)
        assert (status, found["mistakes"][0]["name"], found["dimensions"]) == (1, "wrong dimensions", 128)
    with wrong_server(run, right, lambda vector: np.append(vector, vector)) as url:
        status, found, _ = check(run, url)
        assert (
            found["mistakes"][0]["explains"],
            'send "dimensions": 384' in found["mistakes"][0]["hint"],
        ) == (30, True)


def test_pooling_is_named(run: Served) -> None:
    other = load_run_encoder(run.dataset.header, threads=1)
    engine: Any = other.encoder
    engine.pooling = replace(engine.pooling, modes=("cls",))
    with wrong_server(replace(run, encoder=other), right) as url:
        status, found, _ = check(run, url)
    assert (status, found["mistakes"][0]["name"]) == (1, "wrong pooling")
    assert "by cls" in found["mistakes"][0]["what"]


def test_other_weights_are_no_known_mistake(run: Served) -> None:
    def shuffled(vector: Any) -> Any:
        return vector[::-1]

    with wrong_server(run, right, shuffled) as url:
        status, found, said = check(run, url)
    assert (status, found["mistakes"]) == (1, [])
    assert "no known mistake" in said


def test_server_that_is_not_there_and_words_that_are_none_are_two_lines(run: Served) -> None:
    words: Sequence[tuple[list[str], int]] = (
        (["http://127.0.0.1:1"], 1),
        (["ftp://127.0.0.1"], 2),
        (["http://u:p@127.0.0.1"], 2),
        (["http://127.0.0.1:1", "--send", "x"], 2),
        (["http://127.0.0.1:1", "--key", "NOT_THERE"], 2),
    )
    for given, status in words:
        done = in_process("serve", "out", "--check", *given, folder=run.folder)
        assert (done.returncode, done.stderr.count("\n")) == (status, 2), done.stderr
