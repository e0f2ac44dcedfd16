"""Values of YAML with their lines: numbers, money, lists and texts, and the YAML that is refused."""

from time import monotonic

import pytest

from tests.launcher.jobs.job_texts import job, mistakes, only_mistake


@pytest.mark.parametrize(
    ("written", "hours"),
    [
        ("6h", 6.0),
        ("90m", 1.5),
        ("2d", 48.0),
        ("1h30m", 1.5),
        ("14 days", 336.0),
        ("1 hour", 1.0),
        ("1.5h", 1.5),
        ("1d 12h", 36.0),
        ("30 min", 0.5),
        ("3600s", 1.0),
        ("'2 hrs 15 minutes'", 2.25),
    ],
)
def test_durations_have_units(written: str, hours: float) -> None:
    assert job(f"limits: {{deadline: {written}}}").limits.deadline_hours == hours


@pytest.mark.parametrize(
    ("written", "dollars"),
    [
        ("$300", "300"),
        ("300", "300"),
        ("$1,200.50", "1200.50"),
        ("0.10", "0.10"),
        ("$2k", "2000"),
        ("$ 5", "5"),
    ],
)
def test_money_is_exact(written: str, dollars: str) -> None:
    assert str(job(f"limits:\n  budget: {written}").limits.budget) == dollars


def test_single_word_is_a_list_of_one() -> None:
    assert job("limits: {gpus: L4}").limits.gpus == ("L4",)


def test_megabyte_of_text_is_read() -> None:
    assert job(f"prompt: {'x' * 2**20}").prompt == "x" * 2**20


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "\ufeff"])
def test_empty_file_is_said_to_be_empty(text: str) -> None:
    assert "empty" in mistakes(text)[0]


@pytest.mark.parametrize(
    ("text", "this"), [("- a", "a list"), ("hello", "hello"), ("12", "12"), ("[]", "a list")]
)
def test_file_that_is_no_mapping_is_refused(text: str, this: str) -> None:
    assert mistakes(text) == [f"job.yaml:1: a job is a mapping, such as `name: my-job`; this is {this}"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: [1, 2\nc: 3", 3, "expected ',' or ']'"),
        ("a: 1\nb: 'x\nc: 3\n", 4, "unexpected end of stream (begun in line 2)"),
        ("a: b: c", 1, "put text that holds ': ' in quotes"),
        ("a:\n\tb: 1", 2, "a tab; YAML is indented with spaces"),
        ("a: 1\n---\nb: 2", 2, "a second document"),
        ("a: 1\nb: \x07", 2, "the character U+0007 is not allowed"),
        ("a: 1\nb: \ud800", 2, "the character U+D800 is not allowed"),
        ('a: 1\nb: "\\UFFFFFFFF"', 2, "out of range"),
        ("%YAML 1." + "1" * 5000 + "\n---\na: 1", 1, "out of range"),
        ("a: 1\nb: &x [*x]", 2, "a YAML alias, which is not read here"),
        ("a: 1\nlimits: {regions: [*-west]}", 2, 'put a pattern in quotes, as "*-west"'),
        ("a: 1\nlimits: {regions: [*]}", 2, "put a pattern in quotes"),
        ("a: 1\nb: !!python/object/apply:os.getcwd []", 2, "the tag python/object/apply:os.getcwd"),
        ("a: 1\nb: !x 1", 2, "the tag !x; a job file has no tags"),
        ("a: 1\nb: " + "[" * 100_000, 2, "nested more than 12 deep"),
    ],
)
def test_unsupported_yaml_is_refused_with_its_line(text: str, line: int, what: str) -> None:
    (only,) = mistakes(text)
    assert only.startswith(f"job.yaml:{line}: ")
    assert what in only


def test_a_file_that_is_no_job_is_not_parsed_to_its_end() -> None:
    started = monotonic()
    assert "more than 10,000 values" in only_mistake("x: [" + "1, " * 10**6 + "1]")
    assert "and a job file at most 4,194,304" in only_mistake("prompt: " + "x" * 5 * 2**20)
    assert monotonic() - started < 10


