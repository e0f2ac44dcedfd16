"""A YAML file as fields with line numbers, and readers of values that collect every mistake.

Knows YAML and how people write numbers, money and durations. Does not know what a job means. Each reader takes a field,
or None when the file has no such key. It returns None when there is no usable value, after it reported the mistake.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, TypeVar, cast

import yaml

from launcher.errors import Usage
from launcher.format import plain, plural
from launcher.jobs.durations import DATE, DurationError, duration_hours

MAX_CHARACTERS = 4 * 2**20  # of a job file, most of them in a prompt
MAX_VALUES = 10_000  # of a job file; a job has less than a hundred, and its quotas some more
MAX_DEPTH = 12  # levels; a job needs six, and a deeper file is an accident or an attack
EXCERPT_CHARACTERS = 40  # characters of a value in a message
MAX_MISTAKES_SHOWN = 50  # mistakes in a message; the exception carries them all
MAX_NUMBER_CHARACTERS = 24  # characters of a number, so that Decimal arithmetic stays exact
MAX_NUMBER = 10**15  # of anything; more is a slip of the keyboard

TAG = "tag:yaml.org,2002:"
TEXT_TAGS = {
    TAG + kind for kind in ("str", "timestamp", "value", "merge")
}  # a date or a merge key is never meant here
NUMBER_TAGS = {TAG + "int", TAG + "float"}
TAGS = TEXT_TAGS | NUMBER_TAGS | {TAG + kind for kind in ("bool", "null", "seq", "map")}

# pyyaml reads `29.5e6` as text and `1_0:30` as a number, so numbers are parsed here from the text as written.
NUMBER = re.compile(
    r"\+?(?=\.?[0-9])([0-9]{1,3}(?:,[0-9]{3})+|[0-9][0-9_]*)?(\.[0-9]*)?(?:[eE]([+-]?[0-9]{1,2}))? ?([kKMBT]?)"
)
POWER_OF_SUFFIX = {"": 0, "k": 3, "K": 3, "M": 6, "B": 9, "T": 12}
THOUSANDS = re.compile(r"[0-9]{3}(\.[0-9]+)?")  # what remains of $1,200.50 when {} splits it at the comma

# Clearer messages for the slips that people make, by pyyaml's own message.
ALIAS_MESSAGE = 'a word after * is a YAML alias, which is not read here; put a pattern in quotes, as "*-west"'
CLEARER_MESSAGES = {
    "mapping values are not allowed here": "a second ': ' in one line; put text that holds ': ' in quotes",
    "found character '\\t' that cannot start any token": "a tab; YAML is indented with spaces",
    "but found another document": "a second document after '---'; a job file holds one",
}

FORBIDDEN_CHARACTERS = re.compile(
    "[\0\ud800-\udfff]"
)  # YAML can express NUL and half a surrogate pair; no file can hold them

T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a job file."""

    line: int
    key: str  # such as "limits.deadline"; empty when the file as a whole is wrong
    what: str


class BadJob(Usage):
    """The job file is wrong. `mistakes` are all of its mistakes, in the order of their lines."""

    multiline = True

    def __init__(self, where: str, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes, key=lambda m: m.line))
        where = plain(where)
        said = [
            f"{where}:{m.line}: {m.key}: {m.what}" if m.key else f"{where}:{m.line}: {m.what}"
            for m in self.mistakes
        ]
        if len(said) > MAX_MISTAKES_SHOWN:
            said[MAX_MISTAKES_SHOWN:] = [f"and {len(said) - MAX_MISTAKES_SHOWN:,} more"]
        if len(said) > 1:
            said.insert(0, f"{len(self.mistakes):,} mistakes in the job file")
        super().__init__(
            "\n  ".join(said), hint=f"correct {where}, then `embedfleet plan {where}`: it spends nothing"
        )


@dataclass(frozen=True, slots=True)
class Field:
    """The value at one key of the file."""

    key: str
    node: yaml.Node
    mistakes: list[Mistake]  # of the whole file, shared by all its fields

    @property
    def line(self) -> int:
        return self.node.start_mark.line + 1

    @property
    def is_scalar(self) -> bool:
        return isinstance(self.node, yaml.ScalarNode)

    def reject(self, what: str) -> None:
        """Report a mistake in this field."""
        self.mistakes.append(Mistake(self.line, self.key, what))

    def child(self, name: str, node: yaml.Node) -> "Field":
        """The field at `name` inside this one."""
        return Field(f"{self.key}.{name}" if self.key else name, node, self.mistakes)


