"""Files of a model: of the hub where it answers, else of its cache."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from huggingface_hub import constants

from tasks.models.describe import describe
from tasks.models.files import BadModel, ModelFiles


class Hub(BaseHTTPRequestHandler):
    """Knows one model, and counts what it is asked for."""

    asked = 0

    def do_GET(self) -> None:
        Hub.asked += self.path.startswith("/api/models")
        known = self.path.startswith("/api/models/org/model")
        body = {
            "id": "org/model",
            "siblings": [{"rfilename": "config.json"}, {"rfilename": "1_Pooling/config.json"}],
        }
        text = json.dumps(body if known else {"error": "Repository not found"}).encode()
        self.send_response(200 if known else 404)
        if not known:
            self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    _use(monkeypatch, tmp_path, server.server_port)
    Hub.asked = 0
    yield server
    server.shutdown()
    server.server_close()


def _use(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, port: int) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.usefixtures("hub")
def test_files_of_a_model_of_the_hub_are_listed_by_one_request() -> None:
    assert ModelFiles("org/model").names == {"config.json", "1_Pooling/config.json"}
    assert Hub.asked == 1


@pytest.mark.usefixtures("hub")
def test_model_that_the_hub_does_not_have_is_refused_by_one_request() -> None:
    with pytest.raises(BadModel, match="the hub has no model 'org/modle'"):
        ModelFiles("org/modle")
    assert Hub.asked == 1


def test_hub_that_does_not_answer_is_asked_once(
    hub: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub.shutdown()
    hub.server_close()
    files = ModelFiles("org/model")
    assert files.names is None
    for name in ("modules.json", "config.json"):
        with pytest.raises(BadModel, match=rf"no folder 'org/model', .* give {name} .*: it does not answer"):
            files.json(name)


def test_without_the_hub_its_cache_is_said_to_be_all_there_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _use(monkeypatch, tmp_path, 9)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(BadModel, match=r"no folder 'org/model', .* because HF_HUB_OFFLINE is set"):
        ModelFiles("org/model").json("config.json")


# --- the cache of a machine without a connection

COMMIT = "a" * 40


@pytest.fixture
def cached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The hub's cache with one commit of org/model as a library leaves it that loaded the model: the files it read."""
    _use(monkeypatch, tmp_path, 9)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    repository = tmp_path / "hub" / "models--org--model"
    for name, text in (("refs/main", COMMIT), (f"snapshots/{COMMIT}/config.json", '{"model_type": "bert"}')):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)
    return repository


@pytest.mark.usefixtures("cached")
def test_file_that_a_cache_lacks_may_be_one_of_the_model() -> None:
    files = ModelFiles("org/model")
    assert files.names is None
    assert files.json("config.json") == {"model_type": "bert"}
    with pytest.raises(BadModel, match=r"no modules\.json of a model of this name in the hub's cache"):
        files.json("modules.json")


def test_file_of_which_the_hub_said_that_there_is_none_is_absent_without_the_hub(cached: Path) -> None:
    absent = cached / ".no_exist" / COMMIT / "modules.json"
    absent.parent.mkdir(parents=True)
    absent.touch()
    files = ModelFiles("org/model")
    assert files.json("modules.json") == {}
    assert not files.has("modules.json")
    with pytest.raises(BadModel):
        files.json("adapter_config.json")


def test_model_that_was_downloaded_whole_needs_no_hub(cached: Path) -> None:
    (cached / "snapshots" / COMMIT / ".gitattributes").touch()
    files = ModelFiles("org/model")
    assert files.names == {"config.json"}
    assert files.json("adapter_config.json") == {}
    assert files.path("config.json").is_file()


def test_download_that_was_cut_off_is_not_whole(cached: Path) -> None:
    (cached / "snapshots" / COMMIT / ".gitattributes").touch()
    (cached / "blobs").mkdir()
    (cached / "blobs" / "abc.incomplete").touch()
    assert ModelFiles("org/model").names is None


@pytest.mark.parametrize(
    "model", ["2026-11-28T10:00:00", "a:b", "a/b/c", "-x", "a b", "s3://b/m", "a\nb", "x" * 200]
)
def test_what_can_be_no_id_of_the_hub_is_refused_in_words(model: str) -> None:
    with pytest.raises(BadModel, match="no folder"):
        describe(model)
