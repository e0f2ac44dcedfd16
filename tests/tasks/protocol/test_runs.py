from tasks.protocol.keys import DOCTOR_PROBE_KEY
from tasks.protocol.runs import runs_of
from tasks.stores.memory import MemoryStore


def test_runs_of_an_output_path_are_listed_once_each() -> None:
    store = MemoryStore()
    for name in ("a-1", "a-10", "b"):
        for key in ("plan.json", "manifest/run.json", "workers/w.json"):
            store.put(f"_embedfleet/{name}/{key}", b"{}")
    assert list(runs_of(store)) == ["a-1", "a-10", "b"]


def test_an_empty_output_path_has_no_runs() -> None:
    assert list(runs_of(MemoryStore())) == []


def test_what_doctor_leaves_behind_is_no_run() -> None:
    store = MemoryStore()
    store.put(DOCTOR_PROBE_KEY, b"x")
    store.put("_embedfleet/run-1/manifest/run.json", b"{}")
    assert list(runs_of(store)) == ["run-1"]