class _Composer(yaml.SafeLoader):
    """A YAML loader that refuses aliases, unknown tags, deep nesting and floods: a job has no use for them."""

    depth = values = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = cast("Any", self).peek_event()  # the stubs know neither peek_event nor marks
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem=ALIAS_MESSAGE, problem_mark=mark)
        if self.depth == MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=f"nested more than {MAX_DEPTH} deep", problem_mark=mark)
        self.values += 1
        if self.values > MAX_VALUES:
            raise yaml.MarkedYAMLError(problem=f"more than {MAX_VALUES:,} values", problem_mark=mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        if node and node.tag not in TAGS:
            problem = f"the tag {excerpt(node.tag.removeprefix(TAG))}; a job file has no tags"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return node


def read_fields(text: str, where: str) -> Field:
    """Parse a file: the whole of it as one field, which is a mapping.

    Raises:
        BadJob: it is not YAML, not a mapping, or far larger than a job.
    """
    if len(text) > MAX_CHARACTERS:
        what = f"it has {plural(len(text), 'character')}, and a job file at most {MAX_CHARACTERS:,}"
        raise BadJob(where, [Mistake(1, "", what)])
    try:
        loader = _Composer(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise BadJob(
            where, [Mistake(line, "", f"the character U+{error.character:04X} is not allowed")]
        ) from None
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        raise BadJob(where, [_syntax(error)]) from None
    except (
        ValueError,
        OverflowError,
    ):  # raised by pyyaml itself, for "\UFFFFFFFF" or a version number of 5,000 digits
        raise BadJob(where, [Mistake(loader.line + 1, "", "not YAML: a number is out of range")]) from None
    if node is None:
        raise BadJob(where, [Mistake(1, "", "the file is empty")])
    top = Field("", node, [])
    if not isinstance(node, yaml.MappingNode):
        top.reject(f"a job is a mapping, such as `name: my-job`; this is {_described(top)}")
        raise BadJob(where, top.mistakes)
    return top


def _syntax(error: yaml.MarkedYAMLError) -> Mistake:
    problem, context = error.problem or "", error.context or ""
    mark, begun = error.problem_mark or error.context_mark, error.context_mark
    line = mark.line + 1 if mark else 1
    if context == "while scanning an alias":
        return Mistake(line, "", ALIAS_MESSAGE)
    if problem in CLEARER_MESSAGES or not context:
        return Mistake(line, "", CLEARER_MESSAGES.get(problem, problem))
    since = f" (begun in line {begun.line + 1})" if begun and begun.line + 1 != line else ""
    return Mistake(line, "", f"not YAML: {context}, {problem}{since}"[:200])


def excerpt(written: str) -> str:
    """A value as it was written, shortened and escaped for a message."""
    short = written if len(written) <= EXCERPT_CHARACTERS else written[: EXCERPT_CHARACTERS - 1] + "…"
    return short if short.isprintable() and short == short.strip() != "" else repr(short)


def suggestion(word: str, known: Sequence[str]) -> str:
    """The suggestion for an unknown word: the nearest known one, or all of them."""
    near = get_close_matches(word, known, 1) or get_close_matches(word.lower(), known, 1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"


def _described(field: Field) -> str:
    node = field.node
    if not isinstance(node, yaml.ScalarNode):
        return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"
    return "empty" if _empty(node) else excerpt(node.value)


def _empty(node: yaml.Node) -> bool:
    return node.tag == TAG + "null" or not node.value


def mapping(field: Field | None, known: Sequence[str] = (), required: Sequence[str] = ()) -> dict[str, Field]:
    """The fields of a mapping by key. Every key is allowed when `known` is empty."""
    if field is None:
        return {}
    node = field.node
    if not isinstance(node, yaml.MappingNode):
        field.reject(
            f"must be a mapping, such as {{{known[0] if known else 'name'}: …}}; this is {_described(field)}"
        )
        return {}
    fields: dict[str, Field] = {}
    pairs: list[tuple[yaml.Node, yaml.Node]] = node.value
    for key, value in pairs:
        if not isinstance(key, yaml.ScalarNode) or not key.value or FORBIDDEN_CHARACTERS.search(key.value):
            field.child("?", key).reject("a key must be a word")
            continue
        name: str = key.value
        here = field.child(excerpt(name), key)
        if name in fields:
            here.reject(f"given twice; first in line {fields[name].line}")
        elif known and name not in known:
            cut = THOUSANDS.fullmatch(name) and _empty(value)
            here.reject(
                'unknown key; inside {} put a number with commas in quotes, as "$1,200"'
                if cut
                else f"unknown key; {suggestion(name, known)}"
            )
        else:
            fields[name] = field.child(excerpt(name), value)
    for name in required:
        if name not in fields:
            report_missing(field, name)
    if not pairs and not required:
        field.reject("is empty; fill it or remove it")
    return fields


def report_missing(field: Field, name: str) -> None:
    """Report that `name` is missing from this mapping."""
    field.child(name, field.node).reject("missing")


def entries(field: Field | None, like: str) -> list[Field]:
    """The entries of a list."""
    if field is None:
        return []
    if not isinstance(field.node, yaml.SequenceNode):
        field.reject(f"must be a list, such as {like}; this is {_described(field)}")
        return []
    if not field.node.value:
        field.reject("is empty; fill it or remove it")
    return [Field(f"{field.key}[{n}]", node, field.mistakes) for n, node in enumerate(field.node.value)]


def word_entries(field: Field | None, like: str) -> list[Field]:
    """The entries of a list of words; a single word counts as a list of one."""
    if field and field.is_scalar and "," not in field.node.value:
        return [field]
    return entries(field, like)


def text(field: Field | None, *, blank: bool = False) -> str | None:
    """Text as it was written. It may be empty or blank only with `blank`."""
    if field is None:
        return None
    node = field.node
    if not isinstance(node, yaml.ScalarNode):
        return field.reject(f"must be text; this is {_described(field)}")
    written: str = node.value
    if node.tag == TAG + "null" or not (blank or written.strip()):
        return field.reject("is empty; fill it or remove it")
    if node.tag not in TEXT_TAGS:
        return field.reject(f'must be text; put it in quotes, as "{excerpt(written)}"')
    if FORBIDDEN_CHARACTERS.search(written):
        return field.reject("holds a character that no path or text may hold (NUL or half a surrogate pair)")
    return written


def choice(field: Field | None, known: Sequence[T]) -> T | None:
    """One of the known words."""
    if field is None:
        return None
    written: str = field.node.value if field.is_scalar else ""
    for word in known:
        if written == word:
            return word
    near = get_close_matches(written, known, 1)
    offer = f"; did you mean {near[0]}?" if near else ""
    return field.reject(f"must be one of {', '.join(known)}; this is {_described(field)}{offer}")


def flag(field: Field | None) -> bool | None:
    """A boolean."""
    if field is None:
        return None
    if field.node.tag == TAG + "bool" and field.is_scalar:
        return field.node.value.lower() in ("true", "yes", "on")
    return field.reject(f"must be true or false; this is {_described(field)}")


def number(field: Field | None, least: Decimal, what: str, sign: str = "") -> Decimal | None:
    """A number of at least `least`, exactly as written. `what` describes a valid one in the message."""
    if field is None:
        return None
    written: str = field.node.value if field.is_scalar else ""
    match = (
        NUMBER.fullmatch(written.removeprefix(sign).lstrip())
        if len(written) <= MAX_NUMBER_CHARACTERS
        else None
    )
    if not match:
        return field.reject(f"must be {what}; this is {_described(field)}")
    whole, part, power, suffix = match.groups(default="")
    digits = whole.replace(",", "").replace("_", "") or "0"
    value = Decimal(f"{digits}{part}e{int(power or 0) + POWER_OF_SUFFIX[suffix]}")
    if value < least:
        return field.reject(f"must be {what}; this is {_described(field)}")
    if value > MAX_NUMBER:
        return field.reject(f"is more than {MAX_NUMBER:.0e}; this is {_described(field)}")
    return value


def count(field: Field | None, least: int = 1) -> int | None:
    """A whole number, such as 512, 1_000_000, 29.5e6 or 29.5M."""
    what = f"a whole number, {least} or more, such as 512 or 2M"
    value = number(field, Decimal(least), what)
    if field is None or value is None:
        return None
    if value != value.to_integral_value():
        return field.reject(f"must be {what}; this is {_described(field)}")
    return int(value)


def dollars(field: Field | None, least: Decimal) -> Decimal | None:
    """An amount of money in USD, such as $300, 300 or $1,200.50."""
    value = number(field, least, f"an amount of money, ${least} or more, such as $300 or $1,200.50", sign="$")
    return None if value is None else Decimal(f"{value:f}")


def moment(field: Field | None) -> str | None:
    """A date, or a date and a time, as ISO 8601 with its offset; UTC when none is given. None: it is not a date."""
    if field is None or not field.is_scalar or not DATE.match(field.node.value):
        return None
    written: str = field.node.value
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return field.reject(f"is no date that exists, such as 2027-01-31T18:00Z; this is {_described(field)}")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).isoformat()


def hours(field: Field | None) -> float | None:
    """A duration in hours, from 6h, 90m, 2d, 1h30m or 14 days."""
    if field is None:
        return None
    written: str = field.node.value if field.is_scalar else ""
    if len(written) <= MAX_NUMBER_CHARACTERS and (field.node.tag in NUMBER_TAGS or NUMBER.fullmatch(written)):
        return field.reject(f"needs a unit, such as 6h, 90m or 2d; this is {_described(field)}")
    try:
        return duration_hours(written)
    except DurationError as error:
        return field.reject(f"{error}; this is {_described(field)}")
