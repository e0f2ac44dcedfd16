"""What a load may do to a collection: the whole table of cases, without a store."""

from dataclasses import replace
from typing import Any

import pytest

from launcher.errors import Problem
from launcher.loading.contents import (
    Action,
    Contents,
    completed,
    contents_of,
    decide,
    decode,
    encode,
    other_space,
    resumed,
)
from tests.support.runs import header_of

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def contents(run: str = "run-1", load: str = "one", **changes: Any) -> Contents:
    return contents_of(
        header_of("in", 1, run=run, **({"model": "m", "model_fingerprint": ONE} | changes)), 32, load
    )


def decided(
    have: Contents | None, since: str | None = None, *, replace: bool = False, run: str = "run-2"
) -> Action:
    return decide(have, contents(run, "new"), since, replace=replace, where="docs")


WHOLE = completed(contents(), "run-1", 30)
BETWEEN = replace(WHOLE, following="run-2")


@pytest.mark.parametrize(
    ("have", "since", "run", "action"),
    [
        (None, None, "run-1", Action.CREATE),
        (contents(), None, "run-1", Action.CREATE),  # the rest of it
        (WHOLE, "run-1", "run-2", Action.CHANGE),
        (BETWEEN, "run-1", "run-2", Action.CHANGE),  # the rest of it
    ],
)
def test_what_is_done(have: Contents | None, since: str | None, run: str, action: Action) -> None:
    assert decided(have, since, run=run) is action


@pytest.mark.parametrize(
    ("have", "since", "run", "said", "hint"),
    [
        (None, "run-1", "run-2", "docs is not there", "leave --since out"),
        (WHOLE, None, "run-2", "holds run run-1, and not run-2", "--since run-1"),
        (WHOLE, "run-0", "run-2", "holds run run-1, and not run-0", "--since run-1"),
        (contents(), None, "run-2", "holds a part of run run-1", "embedfleet load run-1"),
        (contents(), "run-1", "run-2", "holds a part of run run-1", "embedfleet load run-1"),
        (BETWEEN, None, "run-1", "between run run-1 and run run-2", "embedfleet load run-2 --since run-1"),
        (BETWEEN, "run-1", "run-3", "between run run-1 and run run-2", "embedfleet load run-2 --since run-1"),
        (BETWEEN, None, "run-2", "holds run run-1, and not run-2", "--since run-1"),
        (
            replace(WHOLE, refused=2),
            "run-1",
            "run-2",
            "lacks 2 rows of run run-1",
            "--replace loads run run-2 whole",
        ),
    ],
)
def test_what_is_refused_and_what_to_do(
    have: Contents | None, since: str | None, run: str, said: str, hint: str
) -> None:
    with pytest.raises(Problem, match=said) as refused:
        decided(have, since, run=run)
    assert hint in refused.value.hint


def test_run_that_is_there_is_nothing_new() -> None:
    assert decided(WHOLE, run="run-1") is Action.NOTHING


@pytest.mark.parametrize("have", [WHOLE, contents(model_fingerprint=OTHER), BETWEEN])
def test_anything_is_replaced(have: Contents) -> None:
    assert decided(have, replace=True) is Action.REPLACE
    assert decided(None, replace=True) is Action.CREATE


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_fingerprint": OTHER}, "another model: m, fingerprint sha256:2"),
        ({"model_fingerprint": None}, "another model: m, fingerprint unknown"),
        ({"prompt": "passage: "}, "other prompt: 'passage: '"),
        ({"precision": "fp8"}, "other precision: 'fp8'"),
        ({"dtype": "int8"}, "other dtype: 'int8'"),
    ],
)
def test_vectors_that_cannot_be_compared(changes: dict[str, Any], said: str) -> None:
    found = other_space(contents(**changes), contents())
    assert found is not None
    assert said in found


def test_same_weights_under_another_path_are_the_same_model() -> None:
    assert other_space(contents(model="/a/m"), contents(model="/b/m")) is None


def test_models_without_a_fingerprint_are_compared_by_name() -> None:
    hashes = [contents(model=name, model_fingerprint=None) for name in ("hash", "hash", "other")]
    assert other_space(hashes[0], hashes[1]) is None
    assert other_space(hashes[0], hashes[2]) is not None


def test_record_comes_back_as_it_was_written() -> None:
    assert decode(encode(WHOLE)) == WHOLE
    assert [decode(text) for text in ("", "docs of the team", "{}", '{"schema": "other/1"}', "\ud800")] == [
        None
    ] * 5


def test_load_that_goes_on_keeps_its_receipts_and_a_new_one_does_not() -> None:
    assert resumed(contents(load="one"), contents(load="two")).load == "one"
    change = replace(WHOLE, following="run-2", load="three")
    assert (resumed(WHOLE, change).load, resumed(WHOLE, change).collection) == ("three", "one")
    assert resumed(replace(change, load="two"), change).load == "two"
