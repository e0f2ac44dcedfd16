"""The JSON Schema of job.yaml and the parser know the same keys, and the schema accepts what the parser accepts."""

import json
import re
from collections.abc import Iterator
from typing import Any, cast

import jsonschema
import pytest
import yaml

from launcher.jobs.job_schema import SHIPPED, job_schema
from launcher.jobs.keys import SECTIONS, TOP, Key
from launcher.jobs.parse import parse
from launcher.jobs.yaml_fields import BadJob
from tests.docs.test_readme import MARKED_JOB, PAGES

VALIDATOR: Any = jsonschema.Draft202012Validator(job_schema())
JOB = {"name": "a", "corpus": "{path: in}", "model": "hash", "output": "{path: out}"}
# What a key needs beside it.
BESIDE = {
    ("chunk", "overlap"): "tokens: 64, ",
    ("chunk", "by"): "tokens: 64, ",
    ("discounts", "cloud"): "off: 20%, ",
    ("discounts", "usd_per_hour"): "cloud: aws, instance_type: g6.xlarge, ",
    ("discounts", "off"): "cloud: aws, ",
    ("corpus", "documents"): "tokens_per_document: 5, ",
    ("corpus", "tokens_per_document"): "documents: 5, ",
    ("corpus", "unit"): "path: in, ",
    ("index", "m"): "ef_construction: 64, ",
}
SHAPE = "layers: 24, hidden: 1024, "


def text_of(fields: dict[str, str]) -> str:
    return "".join(f"{name}: {value}\n" for name, value in fields.items())


def job_with(section: str, key: Key, value: str | None = None) -> str:
    """A job whose section has this key, and what it needs beside it."""
    value = key.example if value is None else value
    if section == TOP:
        return text_of(JOB | {key.name: value})
    default = {
        "corpus": "path: in, ",
        "csv": "",
        "model": "name: m, ",
        "output": "path: out, ",
        "sink": "to: docs.lance, ",
    }.get(section, "")
    if section == "model" and key.name not in ("name", "trust_remote_code", "query_prompt"):
        default += "".join(
            f"{name}, " for name in SHAPE.split(", ") if name and not name.startswith(f"{key.name}:")
        )
    if section == "discounts":
        default = "cloud: aws, off: 20%, "
    beside = BESIDE.get((section, key.name), default)
    beside = re.sub(rf"\b{re.escape(key.name)}: [^,]*, ", "", beside)
    mapping = f"{{{beside}{key.name}: {value}}}"
    if section == "index":
        return text_of(JOB | {"sink": f"{{to: docs.lance, index: {mapping}}}"})
    if (section, key.name) == ("sink", "keep"):
        return text_of(JOB | {"output": "{path: out, keep: [title]}", section: mapping})
    if section == "csv":
        return text_of(JOB | {"corpus": f"{{path: in, csv: {mapping}}}"})
    return text_of(JOB | {section: f"[{mapping}]" if section == "discounts" else mapping})


class Yaml12(yaml.SafeLoader):
    """YAML 1.2, as editors read it: `off` is a word, and not false."""


Yaml12.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool"]
    for letter, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
cast("Any", Yaml12).add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("^(?:true|false)$"), list("tf")
)


def errors(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(yaml.load(text, Yaml12))]


def every_key() -> Iterator[tuple[str, Key]]:
    for section, keys in SECTIONS.items():
        for key in keys:
            yield section, key


ALL = [pytest.param(section, key, id=f"{section}.{key.name}") for section, key in every_key()]


WITH_WORDS = [(section, key) for section, key in every_key() if key.words]


@pytest.mark.parametrize(("section", "key"), ALL)
def test_example_of_each_key_is_accepted_by_both(
    section: str, key: Key, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_WEBHOOK", "x")
    text = job_with(section, key)
    parse(text)
    assert errors(text) == []


@pytest.mark.parametrize(("section", "key"), WITH_WORDS)
def test_every_word_is_accepted_and_another_is_not(section: str, key: Key) -> None:
    for word in key.words:
        if (section, key.name, word) in (("", "engine", "torch"), ("corpus", "unit", "line")):
            continue  # go with other keys only
        assert errors(job_with(section, key, word)) == [], word
    wrong = job_with(section, key, "nonsense")
    assert errors(wrong) != []
    with pytest.raises(BadJob):
        parse(wrong)


@pytest.mark.parametrize("section", list(SECTIONS))
def test_unknown_key_is_refused_by_both(section: str) -> None:
    text = job_with(section, Key("nonsense", "", example="1"))
    assert errors(text) != []
    with pytest.raises(BadJob, match="unknown key"):
        parse(text)


def test_every_job_of_the_documents_fits_the_schema() -> None:
    jobs = [match[1] for text in PAGES.values() for match in MARKED_JOB.finditer(text)]
    assert len(jobs) >= 5
    for job in jobs:
        assert errors(job) == [], job


def test_job_without_a_model_or_with_half_a_corpus_does_not_fit() -> None:
    assert errors(text_of({name: value for name, value in JOB.items() if name != "model"}))
    assert errors(text_of(JOB | {"corpus": "{text: body}"}))


def test_shipped_schema_is_that_of_the_table() -> None:
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == job_schema(), "run `make schemas`"