def test_aliases_cannot_blow_up_a_small_file() -> None:
    layers = "".join(f"{b}: &{b} [{f'*{a},' * 9}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    assert len(mistakes("a: &a [x]\n" + layers)) == 1


@pytest.mark.parametrize("tag", ["!!bool x", "!!int ''", "!!int x", "!!float x", "!!timestamp x", "!!null x"])
def test_value_that_is_not_what_its_tag_says_is_a_mistake(tag: str) -> None:
    assert only_mistake(f"truncate: {tag}").startswith("job.yaml:5: truncate: must be a whole number")


def test_key_given_twice_is_a_mistake() -> None:
    assert only_mistake("name: b") == "job.yaml:5: name: given twice; first in line 1"


def test_key_given_twice_inside_is_a_mistake() -> None:
    assert (
        only_mistake("local: {workers: 1, workers: 2}")
        == "job.yaml:5: local.workers: given twice; first in line 5"
    )


@pytest.mark.parametrize("key", ["? [a]\n: 1", "? {b: 1}\n: 1", "'': 1", '"\\0": 1'])
def test_key_must_be_a_word(key: str) -> None:
    assert "a key must be a word" in only_mistake(key)


def test_key_without_a_value_is_a_mistake() -> None:
    assert only_mistake("prompt:") == "job.yaml:5: prompt: is empty; fill it or remove it"


@pytest.mark.parametrize("key", ["limits", "chunk", "local", "quota"])
def test_empty_mapping_is_a_mistake(key: str) -> None:
    assert only_mistake(f"{key}: {{}}") == f"job.yaml:5: {key}: is empty; fill it or remove it"


@pytest.mark.parametrize("key", ["limits", "chunk", "local", "quota"])
@pytest.mark.parametrize(("value", "this"), [("12", "12"), ("[a]", "a list"), ("", "empty")])
def test_mapping_must_be_one(key: str, value: str, this: str) -> None:
    assert only_mistake(f"{key}: {value}").startswith(f"job.yaml:5: {key}: must be a mapping, such as {{")
    assert only_mistake(f"{key}: {value}").endswith(f"this is {this}")


@pytest.mark.parametrize("value", ["12", "1.5", "true", "no", ".nan"])
def test_text_must_be_text(value: str) -> None:
    assert (
        only_mistake(f"prompt: {value}")
        == f'job.yaml:5: prompt: must be text; put it in quotes, as "{value}"'
    )


@pytest.mark.parametrize("value", ["[a]", "{a: b}"])
def test_text_is_no_collection(value: str) -> None:
    assert only_mistake(f"prompt: {value}").startswith("job.yaml:5: prompt: must be text; this is a ")


@pytest.mark.parametrize("value", ['"a\\0b"', '"\\uD800"'])
def test_text_that_no_file_can_hold_is_refused(value: str) -> None:
    assert "holds a character" in only_mistake(f"prompt: {value}")


@pytest.mark.parametrize(
    "value",
    [
        "-1",
        "0",
        ".nan",
        ".inf",
        "-.inf",
        "1e999",
        "1.5",
        "x",
        "true",
        "0x10",
        "1:30",
        "5 6",
        "١٢",
        "1__,0",
        "[1]",
        "{a: 1}",
        "",
        "'1,5'",
        "1m",
        "e5",
        ".",
        "+",
        "9" * 100_000,
    ],
)
def test_count_must_be_a_whole_number_above_zero(value: str) -> None:
    assert only_mistake(f"truncate: {value}").startswith(
        "job.yaml:5: truncate: must be a whole number, 1 or more"
    )


def test_count_beyond_reason_is_refused() -> None:
    assert only_mistake("truncate: 1e16") == "job.yaml:5: truncate: is more than 1e+15; this is 1e16"


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("limits: {clouds: [gpc]}", "this is gpc; did you mean gcp?"),
        ("limits: {clouds: [aws, [gcp]]}", "this is a list"),
        ("limits: {spot: no}", "limits.spot: must be one of only, prefer, never; this is no"),
        ("engine: torhc", "this is torhc; did you mean torch?"),
        ("engine: ", "this is empty"),
        ("engine: " + "x" * 10**6, "this is " + "x" * 39 + "…"),
        ('engine: "\\e[31m"', "this is '\\x1b[31m'"),
    ],
)
def test_one_of_a_few_words_must_be_one_of_them(more: str, what: str) -> None:
    assert only_mistake(more).startswith("job.yaml:5: ")
    assert only_mistake(more).endswith(what)


@pytest.mark.parametrize("bare", ["6", "1.5", "1:30", "6e1", "1_000"])
def test_duration_without_a_unit_is_refused(bare: str) -> None:
    assert only_mistake(f"limits: {{deadline: {bare}}}").startswith(
        "job.yaml:5: limits.deadline: needs a unit, such as 6h"
    )


@pytest.mark.parametrize(
    "value",
    ["0h", "-6h", "6 parsecs", "h", "30m 1h", "1h 1h", "6hx", "true", "[6h]", "", "9" * 10**5 + "h", "٦h"],
)
def test_duration_must_be_one(value: str) -> None:
    assert only_mistake(f"limits: {{deadline: {value}}}").startswith(
        "job.yaml:5: limits.deadline: must be a duration such as 6h"
    )


def test_deadline_in_the_next_century_is_refused() -> None:
    assert only_mistake("limits: {deadline: 9999999d}").startswith(
        "job.yaml:5: limits.deadline: is more than 10 years"
    )


@pytest.mark.parametrize(
    "value",
    ["0", "$0", "-5", "$-5", "-$5", "free", ".nan", ".inf", "$", "$1,5", "1,2,3", "[5]", "", "€5", "true"],
)
def test_budget_must_be_money_above_zero(value: str) -> None:
    assert only_mistake(f"limits:\n  budget: {value}").startswith(
        "job.yaml:6: limits.budget: must be an amount of money, $0.01 or more"
    )


def test_budget_that_braces_cut_at_its_comma_is_explained() -> None:
    assert only_mistake("limits: {budget: $1,200.50}") == (
        'job.yaml:5: limits.200.50: unknown key; inside {} put a number with commas in quotes, as "$1,200"'
    )


@pytest.mark.parametrize(("value", "this"), [("'L4, T4'", "L4, T4"), ("{L4: 1}", "a mapping")])
def test_list_must_be_one(value: str, this: str) -> None:
    assert only_mistake(f"limits: {{gpus: {value}}}") == (
        f"job.yaml:5: limits.gpus: must be a list, such as [L4, H100]; this is {this}"
    )


def test_empty_list_is_a_mistake() -> None:
    assert only_mistake("limits: {gpus: []}") == "job.yaml:5: limits.gpus: is empty; fill it or remove it"


def test_entry_of_a_list_is_named_by_its_place() -> None:
    assert only_mistake("limits:\n  gpus:\n  - L4\n  - 40").startswith(
        "job.yaml:8: limits.gpus[1]: must be text"
    )
